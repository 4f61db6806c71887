"""`docs/power-loss.md`, "An update's life": an update goes through these moments, and what the page says boots then."""

from __future__ import annotations

import json
import re
from pathlib import Path

from twinslot_sim import otadata, partitions
from twinslot_sim.errors import EspError
from twinslot_sim.nor import Nor, Probe
from twinslot_sim.nvs import Nvs

from ..pages import DOCS
from .conftest import Site
from .lab import Bench, app_image

NVS, OTADATA, _, OTA_0, *_ = partitions.MICROPYTHON_4MIB_OTA
Cells = tuple[str, ...]


def on_page() -> list[Cells]:
    """The rows of the page's first table, without the names of the moments."""
    table = (DOCS / "power-loss.md").read_text(encoding="utf-8").split("\n## ")[1]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.split("\n") if line[:1] == "|"]
    return [tuple(cells[1:]) for cells in rows[2:]]


def look(flash: Path) -> Cells:
    """What lies in the flash file now, in the words of the page."""
    copy = flash.with_suffix(".look")
    copy.write_bytes(flash.read_bytes())
    with Nor(copy) as nor:
        entry = otadata.read(nor, OTADATA)[1]
        try:
            record = json.loads(Nvs(nor, NVS.offset, NVS.size).get_blob("twinslot", "state"))
        except EspError:
            return ()
    state = "none" if entry.is_blank else otadata.State(entry.state).name
    trial = record["trial"]
    on_its_way = (trial["version"], str(trial["arms"]), "yes" if trial["switched"] else "no") if trial else None
    return (state, record["confirmed"]["version"], *(on_its_way or ("nothing", "", "")))


async def test_update_goes_through_the_moments_of_the_page_and_boots_as_it_says(site: Site) -> None:
    flash = site.flash()
    site.publish(app_image("1.1.0", size_bytes=20_000), "1.1.0")
    moments: list[tuple[Cells, bytes]] = []

    class Look(Probe):
        def operated(self, address: int, data: bytes | None) -> None:
            if address < OTA_0.offset:
                cells = look(flash)
                if cells and (not moments or moments[-1][0] != cells):
                    moments.append((cells, flash.read_bytes()))

    async with Bench(flash, probe=Look()) as bench:
        await bench.confirmed("1.1.0")
    site.kill()
    lines = []
    for cells, content in moments:
        flash.write_bytes(content)
        async with Bench(flash) as bench:
            await bench.says(r"twinslot: slot \d, .*\n")
        said = re.search(r"twinslot: slot \d, (\S+), (\w+)", bench.log)
        assert said
        lines.append((*cells, said[1], f"`{said[2]}`"))
    assert lines == on_page()
