"""The two tables of an update's life: every row, and everything that is not a row."""

import itertools

import pytest

from twinslot import otadata, states
from twinslot.errors import TwinslotError

STATES = {state for state, _ in states.TABLE} | set(states.TABLE.values())
EVENTS = {event for _, event in states.TABLE}
POWER, HARD, WATCHDOG, SOFT = 1, 2, 3, 5
N, P, V, X, A, NONE = otadata.NEW, otadata.PENDING_VERIFY, otadata.VALID, otadata.INVALID, otadata.ABORTED, None


@pytest.mark.parametrize(("state", "event"), list(itertools.product(sorted(STATES), sorted(EVENTS))))
def test_machine_follows_the_table_and_an_illegal_event_changes_nothing(state: str, event: str) -> None:
    machine = states.Machine()
    machine.state = state
    if (state, event) in states.TABLE:
        assert machine.advance(event) == machine.state == states.TABLE[state, event]
    else:
        with pytest.raises(TwinslotError):
            machine.advance(event)
        assert machine.state == state


def test_every_state_can_be_reached_and_all_but_the_reset_can_be_left() -> None:
    assert set(states.TABLE.values()) | {"booting"} == STATES
    assert STATES - {state for state, _ in states.TABLE} == {"resetting"}


def trial(arms: int = 1, selected: int = 2, ended: str = "") -> dict[str, object]:
    return {"slot": 1, "arms": arms, "selected": selected, "ended": ended}


@pytest.mark.parametrize(
    ("what", "event", "about", "running", "boot", "slots", "newest", "cause"),
    [
        ("nothing going on", "settled", {}, 0, 0, [V, NONE], 1, POWER),
        ("otadata erased", "settled", {}, 0, 0, [NONE, NONE], 0, POWER),
        ("pending, but nothing on trial", "astray", {}, 0, 0, [P, V], 3, HARD),
        ("the bootloader fell back", "astray", {}, 0, 1, [V, V], 2, POWER),
        ("first boot of a trial", "on_trial", trial(), 1, 1, [V, P], 2, HARD),
        ("trial after a soft reset", "on_trial", trial(), 1, 1, [V, P], 2, SOFT),
        ("aborted, but the old image is damaged", "on_trial", trial(), 1, 0, [V, A], 2, POWER),
        ("confirmed in otadata alone", "half_confirmed", trial(), 1, 1, [V, V], 2, POWER),
        ("valid, but the other slot boots", "on_trial", trial(), 1, 0, [V, V], 2, POWER),
        ("recorded, never armed", "half_switched", trial(0, 0), 0, 0, [V, NONE], 1, POWER),
        ("recorded, slot aborted by an earlier release", "half_switched", trial(0, 0), 0, 0, [V, A], 2, HARD),
        ("armed, set_boot not reached", "half_switched", trial(1, 3), 0, 0, [V, A], 2, WATCHDOG),
        ("armed, set_boot not reached, for the last time", "undone", trial(4, 3), 0, 0, [V, A], 2, POWER),
        ("selected, not booted yet", "half_switched", trial(), 0, 1, [V, N], 2, SOFT),
        ("selected for the last time, not booted yet", "half_switched", trial(4), 0, 1, [V, N], 2, SOFT),
        ("crashed", "undone", trial(), 0, 0, [V, A], 2, HARD),
        ("bitten by the watchdog", "undone", trial(), 0, 0, [V, A], 2, WATCHDOG),
        ("ended by itself", "undone", trial(ended="expired"), 0, 0, [V, A], 2, HARD),
        ("ended by itself, then power failed", "undone", trial(ended="expired"), 0, 0, [V, A], 2, POWER),
        ("power failed in the trial", "cut_short", trial(), 0, 0, [V, A], 2, POWER),
        ("power failed in the fourth trial", "undone", trial(4), 0, 0, [V, A], 2, POWER),
        ("invalid", "undone", trial(), 0, 0, [V, X], 2, HARD),
        ("the image does not boot, the bootloader fell back", "half_switched", trial(), 0, 1, [V, P], 2, HARD),
    ],
)
def test_boot_is_judged_by_the_first_line_that_fits(
    what: str, event: str, about: dict, running: int, boot: int, slots: list, newest: int, cause: int
) -> None:
    assert states.judge_boot(about, running, boot, slots, newest, cause) == event, what


@pytest.mark.parametrize(
    ("about", "cause", "reason"),
    [
        (trial(), HARD, "crash"),
        (trial(), WATCHDOG, "watchdog"),
        (trial(4), POWER, "power"),
        (trial(ended="self_test"), HARD, "self_test"),
    ],
)
def test_reason_of_a_rollback_is_the_devices_own_or_the_reset_causes(about: dict, cause: int, reason: str) -> None:
    assert states.why_undone(about, cause) == reason
