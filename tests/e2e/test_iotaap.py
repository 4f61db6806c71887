"""A firmware that IoTaaP's route took, on its way to the boards of one group: the real server, the real device code."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from ..host.group_ota import otas, upload
from ..host.test_image import combined
from .conftest import Site
from .lab import Bench, Flash, app_image, make_flash


def deploy(site: Site, version: str, image: bytes) -> None:
    answer = upload(site.server, site.group, version, image)
    assert (answer.status, answer.json) == (201, {"message": "Firmware successfully deployed"})


async def has_seen(site: Site, bench: Bench, device: str) -> None:
    """Waits until the board has checked in twice more: with the second it has acted on the answer to the first."""
    for _ in range(2):
        before = last_seen(site, device)
        await bench.until(lambda before=before: last_seen(site, device) > before)


def last_seen(site: Site, device: str) -> str:
    """When the board last checked in; empty when it has not yet."""
    seen: str = site.device(device).get("last_seen_at") or ""
    return seen


def is_as_made(flash: Path, bench: Bench) -> bool:
    """Nothing was written to the free slot, and the board has not restarted."""
    look = Flash(flash)
    return (look.boot, look.is_erased("ota_1"), bench.board.boots) == ("ota_0", True, 1)


async def test_upload_reaches_the_boards_of_the_group_that_differ_and_no_others(site: Site) -> None:
    image = app_image("1.5.0")
    other: dict[str, Any] = site.server.group("cellar", "kettle")
    path = site.data.with_name("elsewhere.bin")
    flashes = {
        "older": site.flash("older"),
        "newer": site.flash("newer", start=app_image("2.0.0"), version="2.0.0"),
        "same": site.flash("same", start=image, version="1.5.0"),
        "elsewhere": make_flash(path, site.address, other, site.trusted, device="elsewhere"),
    }
    benches = {name: Bench(flash) for name, flash in flashes.items()}
    async with benches["older"], benches["newer"], benches["same"], benches["elsewhere"]:
        deploy(site, "1.5.0", image)
        await asyncio.gather(*(benches[name].confirmed("1.5.0") for name in ("older", "newer")))
        await asyncio.gather(*(has_seen(site, benches[name], name) for name in ("same", "elsewhere")))
        assert is_as_made(flashes["same"], benches["same"])
        assert is_as_made(flashes["elsewhere"], benches["elsewhere"])
    for name in ("older", "newer"):
        look = Flash(flashes[name])
        assert (look.boot, look.holds("ota_1", image), look.states["ota_1"]) == ("ota_1", True, "VALID")
    assert {name: site.device(name)["version"] for name in benches} == {
        "older": "1.5.0",
        "newer": "1.5.0",
        "same": "1.5.0",
        "elsewhere": "1.0.0",
    }


async def test_upload_of_an_older_version_reaches_a_board_that_confirmed_a_newer_one(site: Site) -> None:
    flash, older = site.flash(), app_image("1.5.0")
    published = site.publish(app_image("2.0.0"), "2.0.0")
    async with Bench(flash) as bench:
        await bench.confirmed("2.0.0")
        deploy(site, "1.5.0", older)
        await bench.confirmed("1.5.0")
        await has_seen(site, bench, "kettle-7")
    seen = site.device()
    assert (seen["confirmed_version"], seen["sequence"] > published["sequence"]) == ("1.5.0", True)
    look = Flash(flash)
    assert (look.boot, look.holds("ota_0", older), look.states["ota_0"]) == ("ota_0", True, "VALID")
    assert site.explain()["offer"] is None


async def test_newer_upload_wins_and_an_earlier_version_can_be_uploaded_again(site: Site) -> None:
    flash, first, second = site.flash(), app_image("1.1.0"), app_image("1.2.0")
    deploy(site, "1.2.0", second)
    deploy(site, "1.1.0", first)
    async with Bench(flash) as bench:
        await bench.confirmed("1.1.0")
        assert "1.2.0" not in bench.log
        deploy(site, "1.2.0", second)
        await bench.confirmed("1.2.0")
        deploy(site, "1.1.0", first)
        await bench.until(lambda: site.device()["confirmed_version"] == "1.1.0")
        await bench.confirmed("1.1.0")
    assert Flash(flash).holds("ota_1", first)
    assert [each["version"] for each in otas(site.server)] == ["1.1.0"]
    confirmed = [version for event, version, _ in site.events() if event == "confirmed"]
    assert confirmed == ["1.1.0", "1.2.0", "1.1.0"]


async def test_server_killed_between_any_two_steps_loses_nothing(site: Site) -> None:
    flash, image = site.flash(), app_image("1.1.0", size_bytes=400_000)

    def kill() -> None:
        site.kill()
        site.start()

    deploy(site, "1.1.0", image)
    before = otas(site.server)
    kill()
    assert otas(site.server) == before
    async with Bench(flash) as bench:
        await bench.says("downloading")
        kill()
        await bench.says("restarting into 1.1.0")
        kill()
        await bench.confirmed("1.1.0")
        kill()
        await has_seen(site, bench, "kettle-7")
    assert Flash(flash).holds("ota_1", image)
    assert otas(site.server) == before
    assert [version for event, version, _ in site.events() if event == "confirmed"] == ["1.1.0"]


async def test_upload_that_crashes_is_undone_and_not_tried_again(site: Site) -> None:
    flash = site.flash()
    deploy(site, "1.1.0", app_image("1.1.0", "crashing"))
    async with Bench(flash) as bench:
        await bench.says("rolled back 1.1.0")
        await bench.until(lambda: not bench.record["report"])
        await has_seen(site, bench, "kettle-7")
    assert bench.log.count("restarting into 1.1.0") == 1
    assert Flash(flash).boot == "ota_0"
    assert "failed on this device" in site.explain()["releases"][0]["reason"]


async def test_combined_image_is_refused_by_name_and_no_board_hears_of_it(site: Site) -> None:
    flash = site.flash()
    async with Bench(flash) as bench:
        await has_seen(site, bench, "kettle-7")
        answer = upload(site.server, site.group, "1.1.0", combined(app_image("1.1.0"), 0x7000))
        assert answer.status == 400
        assert "this is the combined image (bootloader, partition table and app)" in answer.json["message"]
        assert "upload the .app-bin of the build instead" in answer.json["message"]
        await has_seen(site, bench, "kettle-7")
        assert is_as_made(flash, bench)
    assert otas(site.server) == []
