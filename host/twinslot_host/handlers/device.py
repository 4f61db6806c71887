"""/device/v1, as docs/protocol.md tells; the answers are proven by `device_auth`."""

import base64
import json
from typing import Annotated, Literal

from aiohttp import web
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from twinslot_host.config import KEYS_TOLD_LIMIT, WAIT_LIMIT_S
from twinslot_host.domain import queue
from twinslot_host.domain.dates import date_or_none
from twinslot_host.domain.mpy import version
from twinslot_host.domain.names import printable, printable_lines
from twinslot_host.domain.packages import NAME
from twinslot_host.domain.paths import PATH_LIMIT
from twinslot_host.flows import checkin, device_packages, holding, sending
from twinslot_host.handlers.addresses import file_link, file_path, origin
from twinslot_host.handlers.bodies import Body, parsed
from twinslot_host.handlers.device_auth import BODY, POLL_S, VISITOR
from twinslot_host.services import SERVICES
from twinslot_host.store.devices import CheckIn


def _micropython(text: str) -> str:
    if version(text) is None:
        raise PydanticCustomError("version", "not a version of MicroPython such as 1.26.0")
    return text


U16 = Annotated[int, Field(ge=0, le=0xFFFF)]
U32 = Annotated[int, Field(ge=0, le=0xFFFFFFFF)]
Text = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(printable)]
Reason = Annotated[str, Field(max_length=200), AfterValidator(printable)]
Printed = Annotated[str, Field(max_length=1024), AfterValidator(printable_lines)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Fingerprints = Annotated[list[Sha256], Field(max_length=KEYS_TOLD_LIMIT)]
MicroPython = Annotated[str, AfterValidator(_micropython)]
Name = Annotated[str, Field(pattern=f"^{NAME.pattern}$")]
Module = Annotated[str, Field(min_length=1, max_length=PATH_LIMIT), AfterValidator(printable)]
Modules = Annotated[list[Module], Field(max_length=1000)]


class CheckBody(Body):
    """A check-in."""

    app: Text
    version: Text
    confirmed_version: Text
    sequence: U32
    state: Literal["idle", "trial", "safe"]
    image: Sha256 | None
    chip: U16
    slot_size: U32
    free_heap: U32
    reset_cause: U32
    wait: Annotated[int, Field(ge=0, le=WAIT_LIMIT_S)] = 0
    inventory: Digest | None = None
    trusted: Fingerprints | None = None
    mpy: U16 | None = None
    micropython: MicroPython | None = None
    bundle: Sha256 | None = None


class ReportBody(Body):
    """A report."""

    id: Text
    event: Literal["downloading", "trial", "confirmed", "rolled_back", "refused", "failed", "deferred"]
    version: Text
    sequence: U32
    reason: Reason


class OperationBody(Body):
    """A report of an operation."""

    id: Annotated[str, Field(min_length=36, max_length=36)]
    attempt: Annotated[int, Field(ge=1, le=queue.ATTEMPTS_LIMIT)]
    part: U32
    state: Literal["running", "succeeded", "failed", "timed out", "cancelled"]
    output: Printed
    errors: Printed
    cut: bool
    progress: Annotated[int, Field(ge=0, le=100)] | None
    exit_code: Annotated[int, Field(ge=-(1 << 31), le=(1 << 31) - 1)] | None
    reason: Reason


class PackageBody(Body):
    """A package that is installed."""

    name: Name
    version: Name
    modules: Modules


class InventoryBody(Body):
    """All packages that are installed."""

    digest: Digest
    packages: list[PackageBody]


async def check(request: web.Request) -> web.Response:
    """204, or 200 with what there is to do; held until there is, for as long as the device waits."""
    services, body = request.app[SERVICES], parsed(CheckBody, request[BODY])
    told = CheckIn(**body.model_dump(exclude={"wait"}))
    origin(request)  # raises for a Host that no link could have, before anything is kept
    given = await holding.check_in(services, request[VISITOR], told, body.wait, lambda: request.transport is not None)
    if given.over:
        request[POLL_S] = 0
    if given.is_nothing:
        return web.Response(status=204)
    return web.json_response(_told(request, given), dumps=_dumps)


async def operation(request: web.Request) -> web.Response:
    """What is told of the operation is kept; whether the device is to stop."""
    told = queue.Report(**parsed(OperationBody, request[BODY]).model_dump())
    stop = await sending.report(request.app[SERVICES], request[VISITOR], told)
    return web.json_response({"stop": stop})


async def inventory(request: web.Request) -> web.Response:
    """204: the inventory is kept."""
    told = parsed(InventoryBody, request[BODY])
    packages = [each.model_dump() for each in told.packages]
    await device_packages.keep_inventory(request.app[SERVICES], request[VISITOR], told.digest, packages)
    return web.Response(status=204)


async def report(request: web.Request) -> web.Response:
    """204: the report is kept."""
    told = checkin.Report(**parsed(ReportBody, request[BODY]).model_dump())
    await checkin.report(request.app[SERVICES], request[VISITOR], told)
    return web.Response(status=204)


async def keys(request: web.Request) -> web.Response:
    """The keys that a provisioning tool puts on a board, and when that board was last there."""
    group = request[VISITOR].group
    device, moduli = await checkin.register(request.app[SERVICES], request[VISITOR])
    return web.json_response(
        {
            "app": group.app,
            "trusted": [_base64(modulus) for modulus in moduli],
            "poll": group.poll_s,
            "trust": group.trust,
            "last_seen_at": date_or_none(device.last_seen_at_ms),
            "version": device.version,
        }
    )


def _told(request: web.Request, given: checkin.Given) -> dict[str, object]:
    told: dict[str, object] = {}
    if given.operation is not None:
        told["operation"] = _operation(given.operation)
    if given.offered is not None:
        told["offer"] = _offer(request, given.offered)
    if given.inventory:
        told["inventory"] = True
    return told


def _operation(sent: queue.Operation) -> dict[str, object]:
    about = {"id": sent.id, "attempt": sent.attempt, "kind": sent.kind, "timeout": sent.timeout_s}
    return about | sent.request


def _offer(request: web.Request, offered: checkin.Offered) -> dict[str, str]:
    release = offered.release
    offer = {"manifest": _base64(offered.manifest), "signature": _base64(offered.signature)}
    if offered.transfer is not None:
        offer["transfer"] = file_path(request, offered.transfer)
    if release.image is not None:
        offer["image"] = file_path(request, release.image.sha256)
    if release.sent_specification is not None:
        offer["specification"] = _base64(release.sent_specification)
    if release.linked_file is not None:
        offer["link"] = file_link(request, release.linked_file.sha256)
    return offer


def _dumps(told: object) -> str:
    """Compact, and not escaped, so that a command of any characters stays below the 8 KiB that a device reads."""
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
