"""/v1/ota/group: IoTaaP's group OTA, as its public description has it.

An upload is checked in this order; the first check that fails is the answer, and nothing has changed then:

1. the form: known fields, each once, bounded: 400, 413
2. group, token and version are given: 400
3. the group's id has the form of one: 400
4. the firmware is a file with something in it: 400
5. the account may use group OTA: 403. After the fields, whose fault the client can mend at once; before the group, so
   that an account without it learns of no group or token whether it exists
6. the account has the group: 404
7. the token is one of the group's: 403
8. the version is semver: 400
9. the image, or the bundle, is good, and one that the group's devices would run: 400
"""

import hmac
import re
from typing import Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from twinslot_host.domain.dates import date
from twinslot_host.domain.versions import checked_version
from twinslot_host.errors import Forbidden, Invalid, NotFound
from twinslot_host.flows import group_update
from twinslot_host.handlers.bodies import Page, Sought
from twinslot_host.handlers.iotaap_form import Form, FormModel
from twinslot_host.handlers.routes import MULTIPART, Call, Routes, answer
from twinslot_host.handlers.surfaces import IOTAAP
from twinslot_host.handlers.views import Date
from twinslot_host.store import accounts, group_tokens, group_updates, groups
from twinslot_host.store.group_updates import GroupUpdate
from twinslot_host.store.groups import Group

ROUTES = Routes("IoTaaP group OTA", "/v1/ota/group", IOTAAP)

_GROUP_ID = re.compile(r"[0-9a-fA-F]{24}", re.ASCII)


class Deployed(BaseModel):
    """The answer to an upload."""

    message: str


class ListQuery(Page):
    """Which updates are wanted, and in which order; other parameters count for nothing."""

    model_config = ConfigDict(extra="ignore")

    search_value: Sought = ""
    draw: str | None = None
    order_dir: Literal["asc", "desc"] = "desc"


class Ota(BaseModel):
    """A group's last update."""

    id: str = Field(serialization_alias="_id")
    group: str
    revision: int = Field(serialization_alias="__v")
    last_updated: Date
    owner: str
    path: str
    version: str

    @classmethod
    def of(cls, account: str, row: GroupUpdate) -> "Ota":
        """The update as it is shown to the account."""
        return cls(
            id=row.id,
            group=row.group,
            revision=0,
            last_updated=date(row.created_at_ms),
            owner=account,
            path=row.path,
            version=row.version,
        )


class Otas(BaseModel):
    """A part of the list; `draw` is the request's, and absent when it had none."""

    otas: list[Ota]
    records_total: int = Field(serialization_alias="recordsTotal")
    records_filtered: int = Field(serialization_alias="recordsFiltered")
    draw: str | None = None


@ROUTES.add("GET", "", scope="group:ota:read", query=ListQuery, answers={200: Otas})
async def list_all(call: Call) -> web.Response:
    """The last update of each group, the newest first."""
    query, db = call.query(ListQuery), call.services.database.reader
    rows = await group_updates.page(
        db, call.account, query.search_value, query.offset, query.limit, newest_first=query.order_dir == "desc"
    )
    shown = Otas(
        otas=[Ota.of(call.account, row) for row in rows],
        records_total=await group_updates.count(db, call.account, ""),
        records_filtered=await group_updates.count(db, call.account, query.search_value),
    )
    return answer(shown if query.draw is None else shown.model_copy(update={"draw": query.draw}))


@ROUTES.add(
    "POST",
    "",
    scope="group:ota:update",
    body=FormModel,
    media=MULTIPART,
    answers={201: Deployed},
    errors=(404,),
)
async def deploy(call: Call) -> web.Response:
    """The firmware is what every device of the group is to run, exactly: it is on disk, and offered from now on."""
    with call.services.artifacts.temporary() as path:
        form = await Form.of(call.request, path)
        for name in ("group", "token", "version"):
            if not form.texts.get(name):
                raise Invalid(f"{name} is a mandatory field")
        if not _GROUP_ID.fullmatch(form.texts["group"]):
            raise Invalid("Group ID is not valid")
        if form.firmware is None:
            raise Invalid("No file uploaded")
        group = await _group(call, form.texts["group"].lower())
        await _check_token(call, group, form.texts["token"])
        version = checked_version("version", form.texts["version"])
        await group_update.update_group(call.services, call.caller, group.id, version, form.firmware)
    return answer(Deployed(message="Firmware successfully deployed"), 201)


async def _group(call: Call, group: str) -> Group:
    """The caller's group of that id. Raises Forbidden when the account has no group OTA, NotFound."""
    db = call.services.database.reader
    account = await accounts.get(db, call.account)
    if not account.group_ota:
        raise Forbidden("Group OTA update is not available in free model. Please upgrade your account.")
    found = await groups.find_in(db, call.account, group)
    if found is None:
        raise NotFound("No such group")
    return found


async def _check_token(call: Call, group: Group, token: str) -> None:
    """The token is a valid one of the group. Raises Forbidden, in a time that tells nothing of the tokens."""
    valid = await group_tokens.valid(call.services.database.reader, group.id, call.services.now_ms())
    if sum(hmac.compare_digest(token.encode(), each.token.encode()) for each in valid) == 0:
        raise Forbidden("Group token is not valid")
