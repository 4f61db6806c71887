"""Power that fails at each operation of a change of keys: at every check-in the board trusts the keys of the release
that it has confirmed, and it ends on the new ones. Each run prints the seed that repeats it."""

from __future__ import annotations

import shutil

import pytest

from .configuring import NEW, Kettle, in_force
from .lab import Bench
from .rotating import Key, fingerprints, raw, rotate, trusted_set
from .test_configuration_cuts import PARTS, cuts


@pytest.mark.parametrize("part", range(PARTS))
async def test_cut_anywhere_in_a_change_of_keys_leaves_the_keys_of_the_release_that_is_confirmed(
    part: int, kettle: Kettle, owner: Key, successor: Key
) -> None:
    before = await kettle.configured()
    rotate(kettle, NEW, 200, [successor], [owner])
    whole = before.with_name("whole.bin")
    shutil.copy(before, whole)
    async with Bench(whole) as bench:
        await bench.confirmed("1.200.0")
        operations = bench.board.flash_ops
    print(operations, "operations")
    trusted = {"1.100.0": fingerprints(owner), "1.200.0": fingerprints(successor)}
    flash = before.with_name("cut.bin")
    for op, keep in cuts(operations, part):
        shutil.copy(before, flash)
        kettle.server.checks.clear()
        async with Bench(flash, cut_at_op=op, keep_bytes=keep) as bench:
            await bench.confirmed("1.200.0")
            await bench.until(lambda: kettle.server.checks[-1]["confirmed_version"] == "1.200.0")
        assert bench.board.flash_ops > bench.board.nor.ops, (op, keep, "the power was not cut")
        for check in kettle.server.checks:
            assert check["trusted"] == trusted[check["confirmed_version"]], (op, keep)
        assert (in_force(flash), trusted_set(flash)) == (("1.200.0", NEW), raw(successor)), (op, keep)
