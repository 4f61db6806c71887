"""Power that fails while a board installs a package: it starts with the old package or the new one, whole, and the
operation comes to its end. (tests/firmware/test_package_cuts.py cuts at every operation, without a board.)"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from twinslot_sim.vfs import read_file

from ..host.packaging import download, upload
from .configuring import said
from .conftest import Site
from .heaters import files, flash_of
from .lab import Bench
from .working import connected, outcome

CUTS = 3


async def installed(site: Site, bench: Bench) -> dict[str, Any]:
    """The operation that has installed the new version."""
    await connected(site, bench)
    answer = download(site.server, "kettle-7", uri="package:heater", version="2.0")
    assert answer.status == 200, answer.body
    done = await outcome(site, bench, answer.json["operationId"])
    assert (done["state"], done["reason"]) == ("succeeded", ""), bench.log
    return done


def lies_whole(flash: Path) -> bool:
    """Whether the new version lies in flash."""
    return all(read_file(flash, f"/packages/heater/2.0/{path}") == data for path, data in files("2.0").items())


async def test_cut_in_an_installation_leaves_the_old_package_or_the_new_and_it_is_installed_all_the_same(
    site: Site,
) -> None:
    assert upload(site.server, files("2.0"), version="2.0").status == 201
    before = flash_of(site, "1.0")
    flash = before.with_name("cut.bin")
    shutil.copy(before, flash)
    async with Bench(flash) as bench:
        await connected(site, bench)
        start = bench.board.flash_ops
        await installed(site, bench)
        operations = bench.board.flash_ops - start
    assert lies_whole(flash)
    for part in range(CUTS):
        shutil.copy(before, flash)
        op = start + operations * (2 * part + 1) // (2 * CUTS)
        async with Bench(flash, cut_at_op=op, keep_bytes=17) as bench:
            done = await installed(site, bench)
        starts = said(bench, "heater", "no heater")
        assert (bench.board.boots, done["attempt"]) == (2, 2), (op, bench.log)
        assert (starts[0], len(starts)) == ("heater 1.0 1.0", 2)
        assert starts[1] in ("heater 1.0 1.0", "heater 2.0 2.0"), (op, starts)
        assert lies_whole(flash), op
