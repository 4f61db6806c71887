"""Whom a targeted release goes to: its filters, their dates, and what each part of a filter matches."""

import dataclasses
import itertools

import pytest

from twinslot_host.domain.filters import Filter, Predicate, Subject, matches
from twinslot_host.domain.release import Targeting
from twinslot_host.domain.rollout import Decision, decide

from .test_rollout import DEVICE, SERVER_GROUP, reasons, release

NOW_S = 90
EVERYONE = Filter("f1", "everyone", Predicate(), 0)
BETA = Filter("f2", "beta", Predicate(tags=("beta",)), 0)


def targeted(*aims: Targeting, tags: tuple[str, ...] = (), now_ms: int = NOW_S * 1000) -> Decision:
    subject = Subject("d", "g", frozenset(tags), {})
    device = dataclasses.replace(DEVICE, subject=subject)
    filters = {each.id: each for each in (EVERYONE, BETA)}
    return decide(device, SERVER_GROUP, [release(strategy="targeted", filters=aims)], filters, 200, now_ms)


def test_targeted_release_goes_to_whom_any_filter_matches():
    aims = (Targeting("f2", None), Targeting("f1", None))
    assert targeted(*aims).offer is not None
    assert targeted(Targeting("f2", None), tags=("beta", "more")).offer is not None


def test_targeted_release_says_which_filter_does_not_match():
    decision = targeted(Targeting("f2", None))
    assert decision.offer is None
    assert "the filter 'beta' does not match" in reasons(decision)["1.1.0"]


@pytest.mark.parametrize(("now_ms", "offered"), [(1_799_999, False), (1_800_000, True), (1_800_001, True)])
def test_filter_counts_from_its_date_on(now_ms, offered):
    decision = targeted(Targeting("f1", 1_800_000), now_ms=now_ms)
    assert (decision.offer is not None) == offered
    assert (
        offered
        or "the filter 'everyone' matches, and lets it through not before 1970-01-01T00:30:00.000Z"
        in (reasons(decision)["1.1.0"])
    )


def test_date_of_one_filter_does_not_hold_back_another():
    aims = (Targeting("f1", 1_800_000), Targeting("f2", 1_000))
    assert targeted(*aims, tags=("beta",)).offer is not None
    decision = targeted(*aims)
    assert decision.offer is None
    assert "'everyone' matches" in reasons(decision)["1.1.0"] and "'beta' does not" in reasons(decision)["1.1.0"]


def test_filters_of_a_general_release_count_for_nothing():
    decision = decide(DEVICE, SERVER_GROUP, [release(filters=(Targeting("f2", 10**12),))], {"f2": BETA}, 200, 90_000)
    assert decision.offer is not None


def matching(predicate: Predicate, device: str = "d", filter_id: str = "f", **of_device) -> bool:
    subject = {"group": "g", "tags": frozenset(), "attributes": {}} | of_device
    return matches(Filter(filter_id, "x", predicate, 0), Subject(device, **subject))


@pytest.mark.parametrize(
    ("predicate", "matched"),
    [
        ({}, True),
        ({"groups": ("h", "g")}, True),
        ({"groups": ("h",)}, False),
        ({"tags": ("a",)}, True),
        ({"tags": ("a", "b")}, True),
        ({"tags": ("a", "c")}, False),
        ({"attributes": {"site": "oslo"}}, True),
        ({"attributes": {"site": "oslo", "floor": 1}}, True),
        ({"attributes": {"site": "oslo", "floor": 2}}, False),
        ({"attributes": {"floor": True}}, False),
        ({"attributes": {"lit": 1}}, False),
        ({"attributes": {"lit": True}}, True),
        ({"attributes": {"floor": "1"}}, False),
        ({"attributes": {"roof": ""}}, False),
        ({"percentage": 0}, False),
        ({"percentage": 100}, True),
        ({"groups": ("g",), "tags": ("a",), "percentage": 0}, False),
    ],
)
def test_filter_matches_when_each_of_its_parts_holds(predicate, matched):
    device = {"tags": frozenset(("a", "b")), "attributes": {"site": "oslo", "floor": 1, "lit": True}}
    assert matching(Predicate(**predicate), **device) == matched


def chosen(percentage: float, filter_id: str = "f") -> set[int]:
    return {n for n in range(10_000) if matching(Predicate(percentage=percentage), f"board-{n}", filter_id)}


def test_percentage_that_grows_keeps_whom_it_has_and_is_about_that_many():
    steps = [chosen(percentage) for percentage in (0.01, 1, 10, 10.5, 50, 99.99, 100)]
    assert all(smaller <= larger for smaller, larger in itertools.pairwise(steps))
    assert [900 < len(steps[2]) < 1100, 4800 < len(steps[4]) < 5200, len(steps[6])] == [True, True, 10_000]
    assert len(steps[2]) < len(steps[3])


def test_two_filters_choose_different_devices():
    assert len(chosen(10) & chosen(10, "other")) < 200
