"""The seeded faults fit the code that they are made for, and some of them are caught; `make mutants` tries them all."""

from pathlib import Path

import pytest

from .mutants import Mutant, caught, mutants
from .scenarios import ALL
from .stage import ROOT

NAMED = {mutant.name: mutant for mutant in mutants()}


@pytest.mark.parametrize("mutant", NAMED.values(), ids=list(NAMED))
def test_a_mutant_is_one_fault_and_its_patch_tells_which_scenario_shows_it(tmp_path: Path, mutant: Mutant) -> None:
    mutant.seed(tmp_path)
    seeded = [path for path in tmp_path.rglob("*.py") if path.read_bytes() != _as_it_is(path, tmp_path)]
    assert len(seeded) == 1, f"{mutant.name} changes {seeded}"
    compile(seeded[0].read_text(), seeded[0].name, "exec")
    assert mutant.scenario in ALL, f"{mutant.name} is caught by {mutant.scenario!r}, which is no scenario"


def test_there_are_enough_mutants() -> None:
    assert len(NAMED) >= 40


@pytest.mark.parametrize(
    ("name", "what"),
    [("slot-is-not-read-back", "not read back"), ("switch-is-not-counted", "of which its record counts")],
)
def test_a_mutant_shows_in_its_scenario(name: str, what: str) -> None:
    where = caught(NAMED[name])
    assert where.startswith(NAMED[name].scenario), where
    assert what in where


def _as_it_is(seeded: Path, folder: Path) -> bytes:
    return (ROOT / seeded.relative_to(folder)).read_bytes()
