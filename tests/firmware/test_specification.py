"""Which of two specifications is in force, and what a trial adds to it."""

import pytest

from twinslot import specification
from twinslot.specification import free_place, place, with_link

IMAGE, ALONE, BOTH = 0, 1, 2


@pytest.mark.parametrize(
    ("what", "confirmed", "kind", "trial_runs", "in_force"),
    [
        ("nothing on trial, none confirmed", None, None, False, None),
        ("nothing on trial", 1, None, False, 1),
        ("an image on trial", 1, IMAGE, True, 1),
        ("an image on trial, none confirmed", None, IMAGE, True, None),
        ("a specification on trial", 1, ALONE, True, 0),
        ("the first specification on trial", None, ALONE, True, 0),
        ("a specification not yet on trial, or rolled back", 1, ALONE, False, 1),
        ("both on trial", 0, BOTH, True, 1),
        ("both not yet on trial, or rolled back", 0, BOTH, False, 0),
    ],
)
def test_specification_in_force_is_the_trials_while_that_runs(
    what: str, confirmed: int | None, kind: int | None, trial_runs: bool, in_force: int | None
) -> None:
    kept = {"place": confirmed}
    trial = {} if kind is None else {"kind": kind, "place": free_place(confirmed) if kind else confirmed}
    assert place(kept, trial, trial_runs) == in_force, what


def test_place_that_is_free_is_never_the_confirmed_one() -> None:
    assert [free_place(kept) for kept in (None, 0, 1)] == [0, 1, 0]


def test_records_from_before_there_were_specifications_have_none() -> None:
    assert place({"slot": 0}, {"slot": 1}, True) is None


def test_link_is_seen_in_an_object_in_place_of_its_own_and_nowhere_else() -> None:
    assert with_link({"a": 1, "link": "own"}, "http://a/") == {"a": 1, "link": "http://a/"}
    assert with_link({"link": "own"}, "") == {"link": "own"}
    assert with_link([1], "http://a/") == [1]
    assert with_link(None, "http://a/") is None


def test_garbage_is_no_specification() -> None:
    assert specification.decode(memoryview(b"[1]")) == [1]
    for garbage in (b"", b"{", b"{]", b"x"):
        with pytest.raises(ValueError):
            specification.decode(garbage)
