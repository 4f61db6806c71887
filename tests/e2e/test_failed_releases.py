"""A release that failed its trial is not tried again by itself, by a device whose server goes on offering it."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from .impostor import GROUP, Impostor, manifest, sign
from .lab import Bench, Flash, app_image, make_flash, modulus, own_image

HANGS = "import time\ndef main():\n    time.sleep(10000)\n"
OFF_INSTEAD_OF_RESET = """
import asyncio, time, twinslot
from twinslot import hw
def power_off():
    print("POWER OFF")
    time.sleep(10000)
hw.reset = power_off
def main():
    asyncio.run(twinslot.Agent(self_test=lambda: False).run())
"""
DOUBTS = "import asyncio, twinslot\ndef main():\n    asyncio.run(twinslot.Agent(self_test=lambda: False).run())\n"
FAILING = {
    "crashed": (app_image("1.1.0", "crashing"), "crash"),
    "hung": (own_image("1.1.0", HANGS), "watchdog"),
    "stayed silent": (app_image("1.1.0", "mute"), "watchdog"),
    "did not prove itself": (own_image("1.1.0", DOUBTS), "self_test|expired"),
}


@pytest.mark.parametrize("what", FAILING)
async def test_release_that_failed_is_not_tried_again_until_a_newer_one_is_offered(
    what: str, owner: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    image, reason = FAILING[what]
    async with Impostor() as server:
        flash = make_flash(tmp_path / "board.bin", server.address, GROUP, [modulus(owner)], trial_s=1)
        server.image, signed = image, manifest(image, sequence=100)
        server.offer = signed, sign(owner, signed)

        def refusals() -> list[tuple[str, int]]:
            return [(r["reason"], r["sequence"]) for r in server.reports if r["event"] == "refused"]

        async with Bench(flash) as trying:
            await trying.says(f"rolled back 1.1.0: ({reason})")
            await trying.until(refusals)
        server.reports.clear()
        async with Bench(flash) as after_a_power_cut:
            await after_a_power_cut.until(refusals)
        assert set(refusals()) == {("failed_before", 100)}
        assert Flash(flash).states == {"ota_0": "VALID", "ota_1": "ABORTED"}
        server.image = app_image("1.1.1")
        signed = manifest(server.image, version="1.1.1", sequence=101)
        server.offer = signed, sign(owner, signed)
        async with Bench(flash) as with_a_newer_one:
            await with_a_newer_one.says("restarting into 1.1.1")
    assert (trying.log + after_a_power_cut.log + with_a_newer_one.log).count("downloading 1.1.0,") == 1
    assert Flash(flash).holds("ota_1", server.image)


async def test_trial_that_the_device_ended_is_not_made_again_when_the_power_fails_as_well(
    owner: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    async with Impostor() as server:
        flash = make_flash(tmp_path / "board.bin", server.address, GROUP, [modulus(owner)], trial_s=1)
        server.image = own_image("1.1.0", OFF_INSTEAD_OF_RESET)
        server.offer = manifest(server.image), sign(owner, manifest(server.image))
        async with Bench(flash) as bench:
            await bench.says("POWER OFF")
        async with Bench(flash) as bench:
            await bench.says("rolled back 1.1.0: (self_test|expired)")
    assert "cut_short" not in bench.log
    assert Flash(flash).states == {"ota_0": "VALID", "ota_1": "ABORTED"}
