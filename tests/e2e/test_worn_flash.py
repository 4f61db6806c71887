"""Flash that takes no write any more: the old release runs on, and the server knows why; or a restart mends it."""

from __future__ import annotations

import re
from pathlib import Path

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from twinslot_sim.nor import SECTOR_SIZE, Probe, Spoiled
from twinslot_sim.partitions import MICROPYTHON_4MIB_OTA

from .impostor import GROUP, Impostor, manifest, sign
from .lab import Bench, Flash, app_image, make_flash, modulus, own_image

SLOT = next(row for row in MICROPYTHON_4MIB_OTA if row.label == "ota_1")
NVS = next(row for row in MICROPYTHON_4MIB_OTA if row.label == "nvs")
WORN = 3
APP = """
import asyncio, twinslot
from twinslot import pace

def waits(seconds, percent):
    print("waits", seconds)
    return min(seconds, 10) / 20

pace.jittered = waits

def main():
    asyncio.run(twinslot.Agent().run())
"""


class Stumbling(Probe):
    """The first write to NVS after `is_due` fails."""

    is_due = False

    def spoils(self, address: int, data: bytes | None) -> Spoiled | None:
        if not self.is_due or not NVS.offset <= address < NVS.offset + NVS.size:
            return None
        self.is_due = False
        return Spoiled.FAILS


class Tripping(Impostor):
    """The flash fails when the device has told that it has confirmed."""

    def __init__(self, stumbling: Stumbling) -> None:
        super().__init__()
        self._stumbling = stumbling

    async def _report(self, request: web.Request) -> web.Response:
        answer = await super()._report(request)
        told = [report["event"] for report in self.reports]
        self._stumbling.is_due = told.count("confirmed") == 1
        return answer


class Worn(Probe):
    """One sector takes no write."""

    def spoils(self, address: int, data: bytes | None) -> Spoiled | None:
        return Spoiled.FAILS if (address - SLOT.offset) // SECTOR_SIZE == WORN else None


async def test_worn_sector_fails_the_update_with_its_reason_and_ever_longer_waits(
    owner: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    first, second = own_image("1.0.0", APP), app_image("1.1.0")
    async with Impostor() as server:
        flash = make_flash(tmp_path / "kettle.bin", server.address, GROUP, [modulus(owner)], start=first)
        data = manifest(second)
        server.image, server.offer = second, (data, sign(owner, data))
        async with Bench(flash, probe=Worn()) as bench:
            await bench.until(lambda: [each["event"] for each in server.reports].count("failed") >= 3)
            await bench.says(r"waits 20\b")
        failed = {each["reason"] for each in server.reports if each["event"] == "failed"}
    assert len(failed) == 1
    assert re.match(f"segment 0: flash did not take sector {WORN}: ", failed.pop())
    assert [int(wait) for wait in re.findall(r"waits (\d+)", bench.log) if int(wait) > 1][:3] == [5, 10, 20]
    assert bench.board.boots == 1
    look = Flash(flash)
    assert (look.boot, look.holds("ota_0", first), look.holds("ota_1", second)) == ("ota_0", True, False)


async def test_idle_board_whose_nvs_takes_nothing_any_more_restarts_by_itself_and_goes_on(
    owner: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    second, stumbling = own_image("1.1.0", APP), Stumbling()
    async with Tripping(stumbling) as server:
        flash = make_flash(tmp_path / "kettle.bin", server.address, GROUP, [modulus(owner)])
        data = manifest(second)
        server.image, server.offer = second, (data, sign(owner, data))
        async with Bench(flash, probe=stumbling) as bench:
            await bench.says("(?s)settled.*settled")
            await bench.until(lambda: not bench.record["report"])
    failed = re.findall("error: NvsRefused ", bench.log)
    assert len(failed) == 12
    waits = [int(wait) for wait in re.findall(r"waits (\d+)", bench.log)]
    assert waits[:11] == [*(5 * 2**n for n in range(8)), 900, 900, 900]
    assert bench.board.boots == 3
    assert Flash(flash).boot == "ota_1"
