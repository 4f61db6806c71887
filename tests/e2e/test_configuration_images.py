"""Specifications and images: together in one release (kind 2), and one after the other."""

from __future__ import annotations

import base64
import json

import pytest

from twinslot_sim import bootloader
from twinslot_sim.nor import Nor
from twinslot_sim.nvs import Nvs

from .configuring import NEW, OLD, Kettle, app, in_force, in_nvs, said, with_habit
from .impostor import manifest
from .lab import Bench, Flash


async def test_image_and_specification_are_proven_and_confirmed_together(kettle: Kettle) -> None:
    flash = await kettle.configured()
    image = app("2.0.0", "print('image 2')")
    kettle.offer(NEW, image=image)
    async with Bench(flash) as bench:
        await bench.confirmed("1.200.0")
    expected = [f"at start {NEW.decode()}", "image 2", f"configured {NEW.decode()}"]
    assert said(bench, "at start", "image 2", "configured")[-3:] == expected
    assert (in_force(flash), Flash(flash).boot) == (("1.200.0", NEW), "ota_1")
    assert Flash(flash).holds("ota_1", image)


@pytest.mark.parametrize("fails", ["image", "specification"])
async def test_image_and_specification_are_rolled_back_together(fails: str, kettle: Kettle) -> None:
    flash = await kettle.configured()
    line = "if at_start != {'litres': 1}:\n    raise OSError('of the image')" if fails == "image" else ""
    kettle.offer(NEW if fails == "image" else with_habit("raise"), image=app("2.0.0", line))
    async with Bench(flash) as bench:
        await bench.says("rolled back 1.200.0: " + ("crash" if fails == "image" else "configure"))
        await bench.until(lambda: kettle.reported("refused"))
    assert said(bench, "configured")[-1] == f"configured {OLD.decode()}"
    assert (in_force(flash), Flash(flash).boot) == (("1.100.0", OLD), "ota_0")


async def test_image_alone_keeps_the_specification_and_takes_none_that_nobody_signed(kettle: Kettle) -> None:
    flash = await kettle.configured()
    kettle.offer(None, image=app("2.0.0"), specification=base64.b64encode(NEW).decode(), link="http://127.0.0.1/")
    async with Bench(flash) as bench:
        await bench.confirmed("1.200.0")
    assert set(said(bench, "at start", "configured")) == {f"at start {OLD.decode()}", f"configured {OLD.decode()}"}
    assert (in_force(flash), Flash(flash).boot) == (("1.200.0", OLD), "ota_1")


async def test_image_that_does_not_cope_with_the_specification_in_force_is_rolled_back(kettle: Kettle) -> None:
    flash = await kettle.configured(trial_s=300)
    kettle.offer(None, image=app("2.0.0", "habit = 'raise'"))
    async with Bench(flash) as bench:
        await bench.says("rolled back 1.200.0: configure")
    assert (in_force(flash), Flash(flash).boot) == (("1.100.0", OLD), "ota_0")


async def test_specification_after_an_image_names_that_image(kettle: Kettle) -> None:
    flash = kettle.flash()
    image = app("2.0.0")
    kettle.offer(None, 100, image=image)
    async with Bench(flash) as bench:
        await bench.confirmed("1.100.0")
        kettle.offer(NEW)
        await bench.confirmed("1.200.0")
        await bench.until(lambda: kettle.server.checks[-1]["version"] == "1.200.0")
    kept = json.loads(in_nvs(flash)["state"])["confirmed"]
    assert kettle.server.checks[-1]["image"] == kept["sha256"] == json_sha256(image)
    assert (in_force(flash), Flash(flash).boot) == (("1.200.0", NEW), "ota_1")


def json_sha256(image: bytes) -> str:
    return manifest(image)[20:52].hex()


async def test_confirmed_specification_that_was_lost_does_not_stand_in_the_way_of_an_image(kettle: Kettle) -> None:
    flash = await kettle.configured()
    with Nor(flash) as nor:
        partition = bootloader.nvs_partition(nor)
        Nvs(nor, partition.offset, partition.size).erase_key("twinslot", "spec0")
    kettle.offer(None, image=app("2.0.0"))
    async with Bench(flash) as bench:
        await bench.confirmed("1.200.0")
    assert set(said(bench, "at start", "configured")) == {"at start null"}
    assert Flash(flash).boot == "ota_1"
