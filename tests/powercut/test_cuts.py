"""Power that fails while a board updates: all cuts of one update, some of each other scenario; `make powercut` tries
all of all. Each run prints the seed that repeats it."""

from __future__ import annotations

import random

import pytest

from .proving import SEED, prove
from .scenarios import ALL, OF_BUNDLES
from .stage import VARIANTS

SHARE = 0.04
SHARE_OF_BUNDLES = 0.015
PARTS = 4


@pytest.mark.parametrize("part", range(PARTS))
async def test_board_comes_through_each_cut_of_an_update_of_64_sectors(part: int) -> None:
    print(f"TWINSLOT_SEED={SEED} repeats this run")
    tally = await prove("update", VARIANTS[0], share=1 / PARTS, part=part)
    assert not tally.failures
    assert tally.operations > 64 * 17
    assert tally.tried > 4000 / PARTS * 0.8


@pytest.mark.parametrize("name", ALL)
async def test_board_comes_through_some_cuts_of_each_scenario(name: str) -> None:
    print(f"TWINSLOT_SEED={SEED} repeats this run")
    variant = random.Random(f"{SEED} {name}").choice(VARIANTS[1:])
    tally = await prove(name, variant, share=SHARE_OF_BUNDLES if name in OF_BUNDLES else SHARE)
    assert not tally.failures, variant
    assert tally.tried


async def test_board_comes_through_two_cuts_in_a_row() -> None:
    print(f"TWINSLOT_SEED={SEED} repeats this run")
    tally = await prove("confirm", VARIANTS[0], share=0.2, full=True)
    assert not tally.failures
    assert tally.tried
