"""Bundles from a folder to a board, over the real server: publish, update, order beside firmware, refuse."""

from __future__ import annotations

from pathlib import Path

from twinslot_sim import partitions
from twinslot_tools.bundling import bundle_of

from .bundles import numbers, tree
from .conftest import Site
from .lab import Bench, Flash, app_image

APP = """
import asyncio, kettle.settings, twinslot
def main():
    print("kettle of", kettle.settings.LITRES, "litres")
    asyncio.run(twinslot.Agent().run())
"""


def made(folder: Path, litres: float, *, keeps_source: bool = False) -> bytes:
    """A bundle of an application whose one line differs, with a table that does not."""
    package = folder / "kettle"
    package.mkdir(parents=True, exist_ok=True)
    (folder / "app.py").write_text(APP)
    (package / "settings.py").write_text(f"LITRES = {litres}\n")
    (folder / "table.csv").write_text("".join(f"{n},{n * n}\n" for n in range(2000)))
    return bundle_of(folder, chip=None, micropython=None, security_version=0, keeps_source=keeps_source).data


async def test_bundle_is_published_fetched_file_by_file_and_confirmed(site: Site, tmp_path: Path) -> None:
    flash = site.flash(table=partitions.MICROPYTHON_4MIB)
    release = site.publish(made(tmp_path / "app", 1.7), "1.1.0")
    async with Bench(flash) as bench:
        await bench.confirmed("1.1.0")
        assert "kettle of 1.7 litres" in bench.log
        next_release = site.publish(made(tmp_path / "app", 1.8), "1.2.0")
        await bench.says("3 files, .* 1 files to fetch")
        await bench.confirmed("1.2.0")
        await bench.until(lambda: site.device()["bundle"] == next_release["bundle"]["sha256"])
    assert "kettle of 1.8 litres" in bench.log
    assert release["bundle"]["mpy"] == 6 and release["bundle"]["sha256"] != next_release["bundle"]["sha256"]
    assert sorted(tree(flash, "/app_b")) == ["app.mpy", "kettle/", "kettle/settings.mpy", "table.csv"]
    assert (numbers(flash)["tree"], tree(flash, "/app_a")) == (2, {})
    told = [event for event in site.events() if event[0] in ("downloading", "trial", "confirmed")]
    assert told == [(event, v, "") for v in ("1.1.0", "1.2.0") for event in ("downloading", "trial", "confirmed")]


async def test_firmware_for_a_board_without_a_second_slot_is_not_offered_and_the_server_says_why(site: Site) -> None:
    async with Bench(site.flash(table=partitions.MICROPYTHON_4MIB)) as bench:
        await bench.until(lambda: site.server.api("GET", "/devices/kettle-7").status == 200)
        site.publish(app_image("1.1.0"), "1.1.0")
        await bench.until(lambda: site.explain()["releases"])
        (release,) = site.explain()["releases"]
    assert not release["offered"]
    assert release["reason"] == "this board's partition table has no second app slot", release


async def test_firmware_and_bundle_of_one_application_are_both_installed_in_the_order_of_their_versions(
    site: Site, tmp_path: Path
) -> None:
    image = app_image("1.2.0")
    site.publish(made(tmp_path / "app", 1.7, keeps_source=True), "1.1.0")
    site.publish(image, "1.2.0")
    flash = site.flash()
    async with Bench(flash) as bench:
        await bench.confirmed("1.2.0")
    confirmed = [version for event, version, _ in site.events() if event == "confirmed"]
    assert confirmed == ["1.1.0", "1.2.0"]
    assert Flash(flash).holds("ota_1", image)
    assert "app.py" in tree(flash, "/app_a")
    assert "kettle of 1.7 litres" in bench.log.rpartition("restarting into 1.2.0")[2]
