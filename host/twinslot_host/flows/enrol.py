"""Groups: made, changed and removed."""

import secrets
from dataclasses import dataclass

from twinslot_host.domain.caller import Caller
from twinslot_host.domain.release import SERVER, Trust
from twinslot_host.domain.signature import fingerprint, modulus_from_pem
from twinslot_host.errors import Conflict, Invalid, NotFound
from twinslot_host.flows import steps
from twinslot_host.services import Services
from twinslot_host.store import applications, audit, devices, filters, group_keys, group_tokens, group_updates, groups
from twinslot_host.store.database import Connection
from twinslot_host.store.groups import Group

_TOKEN_BYTES = 32


@dataclass(frozen=True)
class NewGroup:
    """What a group is made of; `keys` are PEM."""

    name: str
    app: str
    trust: Trust
    keys: list[str]


@dataclass(frozen=True)
class GroupChange:
    """What of a group is to change; None: nothing. `target` counts when `retargets`; None then ends the old one."""

    name: str | None
    poll_s: int | None
    retargets: bool
    target: str | None


async def create(services: Services, caller: Caller, new: NewGroup) -> tuple[Group, str]:
    """The group, durable, and its token. Raises Conflict when the name is taken, Invalid for keys of no use."""
    moduli = [modulus_from_pem(pem) for pem in new.keys]
    if moduli and new.trust == SERVER:
        raise Invalid("keys: a group that trusts the server has none; create it with trust publisher")
    if not moduli and new.trust != SERVER:
        raise Invalid("keys: a group that trusts its publisher needs at least one public key")
    account, group, token, now_ms = caller.account, secrets.token_hex(12), new_token(), services.now_ms()
    async with services.database.write() as db:
        await _check_name_is_free(db, account, new.name)
        application = await applications.ensure(db, account, new.app, now_ms)
        await groups.add(db, account, group, application.id, new.name, new.trust, now_ms)
        await group_tokens.add(db, account, group, token, now_ms)
        for modulus in moduli:
            await group_keys.add(db, account, group, fingerprint(modulus), modulus)
        await audit.add(db, caller, "group.create", f"group:{group}", now_ms, {"name": new.name, "app": new.app})
        created = await groups.find(db, group)
    assert created is not None
    return created, token


async def group_of(db: Connection, account: str, group: str) -> Group:
    """The account's group of that id. Raises NotFound."""
    found = await groups.find_in(db, account, group)
    if found is None:
        raise NotFound(f"there is no group {group[:80]!r}")
    return found


async def update(services: Services, caller: Caller, group: str, change: GroupChange) -> None:
    """The group is changed, durably: all of it or nothing.

    Raises NotFound, Conflict when the name is taken, Invalid when it can't be held at the target.
    """
    now_ms = services.now_ms()
    async with services.database.write() as db:
        old = await group_of(db, caller.account, group)
        name, poll_s = change.name or old.name, change.poll_s or old.poll_s
        if name != old.name:
            await _check_name_is_free(db, caller.account, name)
        if (name, poll_s) != (old.name, old.poll_s):
            await groups.update(db, group, name, poll_s)
            await audit.add(db, caller, "group.update", f"group:{group}", now_ms, {"name": name, "poll_s": poll_s})
        if change.retargets:
            await steps.set_target(db, caller, old, change.target, now_ms)


async def remove(services: Services, caller: Caller, group: str) -> None:
    """The group is gone, with its tokens and keys. Raises NotFound, Conflict while a device or a filter needs it."""
    async with services.database.write() as db:
        found = await group_of(db, caller.account, group)
        await _check_no_device_needs(db, found)
        await _check_no_filter_names(db, found)
        await group_tokens.remove_all(db, group)
        await group_keys.remove_all(db, group)
        await group_updates.remove_all(db, group)
        await groups.remove(db, group)
        await audit.add(db, caller, "group.delete", f"group:{group}", services.now_ms(), {"name": found.name})


def new_token() -> str:
    """A token that nobody can guess."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


async def _check_name_is_free(db: Connection, account: str, name: str) -> None:
    if await groups.name_taken(db, account, name):
        raise Conflict(f"name: a group {name!r} exists already; choose another name")


async def _check_no_device_needs(db: Connection, group: Group) -> None:
    inside = await devices.count_of_group(db, group.id)
    if inside:
        raise Conflict(f"the group {group.name!r} has {_counted(inside)}; move or delete them first")
    away = await devices.enrolled_elsewhere(db, group.id)
    if away:
        raise Conflict(
            f"{_counted(away)} in other groups prove themselves with a token of the group {group.name!r}; provision"
            " them again with their own group's token, or delete them first"
        )


async def _check_no_filter_names(db: Connection, group: Group) -> None:
    for each in await filters.of_account(db, group.account):
        if group.id in (each.predicate.groups or ()):
            raise Conflict(
                f"the filter {each.name!r} names the group {group.name!r}; change or delete the filter first"
            )


def _counted(devices_there: int) -> str:
    return f"{devices_there} device{'' if devices_there == 1 else 's'}"
