"""/otao/api/v1: Kaa's OTA orchestrator, route for route."""

import json
import re
from typing import Any

from aiohttp import BodyPartReader, hdrs, web

from twinslot_host.artifacts import receive
from twinslot_host.domain.dates import at_ms
from twinslot_host.domain.json_values import SPECIFICATION_LIMIT_BYTES, checked
from twinslot_host.domain.names import checked_name
from twinslot_host.domain.release import Release, Targeting
from twinslot_host.domain.versions import checked_version, parsed
from twinslot_host.errors import Forbidden, Invalid, NotFound
from twinslot_host.flows import software, steps
from twinslot_host.flows.steps import Fields
from twinslot_host.handlers import multipart
from twinslot_host.handlers.addresses import file_link, origin
from twinslot_host.handlers.kaa_models import (
    FileForm,
    Filter,
    FilterBody,
    Link,
    NewSoftwareBody,
    Software,
    SoftwareBody,
    SoftwareList,
)
from twinslot_host.handlers.multipart import Parts
from twinslot_host.handlers.releases import checked_metadata
from twinslot_host.handlers.routes import MULTIPART, Call, Routes, answer, no_content
from twinslot_host.handlers.surfaces import KAA
from twinslot_host.store import devices, releases

ROUTES = Routes("Kaa OTAO", "/otao/api/v1", KAA)

READ, UPDATE, DELETE = (f"application:software:{what}" for what in ("read", "update", "delete"))
ALL = "/applications/{appName}/software"
ONE = ALL + "/{softwareVersion}"
FILES = ONE + "/files"
FILE = FILES + "/{fileName}"

_FILE_NAME = re.compile(r"(?!\.{1,2}\Z)[a-z0-9._-]{1,30}", re.ASCII)


@ROUTES.add("GET", ALL, scope=READ, without_scope=NotFound, answers={200: SoftwareList}, errors=(400, 404))
async def list_all(call: Call) -> web.Response:
    """An application's versions, in their order."""
    db = call.services.database.reader
    application = await steps.application_of(db, call.account, _app(call))
    rows = sorted(await releases.of_application(db, application.id), key=_place)
    return answer(SoftwareList([_shown(application.name, row) for row in rows]))


@ROUTES.add("GET", ONE, scope=READ, without_scope=NotFound, answers={200: Software}, errors=(400, 404))
async def show(call: Call) -> web.Response:
    """A version of an application."""
    application, release = await _found(call)
    return answer(_shown(application, release))


@ROUTES.add(
    "POST",
    ONE,
    scope=UPDATE,
    without_scope=NotFound,
    body=NewSoftwareBody,
    answers={201: None},
    errors=(404,),
)
async def create(call: Call) -> web.Response:
    """A version is made, and its application when it is the first."""
    app, version, body = _app(call), _version(call), call.json(NewSoftwareBody)
    specification = None
    if body.specification is not None:
        specification = checked("specification", body.specification, SPECIFICATION_LIMIT_BYTES)
    location = origin(call.request) + call.request.rel_url.raw_path
    await software.create(call.services, call.caller, app, version, _fields(body), specification)
    return web.Response(status=201, headers={hdrs.LOCATION: location})


@ROUTES.add(
    "PUT",
    ONE,
    scope=UPDATE,
    without_scope=NotFound,
    body=SoftwareBody,
    answers={204: None},
    errors=(404,),
)
async def update(call: Call) -> web.Response:
    """A version has these fields, and the defaults of those that are absent; its specification stays."""
    fields = _fields(call.json(SoftwareBody))
    await software.update(call.services, call.caller, _app(call), _version(call), fields)
    return no_content()


@ROUTES.add("DELETE", ONE, scope=DELETE, without_scope=Forbidden, answers={204: None}, errors=(400, 404))
async def delete(call: Call) -> web.Response:
    """A version that no device has, or is installing, is gone, with its file."""
    await software.delete(call.services, call.caller, _app(call), _version(call))
    return no_content()


@ROUTES.add(
    "PUT",
    FILES,
    scope=UPDATE,
    without_scope=NotFound,
    body=FileForm,
    media=MULTIPART,
    answers={204: None},
    errors=(404,),
)
async def upload(call: Call) -> web.Response:
    """A version has this file, in place of any other; devices get a link to it."""
    app, release = await _found(call)
    parts = await Parts.of(call.request)
    part, name = _file(await parts.next())
    with call.services.artifacts.temporary() as path:
        incoming = await receive(path, multipart.chunks(part))
        if await parts.next() is not None:
            raise Invalid("the form has more than its one part `file`")
        await software.set_file(call.services, call.caller, app, release.version, name, incoming)
    return no_content()


@ROUTES.add("DELETE", FILE, scope=DELETE, without_scope=Forbidden, answers={204: None}, errors=(400, 404))
async def delete_file(call: Call) -> web.Response:
    """A version's file is gone; the version waits for another."""
    await software.remove_file(call.services, call.caller, _app(call), _version(call), call.part("fileName"))
    return no_content()


@ROUTES.add("GET", FILE + "/links", scope=READ, without_scope=NotFound, answers={200: Link}, errors=(400, 404))
async def link(call: Call) -> web.Response:
    """An address of a version's file, which needs no other credential until it expires."""
    app, release = await _found(call)
    name = call.part("fileName")
    if release.file is None or release.file.name != name:
        raise NotFound(f"{app} {release.version} has no file {name[:80]!r}")
    return answer(Link(link=file_link(call.request, release.file.sha256)))


@ROUTES.add(
    "GET",
    "/endpoints/{endpointId}/software/current",
    scope="endpoint:read",
    without_scope=NotFound,
    answers={200: Software},
    errors=(404,),
)
async def current(call: Call) -> web.Response:
    """The version that a device has confirmed."""
    db, name = call.services.database.reader, call.part("endpointId")
    device = await devices.find(db, call.account, name)
    if device is None:
        raise NotFound(f"there is no endpoint {name[:80]!r}")
    if device.app is None or device.confirmed_version is None:
        raise NotFound(f"the endpoint {name!r} has not told yet which version it runs")
    application, release = await steps.find(db, call.account, device.app, device.confirmed_version)
    return answer(_shown(application.name, release))


def _app(call: Call) -> str:
    return checked_name("appName", call.part("appName"))


def _version(call: Call) -> str:
    return checked_version("softwareVersion", call.part("softwareVersion"))


async def _found(call: Call) -> tuple[str, Release]:
    db = call.services.database.reader
    application, release = await steps.find(db, call.account, _app(call), _version(call))
    return application.name, release


def _place(release: Release) -> tuple[Any, ...]:
    return parsed(release.version), release.version


def _fields(body: SoftwareBody | NewSoftwareBody) -> Fields:
    return Fields(
        strategy=body.rollout_strategy,
        upgradable_from=None
        if body.upgradable_from is None
        else [checked_version("upgradableFrom", each) for each in body.upgradable_from],
        filters=[_targeting(each) for each in body.filters or []],
        metadata=checked_metadata(body.metadata),
        waits_for_file=body.skip_dispatching_to_endpoint or False,
    )


def _targeting(given: FilterBody) -> Targeting:
    return Targeting(given.filter_id, None if given.rollout_date is None else at_ms(given.rollout_date))


def _file(part: BodyPartReader | None) -> tuple[BodyPartReader, str]:
    if part is None or part.name != "file":
        raise Invalid("file: the form's one part is missing")
    if part.filename is None or _FILE_NAME.fullmatch(part.filename) is None:
        raise Invalid("file: its file name must be 1 to 30 of a-z 0-9 - . _, and neither '.' nor '..'")
    return part, part.filename


def _shown(app: str, row: Release) -> Software:
    there: dict[str, Any] = {}
    if row.specification is not None:
        there["specification"] = json.loads(row.specification)
    if row.metadata is not None:
        there["metadata"] = json.loads(row.metadata)
    if row.upgradable_from is not None:
        there["upgradable_from"] = list(row.upgradable_from)
    if row.file is not None:
        there["filename"] = row.file.name
    return Software(
        app_name=app,
        version=row.version,
        rollout_strategy=row.strategy,
        filters=[Filter.of(each.filter_id, each.rollout_at_ms) for each in row.filters],
        skip_dispatching_to_endpoint=row.waits_for_file,
        **there,
    )
