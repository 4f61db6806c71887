"""Filters: made, changed, removed, and whom they match."""

import asyncio
import uuid
from dataclasses import replace

from twinslot_host.domain.caller import Caller
from twinslot_host.domain.filters import Filter, Predicate, matches
from twinslot_host.errors import Conflict, Invalid, NotFound
from twinslot_host.services import Services
from twinslot_host.store import audit, device_lists, filters, groups, release_filters
from twinslot_host.store.database import Connection


async def create(services: Services, caller: Caller, name: str, predicate: Predicate) -> Filter:
    """The filter, durable. Raises Conflict when the name is taken, Invalid for a group that there is not."""
    new = Filter(str(uuid.uuid4()), name, predicate, services.now_ms())
    async with services.database.write() as db:
        await _check(db, caller.account, new)
        await filters.add(db, caller.account, new)
        await audit.add(db, caller, "filter.create", f"filter:{new.id}", new.created_at_ms, {"name": name})
    return new


async def update(services: Services, caller: Caller, filter_id: str, name: str, predicate: Predicate) -> Filter:
    """The filter has that name and predicate, durably. Raises NotFound, and as `create` does."""
    async with services.database.write() as db:
        changed = replace(await filter_of(db, caller.account, filter_id), name=name, predicate=predicate)
        await _check(db, caller.account, changed)
        await filters.update(db, changed.id, name, predicate)
        await audit.add(db, caller, "filter.update", f"filter:{changed.id}", services.now_ms(), {"name": name})
    return changed


async def remove(services: Services, caller: Caller, filter_id: str) -> None:
    """The filter is gone. Raises NotFound, and Conflict while a release goes out to it."""
    async with services.database.write() as db:
        found = await filter_of(db, caller.account, filter_id)
        user = await release_filters.user_of(db, found.id)
        if user is not None:
            raise Conflict(f"the release {user} goes out to the filter {found.name!r}; take it from the release first")
        await filters.remove(db, found.id)
        await audit.add(db, caller, "filter.delete", f"filter:{found.id}", services.now_ms(), {"name": found.name})


async def filter_of(db: Connection, account: str, filter_id: str) -> Filter:
    """The account's filter of that id. Raises NotFound."""
    found = await filters.find(db, account, filter_id)
    if found is None:
        raise NotFound(f"there is no filter {filter_id[:80]!r}")
    return found


async def matched(db: Connection, account: str, which: Filter) -> list[str]:
    """The ids of the account's devices that the filter matches now, in order."""
    subjects = await device_lists.subjects(db, account)
    return await asyncio.to_thread(lambda: [each.device for each in subjects if matches(which, each)])


async def _check(db: Connection, account: str, wanted: Filter) -> None:
    same = await filters.named(db, account, wanted.name)
    if same is not None and same.id != wanted.id:
        raise Conflict(f"name: a filter {wanted.name!r} exists already; choose another name")
    for group in wanted.predicate.groups or ():
        if await groups.find_in(db, account, group) is None:
            raise Invalid(f"predicate.groups: there is no group {group[:80]!r}")
