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


def trial(arms: int = 1, switched: bool = True, ended: str = "") -> dict[str, object]:
    return {"slot": 1, "arms": arms, "switched": switched, "ended": ended}


def alone(arms: int = 1, switched: bool = True, ended: str = "") -> dict[str, object]:
    """The trial of a specification without an image, on a board that runs slot 1."""
    return {**trial(arms, switched, ended), "kind": 1, "place": 0}


def bundle(arms: int = 1, switched: bool = True, ended: str = "") -> dict[str, object]:
    """The trial of a bundle in the second tree, on a board that runs slot 1."""
    return {**trial(arms, switched, ended), "kind": 8, "tree": 2, "place": None}


@pytest.mark.parametrize(
    ("what", "event", "about", "running", "boot", "slots", "cause"),
    [
        ("nothing going on", "settled", {}, 0, 0, [V, NONE], POWER),
        ("otadata erased", "settled", {}, 0, 0, [NONE, NONE], POWER),
        ("pending, but nothing on trial", "astray", {}, 0, 0, [P, V], HARD),
        ("aborted, but nothing on trial", "astray", {}, 0, 0, [A, V], HARD),
        ("the bootloader fell back", "astray", {}, 0, 1, [V, V], POWER),
        ("otadata lost, the other slot runs", "astray", {}, 1, 1, [NONE, NONE], POWER),
        ("first boot of a trial", "on_trial", trial(), 1, 1, [V, P], HARD),
        ("trial after a soft reset", "on_trial", trial(), 1, 1, [V, P], SOFT),
        ("aborted, but the old image is damaged", "on_trial", trial(), 1, 0, [V, A], POWER),
        ("confirmed in otadata alone", "half_confirmed", trial(), 1, 1, [V, V], POWER),
        ("valid, but the other slot boots", "on_trial", trial(), 1, 0, [V, V], POWER),
        ("recorded, never armed", "half_switched", trial(0, False), 0, 0, [V, NONE], POWER),
        ("recorded, slot aborted by an earlier release", "half_switched", trial(0, False), 0, 0, [V, A], HARD),
        ("armed, set_boot not reached", "half_switched", trial(1, False), 0, 0, [V, A], WATCHDOG),
        ("armed, set_boot not reached, for the last time", "undone", trial(4, False), 0, 0, [V, A], POWER),
        ("selected, not booted yet", "half_switched", trial(), 0, 1, [V, N], SOFT),
        ("selected for the last time, not booted yet", "half_switched", trial(4), 0, 1, [V, N], SOFT),
        ("crashed", "undone", trial(), 0, 0, [V, A], HARD),
        ("bitten by the watchdog", "undone", trial(), 0, 0, [V, A], WATCHDOG),
        ("ended by itself", "undone", trial(ended="expired"), 0, 0, [V, A], HARD),
        ("ended by itself, then power failed", "undone", trial(ended="expired"), 0, 0, [V, A], POWER),
        ("power failed in the trial", "cut_short", trial(), 0, 0, [V, A], POWER),
        ("power failed in the fourth trial", "undone", trial(4), 0, 0, [V, A], POWER),
        ("invalid", "undone", trial(), 0, 0, [V, X], HARD),
        ("the image does not boot, the bootloader fell back", "half_switched", trial(), 0, 1, [V, P], HARD),
    ],
)
def test_boot_is_judged_by_the_first_line_that_fits(
    what: str, event: str, about: dict, running: int, boot: int, slots: list, cause: int
) -> None:
    for trial_state in (V, A, NONE):  # left by earlier trials, and of no meaning for an image
        assert states.judge_boot(about, 0, 0, running, 0, boot, slots, trial_state, cause) == event, what


@pytest.mark.parametrize(
    ("what", "event", "about", "trial_state", "cause"),
    [
        ("none was ever on trial", "settled", {}, NONE, POWER),
        ("confirmed", "settled", {}, V, HARD),
        ("rolled back", "settled", {}, A, HARD),
        ("pending, but nothing on trial", "astray", {}, P, SOFT),
        ("first boot of a trial", "on_trial", alone(), P, HARD),
        ("trial after a soft reset", "on_trial", alone(), P, SOFT),
        ("armed, boot.py did its part, not noted as switched", "on_trial", alone(1, False), P, HARD),
        ("recorded, never armed", "half_switched", alone(0, False), NONE, POWER),
        ("recorded, aborted by an earlier release", "half_switched", alone(0, False), A, HARD),
        ("recorded, confirmed by an earlier release", "half_switched", alone(0, False), V, HARD),
        ("armed, NEW not reached", "half_switched", alone(1, False), A, WATCHDOG),
        ("armed, NEW not reached, for the last time", "undone", alone(4, False), A, POWER),
        ("armed, then a soft reset", "half_switched", alone(), N, SOFT),
        ("boot.py does not know specifications", "undone", alone(4), N, HARD),
        ("crashed", "undone", alone(), A, HARD),
        ("bitten by the watchdog", "undone", alone(), A, WATCHDOG),
        ("ended by itself, then power failed", "undone", alone(ended="configure"), A, POWER),
        ("power failed in the trial", "cut_short", alone(), A, POWER),
        ("power failed in the fourth trial", "undone", alone(4), A, POWER),
        ("the state is lost", "half_switched", alone(), NONE, HARD),
        ("the state is lost in the fourth trial", "undone", alone(4), NONE, HARD),
    ],
)
def test_boot_with_a_specification_on_trial_is_judged_by_what_boot_py_left(
    what: str, event: str, about: dict, trial_state: int | None, cause: int
) -> None:
    for slots in ([V, V], [NONE, V], [A, V]):
        assert states.judge_boot(about, 1, 0, 1, 0, 1, slots, trial_state, cause) == event, what


@pytest.mark.parametrize(
    ("what", "event", "about", "kept_tree", "running_tree", "trial_state", "cause"),
    [
        ("nothing going on", "settled", {}, 1, 1, V, POWER),
        ("nothing going on, and none yet", "settled", {}, 0, 0, NONE, POWER),
        ("boot.py is another one", "settled", {}, 1, 0, V, POWER),
        ("a tree runs that is not kept", "astray", {}, 1, 2, V, HARD),
        ("a tree runs, and none is kept", "astray", {}, 0, 2, V, HARD),
        ("first boot of a trial", "on_trial", bundle(), 1, 2, P, HARD),
        ("first boot of the first trial of all", "on_trial", bundle(), 0, 2, P, HARD),
        ("kept, not recorded", "half_confirmed", bundle(), 2, 2, P, SOFT),
        ("kept, not recorded, after a restart", "half_confirmed", bundle(), 2, 2, A, POWER),
        ("kept, though its time was over", "half_confirmed", bundle(ended="expired"), 2, 2, A, HARD),
        ("armed, not booted", "half_switched", bundle(), 1, 1, N, SOFT),
        ("not armed", "half_switched", bundle(0, switched=False), 1, 1, V, POWER),
        ("power failed in the trial", "cut_short", bundle(), 1, 1, A, POWER),
        ("crashed", "undone", bundle(), 1, 1, A, HARD),
        ("ended by itself", "undone", bundle(ended="expired"), 1, 1, A, POWER),
        ("pending, and another tree runs", "half_switched", bundle(), 1, 1, P, HARD),
        ("power failed in the fourth trial", "undone", bundle(4), 1, 1, A, POWER),
    ],
)
def test_boot_with_trees_is_judged_by_what_boot_py_left(
    what: str,
    event: str,
    about: dict,
    kept_tree: int,
    running_tree: int,
    trial_state: int | None,
    cause: int,
) -> None:
    for slots in ([V, V], [NONE, NONE], [A, V]):
        found = states.judge_boot(about, 1, kept_tree, 1, running_tree, 1, slots, trial_state, cause)
        assert found == event, what


@pytest.mark.parametrize(
    ("about", "running", "trial_state", "runs"),
    [
        ({}, 1, P, False),
        (trial(), 1, A, True),
        (trial(), 0, P, False),
        (trial() | {"kind": 2}, 1, A, True),
        (trial() | {"kind": 2}, 0, P, False),
        (alone(), 1, P, True),
        *((alone(), 1, state, False) for state in (N, V, X, A, NONE)),
    ],
)
def test_release_on_trial_runs_in_its_slot_or_while_its_specification_is_pending(
    about: dict, running: int, trial_state: int | None, runs: bool
) -> None:
    for tree in (0, 1):
        assert states.runs(about, running, tree, trial_state) is runs


def test_bundle_on_trial_runs_while_its_tree_does() -> None:
    for tree, state in itertools.product((0, 1, 2), (N, P, V, X, A, NONE)):
        assert states.runs(bundle(), 1, tree, state) is (tree == 2)


@pytest.mark.parametrize(
    ("about", "state", "cause", "reason"),
    [
        (trial(), V, HARD, "crash"),
        (trial(), N, WATCHDOG, "watchdog"),
        (trial(4), V, POWER, "power"),
        (trial(ended="self_test"), V, HARD, "self_test"),
        (bundle(4), A, POWER, "power"),
        (bundle(4), N, HARD, "boot.py"),
        (alone(4), N, HARD, "boot.py"),
    ],
)
def test_reason_of_a_rollback_is_the_devices_own_or_the_reset_causes(
    about: dict, state: int, cause: int, reason: str
) -> None:
    assert states.why_undone(about, state, cause) == reason
