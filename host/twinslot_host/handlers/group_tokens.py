"""/api/v1/groups/{id}/tokens: a new token beside the old, so that a lost one can be revoked."""

from aiohttp import web

from twinslot_host.flows import enrol
from twinslot_host.handlers import views
from twinslot_host.handlers.bearer import account_of
from twinslot_host.handlers.bodies import page_of
from twinslot_host.services import SERVICES
from twinslot_host.store import group_tokens


async def create(request: web.Request) -> web.Response:
    """201 with the token, this once. 409: the group has as many as it can."""
    account = await account_of(request, "group:update")
    row = await enrol.add_token(request.app[SERVICES], account, request.match_info["id"])
    return web.json_response(views.new_token(row), status=201)


async def list_all(request: web.Request) -> web.Response:
    """A page of the group's tokens, revoked ones included, without what is secret."""
    account = await account_of(request, "group:read")
    offset, limit = page_of(request)
    db = request.app[SERVICES].database.reader
    group = await enrol.group_of(db, account, request.match_info["id"])
    rows = await group_tokens.page(db, group.id, offset, limit)
    return web.json_response(
        {"items": [views.token(row) for row in rows], "total": await group_tokens.count(db, group.id)}
    )


async def revoke(request: web.Request) -> web.Response:
    """204: no request is proven with the token any more."""
    account = await account_of(request, "group:update")
    await enrol.revoke_token(request.app[SERVICES], account, request.match_info["id"], request.match_info["token_id"])
    return web.Response(status=204)
