"""/api/v1/devices."""

from collections.abc import Sequence
from typing import Literal

from aiohttp import web
from pydantic import BaseModel

from twinslot_host.config import EVENTS_SHOWN
from twinslot_host.domain import rollout
from twinslot_host.domain.dates import date, date_or_none
from twinslot_host.domain.filters import Attribute
from twinslot_host.flows import delivery, fleet, offers
from twinslot_host.flows.entry import current_group
from twinslot_host.handlers.attributes import Attributes, Tags, checked_tags
from twinslot_host.handlers.bodies import Body, Page, Sought, may_be_left_out
from twinslot_host.handlers.routes import Call, Routes, answer, no_content
from twinslot_host.handlers.views import Date, Event, Listed
from twinslot_host.services import Services
from twinslot_host.store import device_lists, device_tags, devices, events

ROUTES = Routes("Devices", "/api/v1/devices")

Sort = Literal[
    "id",
    "-id",
    "version",
    "-version",
    "app",
    "-app",
    "group",
    "-group",
    "last_seen_at",
    "-last_seen_at",
    "created_at",
    "-created_at",
]


class DevicesPage(Page):
    """Which devices are wanted, and in which order.

    `search` is a part of an id, a version, an application, a group's name or a tag, in whatever case; the others are
    exact. `sort` with `-` before it has the last first; what is not known yet comes at the end.
    """

    search: Sought | None = None
    group: Sought | None = None
    tag: Sought | None = None
    state: Literal["idle", "trial", "safe"] | None = None
    sort: Sort = "id"


class DeviceChange(Body):
    """What of a device is to change; what is left out stays. Attributes and tags are replaced whole.

    `group` is the id of another group with the same application and the same trusted keys.
    """

    attributes: Attributes = may_be_left_out()
    tags: Tags = may_be_left_out()
    group: str = may_be_left_out()


class Device(BaseModel):
    """A device: what it last told of itself, and what its owner says of it.

    `enrolled_group` is the group with whose token it proves itself; it differs from `group` after a move. `connected`:
    it waits for something to do, and gets it at once, or is expected back within seconds. `image` and `bundle` are the
    SHA-256 of what it runs, of a bundle's list; `mpy` is the format of `.mpy` files that it loads, and `micropython`
    its version, null where its package does not know bundles.
    """

    id: str
    group: str
    group_name: str
    enrolled_group: str
    app: str | None
    version: str | None
    confirmed_version: str | None
    sequence: int
    state: str | None
    image: str | None
    bundle: str | None
    chip: int | None
    slot_size: int | None
    mpy: int | None
    micropython: str | None
    free_heap: int | None
    reset_cause: int | None
    attributes: dict[str, Attribute]
    tags: list[str]
    last_result: Event | None
    last_seen_at: Date | None
    connected: bool
    created_at: Date

    @classmethod
    def of(cls, row: devices.Device, tags: list[str], last_report: events.Event | None, *, connected: bool) -> "Device":
        """The device as a list shows it."""
        return cls(
            id=row.device,
            group=row.group,
            group_name=row.group_name,
            enrolled_group=row.enrolled_group,
            app=row.app,
            version=row.version,
            confirmed_version=row.confirmed_version,
            sequence=row.sequence,
            state=row.state,
            image=row.image,
            bundle=row.bundle,
            chip=row.chip,
            slot_size=row.slot_size,
            mpy=row.mpy,
            micropython=row.micropython,
            free_heap=row.free_heap,
            reset_cause=row.reset_cause,
            attributes=row.attributes,
            tags=tags,
            last_result=None if last_report is None else Event.of(last_report),
            last_seen_at=date_or_none(row.last_seen_at_ms),
            connected=connected,
            created_at=date(row.created_at_ms),
        )


class Package(BaseModel):
    """A package that is installed on a device, and the modules that it brings."""

    name: str
    version: str
    modules: list[str]


class DeviceWithEvents(Device):
    """A device with its packages, null before it has told them, and its history, the newest first.

    `trusted` are the fingerprints of the keys that it trusts, null where its package does not tell them.
    """

    trusted: list[str] | None
    packages: list[Package] | None
    packages_reported_at: Date | None
    events: list[Event]

    @classmethod
    def with_events(cls, device: Device, row: devices.Device, history: list[Event]) -> "DeviceWithEvents":
        """The device as it is shown by itself."""
        return cls(
            **vars(device),
            trusted=row.trusted,
            packages=None if row.inventory is None else [Package.model_validate(each) for each in row.inventory],
            packages_reported_at=date_or_none(row.inventory_at_ms),
            events=history,
        )


class Transfer(BaseModel):
    """What a device would download at most: this many bytes, which hold what `base` lacks; null: a whole image, or all
    files of a bundle, of which it leaves out those that it has.

    `base` is the SHA-256 of the image that the device runs.
    """

    sha256: str
    size: int
    base: str | None


class Offer(BaseModel):
    """What a device would be offered now; `transfer` is null for a release without an image or a bundle."""

    version: str
    sequence: int
    transfer: Transfer | None

    @classmethod
    def of(cls, offer: rollout.Offer, way: delivery.Delivery | None) -> "Offer":
        """The offer as it is shown."""
        transfer = None if way is None else Transfer(sha256=way.sha256, size=way.size_bytes, base=way.base)
        return cls(version=offer.release.version, sequence=offer.sequence, transfer=transfer)


class Verdict(BaseModel):
    """Why one release is offered, or is not."""

    version: str
    sequence: int | None
    offered: bool
    reason: str

    @classmethod
    def of(cls, verdict: rollout.Verdict) -> "Verdict":
        """The verdict as it is shown."""
        release = verdict.release
        return cls(version=release.version, sequence=release.sequence, offered=verdict.offered, reason=verdict.reason)


class Explanation(BaseModel):
    """Why a device gets what it gets."""

    device: str
    offer: Offer | None
    reason: str
    releases: list[Verdict]

    @classmethod
    def of(cls, device: str, made: rollout.Decision, way: delivery.Delivery | None) -> "Explanation":
        """The decision as it is shown."""
        return cls(
            device=device,
            offer=None if made.offer is None else Offer.of(made.offer, way),
            reason=made.reason,
            releases=[Verdict.of(each) for each in made.verdicts],
        )


@ROUTES.add("GET", "", scope="device:read", query=DevicesPage, answers={200: Listed[Device]})
async def list_all(call: Call) -> web.Response:
    """The account's devices, or those that are searched for."""
    page, db = call.query(DevicesPage), call.services.database.reader
    wanted = device_lists.Wanted(page.search, page.group, page.tag, page.state, page.sort)
    rows = await device_lists.page(db, call.account, wanted, page.offset, page.limit)
    total = await device_lists.count(db, call.account, wanted)
    return answer(Listed[Device](items=await shown(call.services, rows), total=total))


@ROUTES.add("GET", "/{id}", scope="device:read", answers={200: DeviceWithEvents}, errors=(404,))
async def show(call: Call) -> web.Response:
    """A device with its history."""
    return answer(await _found(call))


@ROUTES.add(
    "PATCH", "/{id}", scope="device:update", body=DeviceChange, answers={200: DeviceWithEvents}, errors=(404, 409)
)
async def update(call: Call) -> web.Response:
    """The device's attributes, tags or group are changed; what is left out stays."""
    given = call.json(DeviceChange).model_dump(exclude_unset=True)
    tags = given.get("tags")
    change = fleet.Change(
        attributes=given.get("attributes"),
        tags=None if tags is None else checked_tags("tags", tags),
        group=given.get("group"),
    )
    await fleet.update(call.services, call.caller, call.part("id"), change)
    return answer(await _found(call))


@ROUTES.add("DELETE", "/{id}", scope="device:update", answers={204: None}, errors=(404,))
async def remove(call: Call) -> web.Response:
    """The device is gone, with its history; should it check in again, it is new."""
    await fleet.remove(call.services, call.caller, call.part("id"))
    return no_content()


@ROUTES.add("GET", "/{id}/explain", scope="device:read", answers={200: Explanation}, errors=(404,))
async def explain(call: Call) -> web.Response:
    """What the device would be offered now, and why."""
    db = call.services.database.reader
    row = await fleet.device_of(db, call.account, call.part("id"))
    decision = await offers.explain(call.services, row)
    release = None if decision.offer is None else decision.offer.release
    group = await current_group(db, row)
    way = None if release is None else await delivery.choose(db, row, group, release, call.services.now_ms())
    return answer(Explanation.of(row.device, decision, way))


async def shown(services: Services, rows: Sequence[devices.Device]) -> list[Device]:
    """The devices as lists show them, in the same order."""
    db, ids = services.database.reader, [row.id for row in rows]
    tags, reports = await device_tags.of_devices(db, ids), await events.last_reports(db, ids)
    return [
        Device.of(row, tags.get(row.id, []), reports.get(row.id), connected=services.held.connected(row.id))
        for row in rows
    ]


async def _found(call: Call) -> DeviceWithEvents:
    db = call.services.database.reader
    row = await fleet.device_of(db, call.account, call.part("id"))
    (device,) = await shown(call.services, [row])
    history = [Event.of(each) for each in await events.latest(db, row.id, EVENTS_SHOWN)]
    return DeviceWithEvents.with_events(device, row, history)
