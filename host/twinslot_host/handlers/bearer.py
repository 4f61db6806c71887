"""The management API's credential."""

from aiohttp import hdrs, web

from twinslot_host import tokens
from twinslot_host.errors import Forbidden, Unauthorized
from twinslot_host.services import SERVICES
from twinslot_host.store import accounts


async def account_of(request: web.Request, scope: str) -> str:
    """The account that the caller's token speaks for.

    Raises Unauthorized without a good token, Forbidden when it lacks the scope.
    """
    services = request.app[SERVICES]
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    caller = tokens.read(services.jwt_key, token.strip(), services.now_s()) if scheme.lower() == "bearer" else None
    if caller is None or not await accounts.exists(services.database.reader, caller.account):
        raise Unauthorized("a valid bearer token is needed; `twinslot token` makes one", "Bearer")
    if scope not in caller.scopes:
        raise Forbidden(f"the token lacks the scope {scope}")
    return caller.account
