"""Devices: described, moved and removed by their owner."""

from collections.abc import Mapping
from dataclasses import dataclass

from twinslot_host.domain.caller import Caller
from twinslot_host.domain.filters import Attribute
from twinslot_host.errors import Conflict, Invalid, NotFound
from twinslot_host.flows import queue
from twinslot_host.flows.entry import current_group
from twinslot_host.services import Services
from twinslot_host.store import audit, device_tags, devices, group_keys, groups
from twinslot_host.store.database import Connection
from twinslot_host.store.devices import Device
from twinslot_host.store.groups import Group


@dataclass(frozen=True)
class Change:
    """What of a device is to change; None: nothing of it.

    Attributes and tags are replaced whole; each tag is there once.
    """

    attributes: Mapping[str, Attribute] | None
    tags: list[str] | None
    group: str | None


async def device_of(db: Connection, account: str, device: str) -> Device:
    """The account's device of that id. Raises NotFound."""
    found = await devices.find(db, account, device)
    if found is None:
        raise NotFound(f"there is no device {device[:80]!r}")
    return found


async def update(services: Services, caller: Caller, device: str, change: Change) -> None:
    """The device is changed, durably: all of it or nothing.

    Raises NotFound, Invalid for a group that there is not, Conflict for one that the device can't be moved to.
    """
    subject, now_ms = f"device:{device}", services.now_ms()
    async with services.database.write() as db:
        found = await device_of(db, caller.account, device)
        if change.attributes is not None:
            await devices.describe(db, found.id, change.attributes)
            await audit.add(db, caller, "device.attributes", subject, now_ms, change.attributes)
        if change.tags is not None:
            await device_tags.replace(db, caller.account, found.id, change.tags)
            await audit.add(db, caller, "device.tags", subject, now_ms, {"tags": change.tags})
        if change.group is not None and change.group != found.group:
            await _move(db, found, change.group)
            moved = {"from": found.group, "to": change.group}
            await audit.add(db, caller, "device.move", subject, now_ms, moved)


async def remove(services: Services, caller: Caller, device: str) -> None:
    """The device is gone, with its history; should it check in again, it is new. Raises NotFound."""
    async with services.database.write() as db:
        found = await device_of(db, caller.account, device)
        now_us = services.clock_us()
        await queue.let_go(db, found, now_us // 1000)
        await devices.remove(db, found, now_us)
        await audit.add(db, caller, "device.delete", f"device:{device}", now_us // 1000, {"group": found.group})
    services.held.end(found.id)


async def _move(db: Connection, device: Device, target: str) -> None:
    old, new = await current_group(db, device), await groups.find_in(db, device.account, target)
    if new is None:
        raise Invalid(f"group: there is no group {target[:80]!r}")
    if new.application != old.application:
        raise Conflict(
            f"group: the devices of {new.name!r} run {new.app!r}, and {device.device!r} was provisioned for"
            f" {old.app!r}; provision it again to change that"
        )
    if await _signers(db, new) != await _signers(db, old):
        raise Conflict(
            f"group: {new.name!r} trusts other signers than {old.name!r}, whose keys {device.device!r} was provisioned"
            " with; provision it again to change that"
        )
    await devices.move(db, device.id, target)


async def _signers(db: Connection, group: Group) -> tuple[str, frozenset[str]]:
    return group.trust, frozenset(await group_keys.of_group(db, group.id))
