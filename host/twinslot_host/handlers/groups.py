"""/api/v1/groups."""

from collections.abc import Iterable
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, Field

from twinslot_host.config import GROUP_KEYS_LIMIT, POLL_LIMIT_S
from twinslot_host.domain.dates import date
from twinslot_host.domain.names import checked_name
from twinslot_host.domain.release import Trust
from twinslot_host.domain.versions import checked_version
from twinslot_host.flows import enrol
from twinslot_host.handlers.bodies import Body, Page, may_be_left_out
from twinslot_host.handlers.routes import Call, Routes, answer, no_content
from twinslot_host.handlers.views import Date, Listed
from twinslot_host.store import devices, group_keys, groups

ROUTES = Routes("Groups", "/api/v1/groups")


class GroupBody(Body):
    """A new group."""

    name: str
    app: str
    trust: Trust
    keys: list[str] = Field(max_length=GROUP_KEYS_LIMIT)


class GroupChange(Body):
    """What of a group is to change; what is left out stays.

    `target` is the version at which its devices are held exactly; null holds them no longer.
    """

    name: str = may_be_left_out()
    poll_s: Annotated[int, Field(ge=1, le=POLL_LIMIT_S)] = may_be_left_out()
    target: str | None = may_be_left_out()


class NewGroup(BaseModel):
    """A group as its creator sees it, once, with its token."""

    id: str
    name: str
    app: str
    trust: Trust
    token: str
    created_at: Date

    @classmethod
    def of(cls, row: groups.Group, token: str) -> "NewGroup":
        """The group with its first token."""
        return cls(
            id=row.id,
            name=row.name,
            app=row.app,
            trust=row.trust,
            token=token,
            created_at=date(row.created_at_ms),
        )


class Group(BaseModel):
    """A group in a list."""

    id: str
    name: str
    app: str
    trust: Trust
    devices: int
    poll_s: int
    target: str | None
    created_at: Date

    @classmethod
    def of(cls, row: groups.Group, devices: int) -> "Group":
        """The group as a list shows it."""
        return cls(
            id=row.id,
            name=row.name,
            app=row.app,
            trust=row.trust,
            devices=devices,
            poll_s=row.poll_s,
            target=row.target,
            created_at=date(row.created_at_ms),
        )


class GroupWithKeys(Group):
    """A group; `keys` are the fingerprints of its publishers' keys, none where the server's own key is trusted."""

    keys: list[str]

    @classmethod
    def with_keys(cls, row: groups.Group, devices: int, keys: Iterable[str]) -> "GroupWithKeys":
        """The group as it is shown by itself."""
        return cls(**vars(Group.of(row, devices)), keys=list(keys))


@ROUTES.add("POST", "", scope="group:update", body=GroupBody, answers={201: NewGroup}, errors=(409,))
async def create(call: Call) -> web.Response:
    """A group is made; its token is shown this once."""
    body = call.json(GroupBody)
    new = enrol.NewGroup(checked_name("name", body.name), checked_name("app", body.app), body.trust, body.keys)
    group, token = await enrol.create(call.services, call.caller, new)
    return answer(NewGroup.of(group, token), 201)


@ROUTES.add("GET", "", scope="group:read", query=Page, answers={200: Listed[Group]})
async def list_all(call: Call) -> web.Response:
    """The account's groups by name."""
    page, db = call.query(Page), call.services.database.reader
    rows = await groups.page(db, call.account, page.offset, page.limit)
    items = [Group.of(row, inside) for row, inside in rows]
    return answer(Listed[Group](items=items, total=await groups.count(db, call.account)))


@ROUTES.add("GET", "/{id}", scope="group:read", answers={200: GroupWithKeys}, errors=(404,))
async def show(call: Call) -> web.Response:
    """A group with the fingerprints of the keys that it trusts."""
    return answer(await _found(call))


@ROUTES.add("PATCH", "/{id}", scope="group:update", body=GroupChange, answers={200: GroupWithKeys}, errors=(404, 409))
async def update(call: Call) -> web.Response:
    """The group's name, check-in interval or exact target is changed; what is left out stays."""
    given = call.json(GroupChange).model_dump(exclude_unset=True)
    name, target = given.get("name"), given.get("target")
    change = enrol.GroupChange(
        name=None if name is None else checked_name("name", name),
        poll_s=given.get("poll_s"),
        retargets="target" in given,
        target=None if target is None else checked_version("target", target),
    )
    await enrol.update(call.services, call.caller, call.part("id"), change)
    return answer(await _found(call))


@ROUTES.add("DELETE", "/{id}", scope="group:update", answers={204: None}, errors=(404, 409))
async def remove(call: Call) -> web.Response:
    """The group is gone, which no device belongs to or proves itself for."""
    await enrol.remove(call.services, call.caller, call.part("id"))
    return no_content()


async def _found(call: Call) -> GroupWithKeys:
    db = call.services.database.reader
    row = await enrol.group_of(db, call.account, call.part("id"))
    keys = await group_keys.of_group(db, row.id)
    return GroupWithKeys.with_keys(row, await devices.count_of_group(db, row.id), keys)
