"""/api/v1/groups/{id}/tokens: a new token beside the old or in its place, so that a lost one can be revoked."""

from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, Field

from twinslot_host.config import GRACE_LIMIT_S
from twinslot_host.domain.dates import date, date_or_none
from twinslot_host.flows import enrol
from twinslot_host.flows import group_tokens as flow
from twinslot_host.handlers.bodies import Body, Page
from twinslot_host.handlers.routes import Call, Routes, answer, no_content
from twinslot_host.handlers.views import Date, Listed
from twinslot_host.store import group_tokens

ROUTES = Routes("Groups", "/api/v1/groups/{id}/tokens")


class RotationBody(Body):
    """For how many seconds more the tokens that are valid now are valid beside the new one."""

    grace_s: Annotated[int, Field(ge=0, le=GRACE_LIMIT_S)]


class NewToken(BaseModel):
    """A token as its creator sees it, once."""

    id: str
    token: str
    created_at: Date

    @classmethod
    def of(cls, row: group_tokens.Token) -> "NewToken":
        """The token as it is shown."""
        return cls(id=str(row.id), token=row.token, created_at=date(row.created_at_ms))


class Token(BaseModel):
    """A token in a list: what is secret stays out. `devices`: how many last proved themselves with it."""

    id: str
    created_at: Date
    expires_at: Date | None
    revoked_at: Date | None
    devices: int

    @classmethod
    def of(cls, row: group_tokens.Token, devices: int) -> "Token":
        """The token as it is shown."""
        return cls(
            id=str(row.id),
            created_at=date(row.created_at_ms),
            expires_at=date_or_none(row.expires_at_ms),
            revoked_at=date_or_none(row.revoked_at_ms),
            devices=devices,
        )


@ROUTES.add("POST", "", scope="group:update", answers={201: NewToken}, errors=(404, 409))
async def create(call: Call) -> web.Response:
    """One more token for the group, shown this once."""
    return answer(NewToken.of(await flow.add(call.services, call.caller, call.part("id"))), 201)


@ROUTES.add("POST", "/rotate", scope="group:update", body=RotationBody, answers={201: NewToken}, errors=(404, 409))
async def rotate(call: Call) -> web.Response:
    """A new token for the group, shown this once; the others expire when the grace period is over."""
    grace_s = call.json(RotationBody).grace_s
    return answer(NewToken.of(await flow.rotate(call.services, call.caller, call.part("id"), grace_s)), 201)


@ROUTES.add("GET", "", scope="group:read", query=Page, answers={200: Listed[Token]}, errors=(404,))
async def list_all(call: Call) -> web.Response:
    """The group's tokens, those that are not valid any more included, the newest first."""
    page, db = call.query(Page), call.services.database.reader
    group = await enrol.group_of(db, call.account, call.part("id"))
    rows = await group_tokens.page(db, group.id, page.offset, page.limit)
    items = [Token.of(row, devices) for row, devices in rows]
    return answer(Listed[Token](items=items, total=await group_tokens.count(db, group.id)))


@ROUTES.add("DELETE", "/{token_id:[0-9]+}", scope="group:update", answers={204: None}, errors=(404,))
async def revoke(call: Call) -> web.Response:
    """No request is proven with the token any more."""
    await flow.revoke(call.services, call.caller, call.part("id"), call.part("token_id"))
    return no_content()
