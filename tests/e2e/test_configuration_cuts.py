"""Power that fails at each operation of a change of the specification: the board is configured with the old one or the
new one, and ends on the new one. Each run prints the seed that repeats it."""

from __future__ import annotations

import os
import random
import shutil

import pytest

from .configuring import NEW, OLD, Kettle, in_force, said
from .lab import Bench, Flash

SEED = int(os.environ.get("TWINSLOT_SEED", str(random.SystemRandom().randrange(1 << 32))))
PARTS = 2
CUTS_A_PART = 3
ALL = bool(os.environ.get("TWINSLOT_EVERY_CUT"))


def cuts(operations: int, part: int) -> list[tuple[int, int]]:
    """(operation, bytes of it that take effect): this part's share of a sample, evenly spread; with TWINSLOT_EVERY_CUT
    of all operations."""
    print(f"TWINSLOT_SEED={SEED} repeats this run")
    dice = random.Random(f"{SEED} {part}")
    mine = range(1 + part, operations + 1, PARTS)
    step = 1 if ALL else max(1, len(mine) // CUTS_A_PART)
    return [(op, dice.choice([0, 1, 16, 31, 255])) for op in mine[dice.randrange(step) :: step]]


@pytest.mark.parametrize("part", range(PARTS))
async def test_cut_anywhere_in_a_change_leaves_the_old_specification_or_the_new_and_ends_on_the_new(
    part: int, kettle: Kettle
) -> None:
    before = await kettle.configured()
    kettle.offer(NEW)
    whole = before.with_name("whole.bin")
    shutil.copy(before, whole)
    async with Bench(whole) as bench:
        await bench.confirmed("1.200.0")
        operations = bench.board.flash_ops
    print(operations, "operations")
    flash = before.with_name("cut.bin")
    for op, keep in cuts(operations, part):
        shutil.copy(before, flash)
        async with Bench(flash, cut_at_op=op, keep_bytes=keep) as bench:
            await bench.confirmed("1.200.0")
        shown = said(bench, "at start")
        old, new = f"at start {OLD.decode()}", f"at start {NEW.decode()}"
        assert (set(shown) <= {old, new}, shown[0], shown[-1]) == (True, old, new), (op, keep, shown)
        assert bench.board.flash_ops > bench.board.nor.ops, (op, keep, "the power was not cut")
        assert in_force(flash) == ("1.200.0", NEW), (op, keep)
        assert (Flash(flash).boot, Flash(flash).is_erased("ota_1")) == ("ota_0", True), (op, keep)
