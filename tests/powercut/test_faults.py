"""Flash that fails while a board updates: some of the faults in what follows a download; `make faults` tries
all, in all updates. Each run prints the seed that repeats it."""

from __future__ import annotations

import random

import pytest

from .proving import SEED, prove
from .stage import VARIANTS

SHARE = 0.06


@pytest.mark.parametrize("name", ["confirm", "kept"])
async def test_board_comes_through_flash_that_fails_forgets_and_flips(name: str) -> None:
    print(f"TWINSLOT_SEED={SEED} repeats this run")
    variant = random.Random(f"{SEED} faults").choice(VARIANTS)
    tally = await prove(name, variant, share=SHARE, faults=True)
    assert not tally.failures, variant
    assert tally.tried > 1
