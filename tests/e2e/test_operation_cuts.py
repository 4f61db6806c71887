"""Power that fails at each flash operation of a command's life: begun, ended, acknowledged. Nothing is lost, and
nothing runs again whose outcome is known. Each run prints the seed that repeats it."""

from __future__ import annotations

import os
import random
import shutil

from .conftest import Site
from .lab import Bench
from .working import done, image, kept, known, operation

SEED = int(os.environ.get("TWINSLOT_SEED", str(random.SystemRandom().randrange(1 << 32))))
CUTS = 3
ALL = bool(os.environ.get("TWINSLOT_EVERY_CUT"))


def cuts(operations: int) -> list[tuple[int, int]]:
    """(operation, bytes of it that take effect): one of each third, with TWINSLOT_EVERY_CUT all."""
    print(f"TWINSLOT_SEED={SEED} repeats this run")
    dice = random.Random(SEED)
    all_of_them = range(1, operations + 1)
    chosen = (
        all_of_them
        if ALL
        else [dice.choice(all_of_them[n * operations // CUTS :][: 1 + operations // CUTS]) for n in range(CUTS)]
    )
    return [(op, dice.choice([0, 1, 16, 31, 255])) for op in chosen]


async def test_cut_anywhere_in_an_operation_loses_nothing_and_repeats_nothing_that_is_known(site: Site) -> None:
    before = site.flash(start=image(), poll_s=1)
    async with Bench(before) as bench:
        await known(site, bench)
        await done(site, bench, "blink")
        await bench.until(lambda: not kept(before))
    whole = before.with_name("whole.bin")
    shutil.copy(before, whole)
    async with Bench(whole) as bench:
        await done(site, bench, "blink one")
        await bench.until(lambda: not kept(whole))
        operations = bench.board.flash_ops
    print(operations, "operations")
    flash = before.with_name("cut.bin")
    for op, keep in cuts(operations):
        shutil.copy(before, flash)
        async with Bench(flash, cut_at_op=op, keep_bytes=keep) as bench:
            ended = await done(site, bench, "blink twice")
            await bench.until(lambda: bench.board.boots == 2 and not kept(flash))
            orders = bench.log.count("twinslot: operation ")
        where = (op, keep, ended, bench.log)
        assert (ended["state"], ended["output"], ended["exit_code"]) == ("succeeded", "blinks-twice\n1\n", 0), where
        assert ended["attempt"] == orders <= 2, where
        assert operation(site, ended["id"])["attempt"] == orders, where
