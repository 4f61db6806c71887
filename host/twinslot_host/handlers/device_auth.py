"""Device requests are proven before they are handled, and every answer to a proven one is proven too."""

from aiohttp import hdrs, web

from twinslot_host.config import DEVICE_BODY_LIMIT_BYTES, INVENTORY_LIMIT_BYTES, OPERATION_LIMIT_BYTES
from twinslot_host.domain import auth
from twinslot_host.errors import Unauthorized
from twinslot_host.flows.entry import Visitor, fresh_nonce, prove
from twinslot_host.handlers.bodies import read_limited
from twinslot_host.handlers.problems import Handler
from twinslot_host.services import SERVICES, Services

PREFIX = "/device/v1/"
LINKED = (PREFIX + "transfers/", PREFIX + "packages/")  # proven by the links to them
LIMITS_BYTES = {PREFIX + "inventory": INVENTORY_LIMIT_BYTES, PREFIX + "operation": OPERATION_LIMIT_BYTES}

VISITOR = web.RequestKey("visitor", Visitor)
BODY = web.RequestKey("body", bytes)
POLL_S = web.RequestKey("poll_s", int)  # set where the answer says when to come back, in place of the group's interval


@web.middleware
async def authenticated(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The handler finds VISITOR and BODY; its answer carries Authentication-Info.

    A middleware inside this one has made problems of errors, so that they are proven too.
    """
    if not request.path.startswith(PREFIX) or request.path.startswith(LINKED):
        return await handler(request)
    services = request.app[SERVICES]
    body = await read_limited(request, LIMITS_BYTES.get(request.path, DEVICE_BODY_LIMIT_BYTES))
    with services.pacing.request():
        return await _answered(request, handler, body)


async def _answered(request: web.Request, handler: Handler, body: bytes) -> web.Response:
    services = request.app[SERVICES]
    claim = auth.parse_claim(request.headers.get(hdrs.AUTHORIZATION, ""))
    visitor = None if claim is None else await prove(services, claim, request.method, request.raw_path, body)
    if visitor is None:
        raise Unauthorized("the group, its token or the mac is wrong", "Twinslot")
    request[VISITOR], request[BODY] = visitor, body
    response = await handler(request)
    assert isinstance(response, web.Response)
    poll_s = request.get(POLL_S, services.pacing.poll_s(visitor.group.poll_s))
    await _prove_answer(services, visitor, response, poll_s)
    return response


async def _prove_answer(services: Services, visitor: Visitor, response: web.Response, poll_s: int) -> None:
    nonce, time_s = await fresh_nonce(services, visitor), services.now_s()
    body = response.body or b""
    assert isinstance(body, bytes)
    text = auth.response_text(response.status, visitor.mac, nonce, time_s, poll_s, body)
    response.headers[hdrs.AUTHENTICATION_INFO] = (
        f'nonce="{nonce}", time="{time_s}", poll="{poll_s}", mac="{auth.mac(visitor.key, text)}"'
    )
