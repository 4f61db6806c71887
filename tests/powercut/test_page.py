"""`docs/power-loss.md`, "A bundle's life": an update of files goes through these moments, and what the page says boots
then."""

from __future__ import annotations

import re
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from twinslot_sim.otadata import State

from ..e2e.impostor import Impostor
from ..e2e.lab import Bench
from ..pages import DOCS
from . import bundles
from .flash import Content, Look
from .runs import BOOTED, Run
from .stage import ROOT, Stage, Variant

Cells = tuple[str, ...]


def on_page() -> list[Cells]:
    """The rows of the page's table, without the names of the moments."""
    section = (DOCS / "power-loss.md").read_text(encoding="utf-8").split("\n## A bundle's life\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.split("\n") if line[:1] == "|"]
    return [tuple(cells[1:]) for cells in rows[2:]]


def cells_of(look: Look) -> Cells:
    """What lies in the flash, in the words of the page."""
    tree, number, record = look.number("tree"), look.number("spec_state") or 0, look.record
    trial = record["trial"]
    on_its_way = (trial["version"], str(trial["arms"]), "yes" if trial["switched"] else "no") if trial else None
    tried = f"{State(number & 7).name}, tree {number >> 3}" if number >> 3 else State(number & 7).name
    return (str(tree), tried, record["confirmed"]["version"], *(on_its_way or ("nothing", "", "")))


async def test_update_of_files_goes_through_the_moments_of_the_page_and_boots_as_it_says(tmp_path: Path) -> None:
    owner = rsa.generate_private_key(65537, 3072)
    async with Impostor() as server:
        scenario = await bundles.bundle(Stage(server, owner, tmp_path, Variant(1, dirty=False), 0, ROOT))
        run = Run(scenario, Content(scenario.start))
        await run.go(tmp_path / "whole.bin", reboots=0)
        assert not run.broken, run.log
    content, flash = run.start.copy(), tmp_path / "board.bin"
    moments: dict[Cells, bytes] = {cells_of(Look(content.data)): bytes(content.data)}
    for operation in run.operations:
        content.write(operation.address, operation.effect)
        moments.setdefault(cells_of(Look(content.data)), bytes(content.data))
    lines = []
    for cells, data in moments.items():
        flash.write_bytes(data)
        async with Bench(flash) as bench:
            await bench.says(BOOTED.pattern)
        said = re.search(rf"the (old|new) files\s+{BOOTED.pattern}", bench.log)
        assert said, bench.log
        lines.append((*cells, "tree 2" if said[1] == "new" else "tree 1", f"`{said[4]}`"))
    assert lines == on_page()
