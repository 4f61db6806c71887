"""/api/v1/events: what happened on all devices."""

from aiohttp import web

from twinslot_host.handlers.bodies import Page, Sought
from twinslot_host.handlers.routes import Call, Routes, answer
from twinslot_host.handlers.views import Event, Listed
from twinslot_host.store import events

ROUTES = Routes("Devices", "/api/v1/events")


class EventsPage(Page):
    """Which events are wanted: of a device, of the devices that are in a group now, of one kind."""

    device: Sought | None = None
    group: Sought | None = None
    event: Sought | None = None


class DeviceEvent(Event):
    """Something that happened on a device, and the group that this is in now."""

    device: str
    group: str

    @classmethod
    def listed(cls, row: events.Listed) -> "DeviceEvent":
        """The event as a list shows it."""
        return cls(**vars(Event.of(row.event)), device=row.device, group=row.group)


@ROUTES.add("GET", "", scope="device:read", query=EventsPage, answers={200: Listed[DeviceEvent]})
async def list_all(call: Call) -> web.Response:
    """What happened on the account's devices, the newest first."""
    page, db = call.query(EventsPage), call.services.database.reader
    wanted = events.Wanted(page.device, page.group, page.event)
    rows = await events.page(db, call.account, wanted, page.offset, page.limit)
    total = await events.count(db, call.account, wanted)
    return answer(Listed[DeviceEvent](items=[DeviceEvent.listed(row) for row in rows], total=total))
