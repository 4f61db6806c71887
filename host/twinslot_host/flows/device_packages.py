"""The packages of a device: told, and put on it and taken off again through its queue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twinslot_host.config import INSTALL_TIMEOUT_S, UNINSTALL_TIMEOUT_S
from twinslot_host.domain import uris
from twinslot_host.domain.caller import Caller
from twinslot_host.domain.queue import Operation
from twinslot_host.errors import Invalid, NotConnected
from twinslot_host.flows import fleet, queue
from twinslot_host.flows.entry import Visitor, admit
from twinslot_host.services import Services
from twinslot_host.store import audit, devices, packages
from twinslot_host.store.database import Connection
from twinslot_host.store.devices import Device


@dataclass(frozen=True)
class Install:
    """What a device is to install. `uri` is a checked one; `sha256`, in hex, is what its bytes must have."""

    uri: str
    name: str
    version: str
    install: bool
    reboot: bool
    reboot_delay_ms: int
    sha256: str | None


@dataclass(frozen=True)
class Inventory:
    """A device's packages, as it told them; `reported_at_ms`: when, None: just now."""

    packages: list[dict[str, object]]
    reported_at_ms: int | None


async def install(services: Services, caller: Caller, device: str, wanted: Install) -> Operation:
    """The installation is in the device's queue, durably.

    Raises NotFound, Invalid for an uploaded package that there is not, Conflict when the queue is full.
    """
    async with services.database.write() as db:
        found = await fleet.device_of(db, caller.account, device)
        await _check_uploaded(db, caller.account, wanted)
        request = {
            "uri": wanted.uri,
            "name": wanted.name,
            "version": wanted.version,
            "install": wanted.install,
            "reboot": wanted.reboot,
            "reboot_delay": wanted.reboot_delay_ms,
        } | ({} if wanted.sha256 is None else {"sha256": wanted.sha256})
        made = await _submit(services, db, caller, found, "install", request, INSTALL_TIMEOUT_S)
    services.held.wake(found.id)
    return made


async def uninstall(services: Services, caller: Caller, device: str, name: str, version: str) -> Operation:
    """The removal is in the device's queue, durably. Raises NotFound, Conflict when the queue is full."""
    request: dict[str, object] = {"name": name, "version": version}
    async with services.database.write() as db:
        found = await fleet.device_of(db, caller.account, device)
        made = await _submit(services, db, caller, found, "uninstall", request, UNINSTALL_TIMEOUT_S)
    services.held.wake(found.id)
    return made


async def installed(
    services: Services, account: str, device: str, timeout_s: float, *, require_connected: bool
) -> Inventory:
    """What the device tells within the time, or else what it told last; with `require_connected` only the former.

    Raises NotFound, NotConnected when there is nothing to tell.
    """
    db = services.database.reader
    asked = await fleet.device_of(db, account, device)
    answered = await services.held.inventory(asked.id, timeout_s)
    if require_connected and not answered:
        raise NotConnected(f"the device {device!r} is not connected, or did not answer in time")
    found = await fleet.device_of(db, account, device)
    if found.inventory is None:
        raise NotConnected(f"the device {device!r} has not answered, and has not told its packages before")
    return Inventory(found.inventory, None if answered else found.inventory_at_ms)


async def keep_inventory(
    services: Services, visitor: Visitor, digest: str, told: Sequence[Mapping[str, object]]
) -> None:
    """The device has these packages; whoever waits to know that goes on."""
    now_us = services.clock_us()
    async with services.database.write() as db:
        device = await admit(db, visitor, now_us)
        await devices.keep_inventory(db, device.id, digest, told, now_us // 1000)
    services.held.told_inventory(device.id)


async def _check_uploaded(db: Connection, account: str, wanted: Install) -> None:
    name = uris.uploaded_name(wanted.uri)
    if name is None:
        return
    if await packages.named(db, account, name, wanted.version) is None:
        raise Invalid(f"uri: no package {name} {wanted.version} was uploaded; `twinslot package upload` does that")
    if wanted.sha256 is not None:
        raise Invalid("fileHash: this server tells the device what its packages' files hash to; leave it out")


async def _submit(
    services: Services,
    db: Connection,
    caller: Caller,
    device: Device,
    kind: str,
    request: dict[str, object],
    timeout_s: int,
) -> Operation:
    now_ms = services.now_ms()
    made = await queue.submit(db, caller, device, kind, request, timeout_s, now_ms)
    detail = {"operation": made.id, **uris.without_credentials(request)}
    await audit.add(db, caller, f"package.{kind}", f"device:{device.device}", now_ms, detail)
    return made
