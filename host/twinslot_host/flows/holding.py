"""Check-ins that are held open, and what is found for them when something has changed, or its time has come."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from twinslot_host.config import HELD_SWEEP_S, PRUNE_S, SETTLE_S
from twinslot_host.flows import checkin, offers, queue
from twinslot_host.flows.checkin import Given
from twinslot_host.flows.entry import Visitor
from twinslot_host.held import HeldCheckIn, Why
from twinslot_host.services import Services
from twinslot_host.store import release_filters
from twinslot_host.store.devices import CheckIn

_LOG = logging.getLogger("twinslot")


async def check_in(
    services: Services, visitor: Visitor, told: CheckIn, wait_s: int, alive: Callable[[], bool]
) -> Given:
    """As `checkin.check_in`, but when there is nothing for the device, for as long as it waits, and is `alive`."""
    given = await checkin.check_in(services, visitor, told)
    # No other task runs between that transaction's end and this, so that nothing is committed in between.
    held = services.held.hold(given.device, visitor.group.account, wait_s if given.is_nothing else 0, alive)
    if held is None:
        if wait_s and not given.is_nothing:
            services.held.returns(given.device)
        return given
    try:
        with services.pacing.held():
            return await _waited(services, visitor, held, told.inventory)
    finally:
        services.held.release(held)


async def _waited(services: Services, visitor: Visitor, held: HeldCheckIn, inventory: str | None) -> Given:
    while (why := await held.reason()) is Why.WOKEN:
        async with services.pacing.woken:
            given = await checkin.check_again(services, visitor, held, inventory)
        if given is None:
            break
        if not given.is_nothing:
            return given
    return Given(held.device, over=why is Why.OVER)


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
            await _mark_let_through(services, looked_ms, now_ms)
            looked_ms = now_ms


async def prune(services: Services) -> None:
    """For ever: what is kept for a time alone is gone some time after that."""
    while True:
        async with _logged():
            await queue.forget_old(services)
        await asyncio.sleep(PRUNE_S)


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
        _LOG.exception("a round over the held check-ins or the operations failed")
