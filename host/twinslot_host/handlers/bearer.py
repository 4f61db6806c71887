"""The management APIs' credential."""

from aiohttp import hdrs, web

from twinslot_host.domain.caller import Caller
from twinslot_host.errors import Unauthorized
from twinslot_host.flows import credentials
from twinslot_host.services import SERVICES


async def caller_of(request: web.Request) -> Caller:
    """Whom the request's token speaks for.

    Raises Unauthorized without a good one, Unavailable when nobody can tell whether it is.
    """
    given = request.headers.getall(hdrs.AUTHORIZATION, [""])
    scheme, _, token = given[0].partition(" ")
    caller, services = None, request.app[SERVICES]
    if len(given) == 1 and scheme.lower() == "bearer":
        caller = await credentials.caller(services, token.strip())
    if caller is None:
        where = "`twinslot token`" if services.issuer is None else services.issuer.trusted.url
        raise Unauthorized(f"a valid bearer token is needed; {where} makes one", "Bearer")
    return caller
