"""/device/v1, as docs/protocol.md tells; the answers are proven by `device_auth`."""

import base64
from typing import Annotated, Literal

from aiohttp import web
from pydantic import AfterValidator, Field

from twinslot_host.domain.names import printable
from twinslot_host.flows import checkin
from twinslot_host.handlers.addresses import file_link, file_path, origin
from twinslot_host.handlers.bodies import Body, parsed
from twinslot_host.handlers.device_auth import BODY, VISITOR
from twinslot_host.services import SERVICES
from twinslot_host.store.devices import CheckIn

U32 = Annotated[int, Field(ge=0, le=0xFFFFFFFF)]
Text = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(printable)]


class CheckBody(Body):
    """A check-in."""

    app: Text
    version: Text
    confirmed_version: Text
    sequence: U32
    state: Literal["idle", "trial", "safe"]
    image: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None
    chip: Annotated[int, Field(ge=0, le=0xFFFF)]
    slot_size: U32
    free_heap: U32
    reset_cause: U32


class ReportBody(Body):
    """A report."""

    id: Text
    event: Literal["downloading", "trial", "confirmed", "rolled_back", "refused", "failed", "deferred"]
    version: Text
    sequence: U32
    reason: Annotated[str, Field(max_length=200), AfterValidator(printable)]


async def check(request: web.Request) -> web.Response:
    """204, or 200 with an offer."""
    services = request.app[SERVICES]
    told = CheckIn(**parsed(CheckBody, request[BODY]).model_dump())
    origin(request)  # raises for a Host that no link could have, before anything is kept
    offered = await checkin.check_in(services, request[VISITOR], told)
    if offered is None:
        return web.Response(status=204)
    return web.json_response({"offer": _offer(request, offered)})


async def report(request: web.Request) -> web.Response:
    """204: the report is kept."""
    told = checkin.Report(**parsed(ReportBody, request[BODY]).model_dump())
    await checkin.report(request.app[SERVICES], request[VISITOR], told)
    return web.Response(status=204)


async def keys(request: web.Request) -> web.Response:
    """The keys that a provisioning tool puts on a board."""
    visitor = request[VISITOR]
    moduli = await checkin.register(request.app[SERVICES], visitor)
    trusted = [_base64(modulus) for modulus in moduli]
    return web.json_response({"app": visitor.group.app, "trusted": trusted, "poll": visitor.group.poll_s})


def _offer(request: web.Request, offered: checkin.Offered) -> dict[str, str]:
    release = offered.release
    offer = {"manifest": _base64(offered.manifest), "signature": _base64(offered.signature)}
    if release.image is not None:
        offer["transfer"] = file_path(request, release.image.sha256)
    if release.sent_specification is not None:
        offer["specification"] = _base64(release.sent_specification)
    if release.linked_file is not None:
        offer["link"] = file_link(request, release.linked_file.sha256)
    return offer


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
