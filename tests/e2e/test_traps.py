"""The traps of the chip's own calls, and that the device package falls into none (docs/power-loss.md, "Traps of the
chip").

Applications that spy tell of each `set_boot` and each confirmation: for which slot, while which one runs and which one
otadata names.
"""

from __future__ import annotations

import base64
import json
import re
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from twinslot_sim import otadata, partitions
from twinslot_sim.nor import SECTOR_SIZE, Probe

from .conftest import Site
from .impostor import GROUP, Impostor, manifest, sign
from .lab import Bench, Flash, app_image, make_flash, modulus, own_image

NVS, OTADATA, PHY, OTA_0, OTA_1, VFS = partitions.MICROPYTHON_4MIB_OTA
SPY = """
import asyncio, machine, os, twinslot
from esp32 import Partition
from twinslot import hw
set_boot, confirm, reset = Partition.set_boot, Partition.mark_app_valid_cancel_rollback, hw.reset
def named():
    return "running", Partition(Partition.RUNNING).info()[4], "boot", Partition(Partition.BOOT).info()[4]
def spied_set_boot(self):
    print("set_boot", self.info()[4], *named())
    set_boot(self)
def spied_confirm():
    print("confirm", *named())
    confirm()
def spied_watchdog(timeout):
    print("watchdog", timeout)
    return machine.WDT(timeout=timeout)
hw.Watchdog = spied_watchdog
Partition.set_boot, Partition.mark_app_valid_cancel_rollback = spied_set_boot, staticmethod(spied_confirm)
{before}
def main():
    asyncio.run(twinslot.Agent({hooks}).run())
"""
ROT_BEFORE_RESET = """
def rot():
    Partition("ota_1").ioctl(6, 0)
    reset()
hw.reset = rot
def once(version):
    first = "asked" not in os.listdir("/")
    open("/asked", "w").close()
    return first
"""
SOFT_RESET = """
def soft():
    hw.reset = reset
    machine.soft_reset()
if machine.reset_cause() != machine.SOFT_RESET:
    hw.reset = soft
"""


def spying(version: str, before: str = "", hooks: str = "") -> bytes:
    return own_image(version, SPY.format(before=before, hooks=hooks))


def spoil(flash: Path, address: int, data: bytes) -> None:
    with flash.open("r+b") as file:
        file.seek(address)
        file.write(data)


def confirmations(log: str) -> list[tuple[str, str]]:
    """Of each confirmation, the slot that ran and the one that otadata named."""
    return re.findall(r"^confirm running (\w+) boot (\w+)$", log, re.MULTILINE)


def selections(log: str) -> list[tuple[str, str, str]]:
    """Of each `set_boot`, the slot, the one that ran and the one that otadata named."""
    return re.findall(r"^set_boot (\w+) running (\w+) boot (\w+)$", log, re.MULTILINE)


SELECTS_OLD = """
from esp32 import Partition
import machine
def main():
    Partition("ota_0").set_boot()
    machine.reset()
"""


async def test_trap_1_old_slot_selected_in_a_trial_is_on_trial_itself_and_gets_confirmed(site: Site) -> None:
    flash = site.flash(start=spying("1.0.0"))
    site.publish(own_image("1.1.0", SELECTS_OLD), "1.1.0")
    async with Bench(flash) as bench:
        await bench.says("rolled back 1.1.0: crash")
    assert "watchdog 268435456\n" in bench.log  # boot.py took it for a trial
    assert Flash(flash).states["ota_0"] == "VALID"
    async with Bench(flash) as bench:
        await bench.says("slot 0, 1.0.0, settled")
    assert Flash(flash).boot == "ota_0"


async def test_trap_2_confirms_only_when_running_is_boot(site: Site) -> None:
    """The release selects the old slot in its trial, and goes on: otadata names what does not run."""
    flash = site.flash(start=spying("1.0.0"))
    site.publish(spying("1.1.0", "Partition('ota_0').set_boot()"), "1.1.0")
    async with Bench(flash) as bench:
        await bench.says("confirmed 1.1.0")
    assert set(confirmations(bench.log)) == {("ota_1", "ota_1")}
    look = Flash(flash)
    assert (look.boot, look.states["ota_1"]) == ("ota_1", "VALID")


async def test_entry_of_a_slot_that_the_bootloader_fell_back_from_is_erased(site: Site) -> None:
    """What was selected rotted before it booted, so the old slot runs, which was confirmed long ago."""
    flash = site.flash(start=spying("1.0.0", ROT_BEFORE_RESET, "consent=once"))
    site.publish(app_image("1.1.0"), "1.1.0")
    async with Bench(flash) as bench:
        await bench.says("failed 1.1.0: hash")
    assert not confirmations(bench.log)
    async with Bench(flash) as bench:
        await bench.says("slot 0, 1.0.0, settled")
    assert "is not bootable" not in bench.log
    look = Flash(flash)
    assert (look.boot, look.states) == ("ota_0", {"ota_0": "VALID"})


class Flickering(Probe):
    """otadata's second sector, whose erase was cut short, selects ota_1 each second time that it is read, until it is
    erased. `written` are the operations on the first sector, and on the second."""

    entry = struct.pack("<I20sII", 2, b"\xff" * 20, otadata.State.NEW, otadata.sequence_crc(2))

    def __init__(self, flash: Path, *, first: bool) -> None:
        """`first`: the first time too."""
        self._flash = flash
        self._is_there = not first
        self.written: tuple[list[bytes | None], list[bytes | None]] = [], []

    def is_read(self, address: int, length: int) -> None:
        if address == OTADATA.offset + SECTOR_SIZE and not self.written[1]:
            self._is_there = not self._is_there
            spoil(self._flash, address, self.entry if self._is_there else b"\xff" * length)

    def operated(self, address: int, data: bytes | None) -> None:
        for sector, written in enumerate(self.written):
            if address == OTADATA.offset + SECTOR_SIZE * sector:
                written.append(data)


async def test_slot_that_otadata_names_now_and_then_is_not_confirmed_for_the_one_that_runs(site: Site) -> None:
    flash = site.flash(start=spying("1.0.0"))
    async with Bench(flash) as bench:
        await bench.until(lambda: site.device().get("last_seen_at"))
    spoil(flash, OTA_1.offset, app_image("1.1.0"))
    seen = site.device()["last_seen_at"]
    flickering = Flickering(flash, first=False)
    async with Bench(flash, probe=flickering) as bench:
        await bench.says("slot 0, 1.0.0, astray")
        await bench.until(lambda: site.device()["last_seen_at"] > seen)
    assert confirmations(bench.log) == []
    assert flickering.written == ([], [])


@pytest.mark.parametrize("first", [False, True])
async def test_way_back_is_not_written_over_because_the_other_entry_is_there_now_and_then(
    first: bool, site: Site
) -> None:
    flash = site.flash(start=app_image("1.0.0"))
    async with Bench(flash) as bench:
        await bench.until(lambda: site.device().get("last_seen_at"))
    site.publish(app_image("1.1.0", "crashing"), "1.1.0")
    flickering = Flickering(flash, first=first)
    async with Bench(flash, probe=flickering) as bench:
        await bench.says("rolled back 1.1.0: crash")
    assert flickering.written[0] == []
    assert Flash(flash).boot == "ota_0"


async def test_trap_3_set_boot_is_never_called_for_the_slot_that_is_selected(site: Site) -> None:
    """A soft reset comes between the switch and the restart: the switch stands, and is not made again."""
    flash = site.flash(start=spying("1.0.0", SOFT_RESET))
    site.publish(app_image("1.1.0", "crashing"), "1.1.0")
    async with Bench(flash) as bench:
        await bench.says("rolled back 1.1.0: crash")
        site.publish(app_image("1.2.0"), "1.2.0")
        await bench.confirmed("1.2.0")
    assert "half_switched" in bench.log
    assert selections(bench.log) == [("ota_1", "ota_0", "ota_0")] * 2
    assert Flash(flash).states == {"ota_0": "VALID", "ota_1": "VALID"}


@pytest.mark.parametrize("entry", [b"\xff" * 32, b"\1\0\0\0" + b"\xff" * 28], ids=["erased", "torn"])
async def test_trap_4_confirmed_release_stays_when_the_other_slots_entry_is_lost(entry: bytes, site: Site) -> None:
    flash = site.flash(start=app_image("1.0.0"))
    site.publish(app_image("1.1.0"), "1.1.0")
    async with Bench(flash) as bench:
        await bench.confirmed("1.1.0")
    spoil(flash, OTADATA.offset, entry)
    site.publish(app_image("1.2.0"), "1.2.0")
    async with Bench(flash) as bench:
        await bench.says("slot 1, 1.1.0, settled")
        await bench.confirmed("1.2.0")
    assert Flash(flash).states == {"ota_0": "VALID", "ota_1": "VALID"}


BLANK = dict.fromkeys((0, 1), b"\xff" * 32)
TORN = {n: (n + 1).to_bytes(4, "little") + b"\xff" * 28 for n in (0, 1)}


@pytest.mark.parametrize("entries", [{1: TORN[1]}, TORN, BLANK], ids=["newer torn", "both torn", "both blank"])
async def test_trap_4_board_whose_otadata_is_lost_knows_what_runs(entries: dict[int, bytes], site: Site) -> None:
    flash = site.flash()
    site.publish(app_image("1.1.0"), "1.1.0")
    async with Bench(flash) as bench:
        await bench.confirmed("1.1.0")
    for number, entry in entries.items():
        spoil(flash, OTADATA.offset + 4096 * number, entry)
    async with Bench(flash) as bench:
        await bench.says("slot 0, 1.1.0, astray")
        await bench.until(lambda: site.device()["version"] == "1.0.0")
        assert Flash(flash).states["ota_0"] == "VALID"
        site.publish(app_image("1.2.0"), "1.2.0")
        await bench.confirmed("1.2.0")
    assert ("failed", "1.1.0", "damaged in flash; the other slot runs") in site.events()
    assert Flash(flash).states == {"ota_0": "VALID", "ota_1": "VALID"}


class Pushy(Impostor):
    """Offers `newer`, an image with its manifest and signature, to a device that is in a trial, and from then on."""

    newer: tuple[bytes, bytes, bytes] | None = None

    async def _check(self, request: web.Request) -> web.Response:
        if self.newer is None or (await request.json())["state"] != "trial":
            return await super()._check(request)
        (self.image, *signed), self.newer = self.newer, None
        self.offer = signed[0], signed[1]
        data, signature = (base64.b64encode(part).decode() for part in signed)
        paths = {"transfer": "/device/v1/transfers/it", "image": "/device/v1/transfers/image"}
        offer = {"manifest": data, "signature": signature, **paths}
        return await self._signed(request, 200, json.dumps({"offer": offer}).encode())


async def test_pending_image_starts_no_update_even_when_it_is_offered_one(
    owner: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    """`esp_ota_begin` refuses that; the calls of `esp32.Partition` would overwrite the way back."""
    async with Pushy() as server:
        flash = make_flash(tmp_path / "board.bin", server.address, GROUP, [modulus(owner)])
        server.image = app_image("1.1.0")
        server.offer = manifest(server.image), sign(owner, manifest(server.image))
        newer = app_image("1.2.0")
        signed = manifest(newer, version="1.2.0", sequence=200)
        server.newer = newer, signed, sign(owner, signed)
        async with Bench(flash) as bench:
            await bench.confirmed("1.2.0")
    assert server.newer is None
    told = [(report["event"], report["version"]) for report in server.reports]
    assert told.index(("confirmed", "1.1.0")) < told.index(("downloading", "1.2.0"))
    assert Flash(flash).states == {"ota_0": "VALID", "ota_1": "VALID"}


LONE = {
    "one factory app": (NVS, PHY, replace(OTA_0, subtype=partitions.FACTORY, label="factory"), VFS),
    "a single OTA slot": (NVS, OTADATA, PHY, OTA_0, VFS),
}


@pytest.mark.parametrize("layout", LONE)
async def test_board_without_a_second_slot_refuses_images_and_keeps_its_only_one(
    layout: str, owner: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    """`get_next_update()` of a single slot is the running one, and writing there aborts the chip."""
    image = app_image("1.0.0")
    async with Impostor() as server:
        flash = make_flash(tmp_path / "board.bin", server.address, GROUP, [modulus(owner)], start=image)
        spoil(flash, partitions.TABLE_OFFSET, partitions.build(LONE[layout]))
        data = manifest(app_image("1.1.0"))
        server.offer = data, sign(owner, data)
        async with Bench(flash) as bench:
            await bench.says("refused: slot: this board's partition table has no second app slot")
            await bench.until(lambda: [each["reason"] for each in server.reports] == ["slot"])
    assert {each["slot_size"] for each in server.checks} == {0}
    assert bench.board.boots == 1
    assert flash.read_bytes()[OTA_0.offset :].startswith(image)
