"""Changes of keys as hops: which release comes first, and that a device which was away is never cut off."""

import dataclasses
import hashlib
import random
import sys

import pytest
from semver import Version

from twinslot_host.domain.eligibility import Device, Policy
from twinslot_host.domain.filters import Subject
from twinslot_host.domain.manifest import Manifest
from twinslot_host.domain.release import Release
from twinslot_host.domain.rollout import Decision, decide

DEVICE = Device("kettle", "1.0.0", 50, "idle", 0, 1000, frozenset(), 0, Subject("d", "g", frozenset(), {}))


def modulus(key: str) -> bytes:
    return key.encode() * 384


def name(key: str) -> str:
    return hashlib.sha256(modulus(key)).hexdigest()


def names(keys: str) -> frozenset[str]:
    return frozenset(map(name, keys))


def release(version: str, sequence: int, signer: str, change: str = "", **other) -> Release:
    """A specification signed by the key of that letter; `change` is such as "+B -A"."""
    added = tuple(modulus(each[1]) for each in change.split() if each[0] == "+")
    retired = tuple(name(each[1]) for each in change.split() if each[0] == "-")
    manifest = Manifest("kettle", version, sequence, 0, 0xFFFF, 0, bytes(32), 1, 1, bytes(32), added, retired)
    made = Release(
        sequence, version, "general", None, b"1", None, False, False, name(signer), sequence, None, (), (sequence,)
    )
    return dataclasses.replace(made, **{"key_change": manifest if change else None} | other)


def decided(trusted: str, *releases: Release, group: str, retired: str = "", **device) -> Decision:
    """For a device that trusts those keys, of a group that trusts and has retired those."""
    policy = Policy("kettle", names(group), None, dict.fromkeys(names(retired), 1000))
    known = dataclasses.replace(DEVICE, trusted=names(trusted), **device)
    return decide(known, policy, releases, {}, 200, 90_000)


def offered(*arguments, **keywords) -> str | None:
    offer = decided(*arguments, **keywords).offer
    return None if offer is None else offer.release.version


ADDS, PLAIN = release("1.1.0", 110, "A", "+B"), release("1.2.0", 120, "A")


def test_change_that_a_device_has_not_made_comes_before_what_was_signed_later():
    decision = decided("A", ADDS, PLAIN, group="AB")
    assert decision.offer.release is ADDS
    assert decision.reason == "1.1.0 changes the keys that the device trusts, and comes before what is higher"
    first = "1.1.0 changes the keys that the device trusts, and comes first"
    assert [each.reason for each in decision.verdicts] == [first, "offered"]


def test_change_that_a_device_has_made_is_jumped():
    assert offered("AB", ADDS, PLAIN, group="AB") == "1.2.0"


def test_of_two_changes_the_one_that_was_signed_first_comes_first():
    other = release("1.2.0", 120, "A", "+C -A")
    assert offered("A", ADDS, other, group="BC", retired="A") == "1.1.0"
    assert offered("AB", ADDS, other, group="BC", retired="A", version="1.1.0", sequence=110) == "1.2.0"


def test_retired_key_is_given_up_before_what_was_signed_later():
    retires = release("1.1.0", 110, "A", "-B")
    assert offered("AB", retires, PLAIN, group="A", retired="B") == "1.1.0"
    assert offered("AB", retires, PLAIN, group="AB") == "1.2.0"  # made later, with both


@pytest.mark.parametrize("change", ["+B", "+B +C", "+B -A"])
def test_later_release_that_makes_the_same_change_comes_at_once(change):
    assert offered("A", ADDS, release("1.3.0", 130, "A", change), group="ABC") == "1.3.0"


def test_added_key_that_a_later_release_retires_is_never_trusted():
    stolen = release("1.3.0", 130, "A", "-B")
    assert offered("A", ADDS, stolen, release("1.4.0", 140, "A"), group="A", retired="B") == "1.4.0"
    strange = release("1.2.0", 120, "Z", "+C")
    assert offered("A", ADDS, strange, stolen, group="ACZ", retired="B") == "1.3.0"
    others = stolen, release("1.4.0", 140, "A", "+C"), release("1.5.0", 150, "A")
    assert offered("A", ADDS, *others, group="AC", retired="B") == "1.4.0"


@pytest.mark.parametrize(
    "other", [{"strategy": "suspended"}, {"strategy": "targeted"}, {"upgradable_from": ("1.0.5",)}, {"sequences": ()}]
)
def test_change_that_the_device_can_not_take_is_not_waited_for(other):
    assert offered("A", dataclasses.replace(ADDS, **other), PLAIN, group="AB") == "1.2.0"


def test_change_that_failed_on_the_device_is_not_waited_for():
    assert offered("A", ADDS, PLAIN, group="AB", failed=frozenset((110,))) == "1.2.0"


def test_group_that_is_held_at_a_release_gets_that_one():
    known = dataclasses.replace(DEVICE, trusted=names("A"))
    decision = decide(known, Policy("kettle", names("AB"), 120), (ADDS, PLAIN), {}, 200, 90_000)
    assert decision.offer.release is PLAIN


def test_change_below_a_higher_version_that_was_signed_before_comes_first():
    assert offered("A", release("1.1.0", 130, "A", "+B"), PLAIN, group="AB") == "1.1.0"


def test_way_to_a_change_leads_over_what_it_can_be_reached_from():
    middle, change = release("1.0.5", 105, "A"), dataclasses.replace(ADDS, upgradable_from=("1.0.5",))
    decision = decided("A", middle, change, PLAIN, group="AB")
    assert decision.offer.release is middle
    assert decision.reason.startswith("1.0.5 is the next hop from 1.0.0 to 1.1.0, which changes the keys")


def test_of_two_changes_that_exclude_each_other_the_one_that_was_signed_first_counts():
    lower = release("1.1.0", 130, "A", "+B")
    assert offered("A", lower, release("1.2.0", 120, "A", "+C"), PLAIN, group="ABC") == "1.2.0"


def test_way_leads_over_an_unchanging_release_that_the_change_comes_after():
    change, end = release("1.1.5", 115, "A", "+B"), release("1.2.0", 120, "A", upgradable_from=("1.1.0",))
    assert offered("A", release("1.1.0", 110, "A"), change, end, group="AB") == "1.1.0"
    assert offered("A", release("1.1.0", 118, "A"), change, end, group="AB") == "1.1.5"


@pytest.mark.parametrize("undoing", [[], [release("1.2.0", 120, "A", "-B", strategy="suspended")]])
def test_stolen_key_is_not_given_though_the_release_that_retired_it_reaches_nobody(undoing):
    assert offered("A", ADDS, *undoing, release("1.3.0", 130, "A"), group="A", retired="B") == "1.3.0"


def test_replacement_that_turned_out_bad_and_was_undone_by_a_suspended_release_is_jumped():
    bad, undone = release("1.1.0", 110, "A", "+B -A"), release("1.2.0", 120, "B", "+A", strategy="suspended")
    assert offered("A", bad, undone, release("1.3.0", 130, "A"), group="AB") == "1.3.0"


def test_change_that_would_leave_more_keys_than_a_device_keeps_is_not_offered():
    repeated = release("1.3.0", 130, "A", "+E")
    decision = decided("ABCD", release("1.1.0", 110, "A", "+E"), PLAIN, repeated, group="ABCE", retired="D")
    assert decision.offer.release is PLAIN
    assert decision.verdicts[0].reason == "after it the device would trust 5 keys, and it keeps 1 to 4"


def test_change_that_would_leave_no_key_is_not_offered():
    adds, retires = dataclasses.replace(ADDS, strategy="suspended"), release("1.3.0", 130, "A", "-A")
    decision = decided("A", adds, PLAIN, retires, release("1.4.0", 140, "B"), group="B", retired="A")
    assert decision.offer.release is PLAIN
    assert decision.verdicts[1].reason == "after it the device would trust 0 keys, and it keeps 1 to 4"


def test_change_that_the_device_would_refuse_is_no_reason_to_wait_for_another():
    made, refused = release("1.0.5", 105, "A", "+B"), release("1.1.0", 110, "A", "+F")
    assert offered("ABCD", made, refused, PLAIN, group="ABCF", retired="D") == "1.2.0"


def test_change_that_no_way_leads_to_is_not_counted():
    unreachable = release("1.1.5", 105, "A", "+B", upgradable_from=("1.1.1",))
    assert offered("A", unreachable, release("1.1.0", 110, "A", "+C"), PLAIN, group="AB", retired="C") == "1.2.0"


def test_change_that_the_hop_leads_to_does_not_come_before_it():
    middle, end = PLAIN, release("1.3.0", 130, "A", upgradable_from=("1.2.0",))
    change, lost = release("1.2.5", 125, "A", "+Z"), release("1.1.0", 128, "Z", "+C")
    assert offered("A", middle, change, lost, end, group="ACZ") == "1.2.0"


LETTERS = {name(key): key for key in "ABCDEFGH"}
State = tuple[str, int, frozenset[str]]  # what a device has confirmed, and whom it trusts
START: State = ("1.0.0", 50, names("A"))


class Owner:
    """A publisher's history, by chance: releases that keep, add, retire and bring back keys, some of which follow
    certain others alone, are branches below what is there, or are suspended or deleted; as far as the `habits` go."""

    def __init__(self, chance: random.Random, habits: str) -> None:
        self.chance, self.habits = chance, habits
        self.trusted, self.known, self.releases = "A", "A", []

    def does(self, habit: str, odds: float) -> bool:
        return habit in self.habits and self.chance.random() < odds

    def publish(self, number: int) -> None:
        chance, signer, added, retired = self.chance, self.chance.choice(self.trusted), "", ""
        if chance.random() < 0.5:
            fresh = chance.choice("BCDEFGH")
            added = fresh if fresh not in self.trusted and len(self.trusted) < 4 else ""
            gone = chance.choice(self.trusted)
            retired = gone if len(self.trusted + added) > 1 and chance.random() < 0.5 else ""
        change = " ".join([f"+{each}" for each in added] + [f"-{each}" for each in retired])
        version = f"1.{chance.randrange(1, number + 2)}.{number}" if self.does("branches", 0.4) else f"1.{number}.0"
        before = [each.version for each in self.releases]
        steps = (before[-1], chance.choice(before)) if before and self.does("steps", 0.3) else None
        strategy = "suspended" if self.does("suspends", 0.15) else "general"
        made = release(version, 100 + number, signer, change, upgradable_from=steps, strategy=strategy)
        self.releases.append(made)
        self.trusted = "".join(sorted({*self.trusted, *added} - set(retired)))
        self.known = "".join(sorted({*self.known, *added}))
        if self.does("deletes", 0.15):
            self.releases.remove(chance.choice(self.releases))

    @property
    def retired(self) -> frozenset[str]:
        return names(self.known) - names(self.trusted)

    def caught_up(self, state: State) -> State:
        """Where a device ends that takes whatever it is offered, one after the other."""
        policy = Policy("kettle", names(self.trusted), None, dict.fromkeys(self.retired, 1000))
        version, sequence, trusted = state
        known = dataclasses.replace(DEVICE, version=version, sequence=sequence, trusted=trusted)
        offer = decide(known, policy, self.releases, {}, 200, 90_000).offer
        if offer is None:
            return state
        following = taken(state, offer.release)
        assert following is not None, offer.release
        return self.caught_up(following)

    def ends(self, state: State) -> set[State]:
        """Where a device may end that takes any releases that it can, in any order."""
        ends, met, left = set(), {state}, [state]
        for at in left:
            following = {taken(at, each) for each in self.releases if each.strategy == "general"} - {None}
            ends |= {at} if not following else set()
            left += following - met
            met |= following
        return ends

    def lacks(self, state: State) -> tuple[int, int]:
        """How many of the group's keys the device does not trust, and how many retired ones it does."""
        return len(names(self.trusted) - state[2]), len(state[2] & self.retired)


def taken(state: State, offered: Release) -> State | None:
    """What the device has confirmed and trusts after the release; None when it can't take that."""
    version, sequence, trusted = state
    is_older = offered.sequence <= sequence or Version.parse(offered.version) <= Version.parse(version)
    if is_older or offered.signed_by not in trusted or version not in (offered.upgradable_from or (version,)):
        return None
    if offered.key_change is not None:
        trusted = frozenset(offered.key_change.trusted(list(trusted)))
    return (offered.version, offered.sequence, trusted) if 1 <= len(trusted) <= 4 else None


@pytest.mark.parametrize("habits", ["", "steps", "deletes", "steps deletes", "steps deletes branches suspends"])
@pytest.mark.parametrize("seed", range(30))
def test_board_that_was_away_ends_as_well_as_any_way_would_have_led_it(habits, seed):
    print("seed", seed)
    owner = Owner(random.Random(seed), habits)
    boards = [START] * 4
    for number in range(1, 11):
        owner.publish(number)
        awake = owner.chance.randrange(3)
        boards[awake], boards[3] = owner.caught_up(boards[awake]), owner.caught_up(boards[3])
    for board in boards:
        best, mine = min(map(owner.lacks, owner.ends(board))), owner.lacks(owner.caught_up(board))
        story = [(each.version, LETTERS[each.signed_by], each.key_change) for each in owner.releases]
        if "branches" in habits:  # there not each end can be foreseen, but none is without any key of the group's
            cut_off = len(owner.trusted)
            assert mine[0] < cut_off or best[0] == cut_off, story
        else:
            assert not (best < mine and best[1] <= mine[1]), story


def steps(decide_once) -> int:
    """How many lines of Python it takes."""
    count, before = [0], sys.gettrace()

    def line(frame, event, argument):
        count[0] += 1
        return line

    sys.settrace(line)
    try:
        decide_once()
    finally:
        sys.settrace(before)
    return count[0]


def island(count: int) -> list[Release]:
    """Releases that follow one another and nothing else, each the 30 before it."""
    return [
        release(f"1.{n}.0", 100 + n, "A", upgradable_from=tuple(f"1.{m}.0" for m in range(max(0, n - 30), n)))
        for n in range(1, count + 1)
    ]


def repeats(count: int) -> list[Release]:
    return [release(f"1.{n}.0", 100 + n, "A", "+B") for n in range(1, count + 1)]


@pytest.mark.parametrize("made", [island, repeats])
def test_twice_the_releases_take_about_twice_the_steps(made):
    half, whole = made(200), made(400)
    ending = "1.30.0" if made is island else "1.400.0"
    assert offered("A", *whole, group="AB") == ending
    taken_half, taken_whole = (steps(lambda known=known: decided("A", *known, group="AB")) for known in (half, whole))
    assert taken_whole < 3 * taken_half
