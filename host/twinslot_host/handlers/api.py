"""/api/v1: groups, devices, applications."""

from typing import Literal

from aiohttp import web
from pydantic import Field

from twinslot_host.config import API_BODY_LIMIT_BYTES, EVENTS_SHOWN, GROUP_KEYS_LIMIT
from twinslot_host.domain.names import checked_name
from twinslot_host.errors import NotFound
from twinslot_host.flows import enrol, offers
from twinslot_host.handlers import views
from twinslot_host.handlers.bearer import account_of
from twinslot_host.handlers.bodies import Body, page_of, parsed, read_limited
from twinslot_host.services import SERVICES, Services
from twinslot_host.store import applications, devices, events, groups, releases
from twinslot_host.store.devices import Device


class GroupBody(Body):
    """A new group."""

    name: str
    app: str
    trust: Literal["server", "publisher"]
    keys: list[str] = Field(max_length=GROUP_KEYS_LIMIT)


async def create_group(request: web.Request) -> web.Response:
    """201 with the group and, this once, its token."""
    account = await account_of(request, "group:update")
    body = parsed(GroupBody, await read_limited(request, API_BODY_LIMIT_BYTES))
    new = enrol.NewGroup(checked_name("name", body.name), checked_name("app", body.app), body.trust, body.keys)
    group, token = await enrol.create(request.app[SERVICES], account, new)
    return web.json_response(views.new_group(group, token), status=201)


async def list_groups(request: web.Request) -> web.Response:
    """A page of the account's groups."""
    account = await account_of(request, "group:read")
    offset, limit = page_of(request)
    db = request.app[SERVICES].database.reader
    items = [views.group(group, count) for group, count in await groups.page(db, account, offset, limit)]
    return web.json_response({"items": items, "total": await groups.count(db, account)})


async def list_devices(request: web.Request) -> web.Response:
    """A page of the account's devices."""
    account = await account_of(request, "device:read")
    offset, limit = page_of(request)
    db = request.app[SERVICES].database.reader
    rows = await devices.page(db, account, offset, limit)
    reports = await events.last_reports(db, [row.id for row in rows])
    items = [views.device(row, reports.get(row.id)) for row in rows]
    return web.json_response({"items": items, "total": await devices.count(db, account)})


async def show_device(request: web.Request) -> web.Response:
    """A device with its history."""
    services, row = await _device(request)
    db = services.database.reader
    reports = await events.last_reports(db, [row.id])
    history = [views.event(each) for each in await events.latest(db, row.id, EVENTS_SHOWN)]
    return web.json_response(views.device(row, reports.get(row.id)) | {"events": history})


async def explain_device(request: web.Request) -> web.Response:
    """What the device would be offered now, and why."""
    services, row = await _device(request)
    return web.json_response(views.decision(row.device, await offers.explain(services, row)))


async def show_application(request: web.Request) -> web.Response:
    """An application with its releases."""
    account = await account_of(request, "application:software:read")
    db = request.app[SERVICES].database.reader
    name = checked_name("application", request.match_info["app"])
    application = await applications.find(db, account, name)
    if application is None:
        raise NotFound(f"there is no application {name!r}")
    shown = [views.release(name, row) for row in await releases.of_application(db, application.id)]
    return web.json_response({"name": name, "last_sequence": application.last_sequence, "releases": shown})


async def _device(request: web.Request) -> tuple[Services, Device]:
    account = await account_of(request, "device:read")
    services = request.app[SERVICES]
    name = request.match_info["id"]
    row = await devices.find(services.database.reader, account, name)
    if row is None:
        raise NotFound(f"there is no device {name[:80]!r}")
    return services, row
