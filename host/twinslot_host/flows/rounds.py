"""What the server does by itself, again and again: held check-ins are woken, transfers made, and what is over or old
goes."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from twinslot_host.config import HELD_SWEEP_S, PRUNE_S, SETTLE_S
from twinslot_host.flows import making, offers, queue
from twinslot_host.services import Services
from twinslot_host.store import release_filters

_LOG = logging.getLogger("twinslot")


async def watch(services: Services) -> None:
    """For ever: held check-ins whose devices have an offer by now go on, soon after a change."""
    while True:
        await services.held.changes.wait()
        await asyncio.sleep(SETTLE_S)
        for account in services.held.marked():
            async with _logged():
                await _wake_offered(services, account)


async def sweep(services: Services) -> None:
    """For ever: nothing is held for a connection that is gone, no operation is out for longer than it may, and what a
    date lets through is noticed."""
    looked_ms = services.now_ms()
    while True:
        await asyncio.sleep(HELD_SWEEP_S)
        services.held.drop_gone()
        async with _logged():
            await queue.end_overdue(services)
        async with _logged():
            now_ms = services.now_ms()
            # From the look before the last one on: a check-in may have been decided before it and held after it.
            await _mark_let_through(services, looked_ms - int(HELD_SWEEP_S * 1000), now_ms)
            looked_ms = now_ms


async def prune(services: Services) -> None:
    """For ever: what is kept for a time alone is gone some time after that."""
    while True:
        await asyncio.sleep(PRUNE_S)  # first, so that a clock which is not yet set at the start has time to be
        async with _logged():
            await queue.forget_old(services)
        async with _logged():
            await making.forget_unused(services)


async def complete(services: Services) -> None:
    """For ever: an image of which an earlier version, or a full disk, has left no transfer has one soon."""
    while True:
        async with _logged():
            await making.make_lacking(services)
        await asyncio.sleep(PRUNE_S)


async def make_deltas(services: Services) -> None:
    """For ever: the deltas that check-ins have asked for are made, one after the other."""
    while True:
        async with _logged():
            await making.make_wanted(services)


async def _mark_let_through(services: Services, after_ms: int, now_ms: int) -> None:
    """The accounts are marked that have a filter whose date came after `after_ms`, and not after `now_ms`."""
    for account in await release_filters.let_through(services.database.reader, after_ms, now_ms):
        services.held.mark(account)


async def _wake_offered(services: Services, account: str) -> None:
    async for device in offers.to_any_of(services, services.held.of_account(account)):
        services.held.wake(device)


@asynccontextmanager
async def _logged() -> AsyncIterator[None]:
    """What goes wrong in the block is in the log, and the next round goes on."""
    try:
        yield
    except Exception:  # noqa: BLE001 - what went wrong in one round may be right in the next
        _LOG.exception("a round over held check-ins, operations or transfers failed")
