"""Check-ins that are held open, and what is found for them when they are woken (`rounds`)."""

from collections.abc import Callable

from twinslot_host.flows import checkin
from twinslot_host.flows.checkin import Given
from twinslot_host.flows.entry import Visitor
from twinslot_host.held import HeldCheckIn, Why
from twinslot_host.services import Services
from twinslot_host.store.devices import CheckIn


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
