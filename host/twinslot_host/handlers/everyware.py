"""/v1/{scopeId}/devices/{deviceId}/packages: Everyware's device packages, as their public description has them."""

from aiohttp import web

from twinslot_host.domain import uris
from twinslot_host.domain.queue import Operation
from twinslot_host.errors import NotFound
from twinslot_host.flows import device_packages
from twinslot_host.flows.device_packages import Install
from twinslot_host.handlers.everyware_models import (
    DevicePackages,
    DownloadBody,
    ListQuery,
    Submitted,
    Timed,
    UninstallBody,
)
from twinslot_host.handlers.routes import Call, Routes, answer
from twinslot_host.handlers.surfaces import EVERYWARE

ROUTES = Routes("Everyware device packages", "/v1/{scopeId}/devices/{deviceId}/packages", EVERYWARE)

_OWN = "_"  # the scope of whoever asks
_HASH = "SHA256:"


@ROUTES.add("GET", "", scope="package:read", query=ListQuery, answers={200: DevicePackages}, errors=(404, 409))
async def list_all(call: Call) -> web.Response:
    """The packages that are installed on a device, which is asked for them."""
    query, device = call.query(ListQuery), _device(call)
    told = await device_packages.installed(
        call.services,
        call.account,
        device,
        query.timeout / 1000,
        require_connected=query.require_connected == "true",
    )
    return answer(DevicePackages.of(told))


@ROUTES.add(
    "POST",
    "/_download",
    scope="package:update",
    body=DownloadBody,
    query=Timed,
    answers={200: Submitted},
    errors=(404,),
)
async def download(call: Call) -> web.Response:
    """A package is to be installed on a device: it is in the device's queue. The device downloads it itself."""
    call.query(Timed)
    body, device = call.json(DownloadBody), _device(call)
    wanted = Install(
        uri=uris.checked(body.uri),
        name=body.name,
        version=body.version,
        install=body.install is not False,
        reboot=body.reboot or False,
        reboot_delay_ms=body.reboot_delay or 0,
        sha256=None if body.file_hash is None else body.file_hash.removeprefix(_HASH).lower(),
    )
    return _submitted(await device_packages.install(call.services, call.caller, device, wanted))


@ROUTES.add(
    "POST",
    "/_uninstall",
    scope="package:update",
    body=UninstallBody,
    query=Timed,
    answers={200: Submitted},
    errors=(404,),
)
async def uninstall(call: Call) -> web.Response:
    """A package is to be taken off a device: that is in the device's queue."""
    call.query(Timed)
    body, device = call.json(UninstallBody), _device(call)
    made = await device_packages.uninstall(call.services, call.caller, device, body.name, body.version)
    return _submitted(made)


def _device(call: Call) -> str:
    """The device's id. Raises NotFound for the scope of another account."""
    scope = call.part("scopeId")
    if scope not in (_OWN, call.account):
        raise NotFound(f"there is no scope {scope[:80]!r}")
    return call.part("deviceId")


def _submitted(operation: Operation) -> web.Response:
    return answer(Submitted(type="devicePackageOperation", operation_id=operation.id))
