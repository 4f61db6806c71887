"""Which check-ins are held, and until when, without any server around them."""

import asyncio

import pytest

from twinslot_host import held as module
from twinslot_host.held import HeldCheckIn, HeldCheckIns, Why

LONG_S = 60.0


class Connection:
    """Of a device; `alive` until it is cut."""

    def __init__(self) -> None:
        self.cut = False

    def alive(self) -> bool:
        return not self.cut


def hold(held: HeldCheckIns, device: int, account: str = "a", wait_s: float = LONG_S) -> HeldCheckIn | None:
    return held.hold(device, account, wait_s, Connection().alive)


async def still_waits(one: HeldCheckIn) -> bool:
    try:
        await asyncio.wait_for(one.reason(), 0.05)
    except TimeoutError:
        return True
    return False


@pytest.fixture
def few(monkeypatch) -> HeldCheckIns:
    """Room for eight."""
    monkeypatch.setattr(module, "HELD_LIMIT", 8)
    return HeldCheckIns()


async def test_account_holds_three_quarters_at_most_and_others_find_the_rest(few):
    mine = [hold(few, device) is not None for device in range(8)]
    assert mine == [True] * 6 + [False] * 2
    assert hold(few, 10, "b") is not None
    assert hold(few, 6) is None
    assert hold(few, 11, "b") is not None
    assert hold(few, 12, "c") is None
    assert len(few) == 8


async def test_place_of_a_check_in_that_is_over_is_free_again(few):
    for _ in range(20):
        few.release(hold(few, 0))
    held = [hold(few, device) for device in range(6)]
    assert hold(few, 6) is None
    few.release(held[0])
    few.release(held[0])
    assert (hold(few, 7) is not None, hold(few, 8)) == (True, None)
    few.end(1)
    assert (hold(few, 8) is not None, hold(few, 9)) == (True, None)
    assert hold(few, 8) is not None  # the same device again


async def test_check_in_waits_until_it_is_woken_and_then_for_the_next_reason():
    one = hold(HeldCheckIns(), 1)
    assert await still_waits(one)
    one.wake()
    assert await one.reason() is Why.WOKEN
    assert await still_waits(one)
    one.wake()
    assert await one.reason() is Why.WOKEN


async def test_check_in_that_nothing_wakes_waits_until_its_time_is_over():
    assert await hold(HeldCheckIns(), 1, wait_s=0.05).reason() is Why.OVER


async def test_check_in_that_was_woken_goes_on_when_its_time_was_over_meanwhile():
    one = hold(HeldCheckIns(), 1, wait_s=0.01)
    one.wake()
    await asyncio.sleep(0.05)
    assert [await one.reason(), await one.reason()] == [Why.WOKEN, Why.OVER]


async def test_check_in_that_ended_is_over_even_when_it_was_woken():
    held = HeldCheckIns()
    one = hold(held, 1)
    held.wake(1)
    held.end(1)
    assert (await one.reason(), held.is_held(one)) == (Why.ENDED, False)
    held.wake(1)  # nobody waits


async def test_nothing_is_held_after_the_stop():
    held = HeldCheckIns()
    one = hold(held, 1)
    held.stop()
    assert (await one.reason(), hold(held, 2), len(held)) == (Why.ENDED, None, 0)


async def test_device_whose_connection_is_gone_is_neither_held_nor_connected():
    held, connection = HeldCheckIns(), Connection()
    one = held.hold(1, "a", LONG_S, connection.alive)
    other = hold(held, 2)
    assert (held.is_held(one), held.connected(1)) == (True, True)
    connection.cut = True
    assert (held.is_held(one), held.connected(1)) == (False, False)
    held.drop_gone()
    assert (held.of_account("a"), await one.reason(), held.is_held(other)) == ([2], Why.ENDED, True)


async def test_device_is_expected_back_for_a_while_after_an_answer_that_reached_it(monkeypatch):
    held, cut = HeldCheckIns(), Connection()
    answered, lost = hold(held, 1), held.hold(2, "a", LONG_S, cut.alive)
    cut.cut = True
    held.release(answered)
    held.release(lost)
    assert (held.connected(1), held.connected(2)) == (True, False)
    monkeypatch.setattr(module, "RETURN_S", 0)
    assert held.connected(1) is False
    held.drop_gone()
    assert held._left_s == {}


async def test_device_that_is_expected_back_and_has_come_without_waiting_is_not_connected():
    held = HeldCheckIns()
    held.returns(1)
    held.drop_gone()
    assert held.connected(1) is True
    assert hold(held, 1, wait_s=0) is None
    assert held.connected(1) is False


async def test_check_in_is_not_held_while_somebody_waits_for_its_devices_inventory():
    held = HeldCheckIns()
    held.returns(1)
    asked = asyncio.create_task(held.inventory(1, LONG_S))
    await asyncio.sleep(0)
    assert await hold(held, 1).reason() is Why.WOKEN
    held.told_inventory(1)
    assert await asked is True


async def test_inventory_is_wanted_until_the_last_who_asks_has_it_or_waits_no_more():
    held = HeldCheckIns()
    assert await held.inventory(1, LONG_S) is False  # not connected: nobody waits
    hold(held, 1)
    short, long = (asyncio.create_task(held.inventory(1, timeout_s)) for timeout_s in (0.05, LONG_S))
    assert (await short, held.wants_inventory(1)) == (False, True)
    held.told_inventory(1)
    held.told_inventory(1)  # told again before who asked had its turn
    held.told_inventory(2)
    assert (await long, held.wants_inventory(1)) == (True, False)


async def test_two_who_ask_at_once_are_both_answered_by_one_telling():
    held = HeldCheckIns()
    one = hold(held, 1)
    both = [asyncio.create_task(held.inventory(1, LONG_S)) for _ in range(2)]
    assert await one.reason() is Why.WOKEN
    held.told_inventory(1)
    assert await asyncio.gather(*both) == [True, True]


async def test_account_is_marked_once_and_only_until_somebody_looks():
    held = HeldCheckIns()
    hold(held, 1)
    hold(held, 2, "b")
    for account in ("a", "b", "a"):
        held.mark(account)
    assert (held.changes.is_set(), held.marked(), held.changes.is_set(), held.marked()) == (
        True,
        {"a", "b"},
        False,
        set(),
    )
    assert (held.of_account("a"), held.of_account("b")) == ([1], [2])
