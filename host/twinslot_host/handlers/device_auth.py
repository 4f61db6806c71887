"""Device requests are proven before they are handled, and every answer to a proven one is proven too."""

from aiohttp import hdrs, web

from twinslot_host.config import DEVICE_BODY_LIMIT_BYTES
from twinslot_host.domain import auth
from twinslot_host.errors import Unauthorized
from twinslot_host.flows.entry import Visitor, fresh_nonce, prove
from twinslot_host.handlers.bodies import read_limited
from twinslot_host.handlers.problems import Handler
from twinslot_host.services import SERVICES, Services

PREFIX = "/device/v1/"
TRANSFERS = PREFIX + "transfers/"

VISITOR = web.RequestKey("visitor", Visitor)
BODY = web.RequestKey("body", bytes)


@web.middleware
async def authenticated(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The handler finds VISITOR and BODY; its answer carries Authentication-Info.

    A middleware inside this one has made problems of errors, so that they are proven too.
    """
    if not request.path.startswith(PREFIX) or request.path.startswith(TRANSFERS):
        return await handler(request)
    services = request.app[SERVICES]
    body = await read_limited(request, DEVICE_BODY_LIMIT_BYTES)
    claim = auth.parse_claim(request.headers.get(hdrs.AUTHORIZATION, ""))
    visitor = None if claim is None else await prove(services, claim, request.method, request.raw_path, body)
    if visitor is None:
        raise Unauthorized("the group, its token or the mac is wrong", "Twinslot")
    request[VISITOR], request[BODY] = visitor, body
    response = await handler(request)
    assert isinstance(response, web.Response)
    await _prove_answer(services, visitor, response)
    return response


async def _prove_answer(services: Services, visitor: Visitor, response: web.Response) -> None:
    nonce, time_s, poll_s = await fresh_nonce(services, visitor), services.now_s(), visitor.group.poll_s
    body = response.body or b""
    assert isinstance(body, bytes)
    text = auth.response_text(response.status, visitor.mac, nonce, time_s, poll_s, body)
    response.headers[hdrs.AUTHENTICATION_INFO] = (
        f'nonce="{nonce}", time="{time_s}", poll="{poll_s}", mac="{auth.mac(visitor.key, text)}"'
    )
