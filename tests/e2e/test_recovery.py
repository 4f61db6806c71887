"""What else can go wrong on a board: images that rot, records that can't be read, applications that misbehave."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from .conftest import Site
from .impostor import GROUP, Impostor, manifest, sign
from .lab import Bench, Flash, app_image, cut_off_in_trial, make_flash, modulus, own_image
from .test_serial import mpremote

OFFSETS = {"ota_0": 0x10000, "ota_1": 0x190000}
AGENT = "import asyncio, twinslot\n{before}\ndef main():\n    asyncio.run(twinslot.Agent({hooks}).run())\n"


def rot(flash: Path, slot: str) -> None:
    """The image in the slot is damaged, as by a flash that lost its charge."""
    with flash.open("r+b") as file:
        file.seek(OFFSETS[slot] + 0x200)
        file.write(bytes(64))


async def test_board_that_fell_back_still_gives_the_next_release_a_trial(site: Site) -> None:
    flash = site.flash(trial_s=4)
    site.publish(app_image("1.1.0"), "1.1.0")
    async with Bench(flash) as bench:
        await bench.confirmed("1.1.0")
    rot(flash, "ota_1")
    async with Bench(flash) as bench:
        await bench.says("slot 0, 1.1.0, astray")
        await bench.until(lambda: site.device()["version"] == "1.0.0")
        site.publish(app_image("1.2.0", "hanging"), "1.2.0")
        await bench.says("rolled back 1.2.0: watchdog")
        site.publish(app_image("1.3.0"), "1.3.0")
        await bench.confirmed("1.3.0")
    assert ("failed", "1.1.0", "damaged in flash; the other slot runs") in site.events()
    assert Flash(flash).states["ota_1"] == "VALID"


async def test_unsigned_image_is_not_run_by_a_board_that_fell_back(tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 3072)
    async with Impostor() as server:
        flash = make_flash(tmp_path / "board.bin", server.address, GROUP, [modulus(key)])
        server.image = app_image("1.1.0")
        server.offer = manifest(server.image), sign(key, manifest(server.image))
        async with Bench(flash) as bench:
            await bench.confirmed("1.1.0")
        rot(flash, "ota_1")
        signed = manifest(app_image("1.2.0", size_bytes=50_000), version="1.2.0", sequence=200)
        server.offer = signed, sign(key, signed)
        server.image = own_image("6.6.6", "def main():\n    print('unsigned runs')\n", size_bytes=50_000)
        async with Bench(flash) as bench:
            await bench.says("download failed: hash")
        async with Bench(flash) as bench:
            await bench.says("settled")
    assert "unsigned" not in bench.log
    assert Flash(flash).boot == "ota_0"


async def test_image_damaged_between_switch_and_boot_is_fetched_again(site: Site) -> None:
    slow = """
from twinslot import hw
import time
reset = hw.reset
def late():
    time.sleep(1)
    reset()
hw.reset = late
"""
    flash = site.flash(start=own_image("1.0.0", AGENT.format(before=slow, hooks="")))
    site.publish(app_image("1.1.0"), "1.1.0")
    async with Bench(flash) as bench:
        await bench.says("restarting into 1.1.0")
        rot(flash, "ota_1")
        await bench.says("failed 1.1.0: hash")
        await bench.confirmed("1.1.0")
    assert bench.log.count("downloading 1.1.0,") == 2
    assert Flash(flash).boot == "ota_1"


async def test_trial_whose_old_image_rotted_is_confirmed_since_nothing_else_boots(site: Site) -> None:
    flash = await cut_off_in_trial(site)
    rot(flash, "ota_0")
    site.start()
    async with Bench(flash) as bench:
        await bench.confirmed("1.1.0")
    look = Flash(flash)
    assert (look.boot, look.states["ota_1"]) == ("ota_1", "VALID")


async def test_release_recorded_but_not_switched_to_is_not_taken_for_a_failed_one(site: Site) -> None:
    resets = """
from twinslot import hw
save = hw.save_record
def save_and_reset(value):
    save(value)
    trial = value["trial"]
    if trial and trial["version"] == "1.1.1" and not trial["arms"]:
        hw.reset()
hw.save_record = save_and_reset
"""
    flash = site.flash(start=own_image("1.0.0", AGENT.format(before=resets, hooks="")))
    site.publish(app_image("1.1.0", "crashing"), "1.1.0")
    async with Bench(flash) as bench:
        await bench.says("rolled back 1.1.0")
        site.publish(app_image("1.1.1"), "1.1.1")
        await bench.says("half_switched")
        await bench.confirmed("1.1.1")
    assert bench.log.count("downloading 1.1.1,") == 1
    assert Flash(flash).boot == "ota_1"


async def test_release_that_soft_resets_for_ever_is_ended_by_the_watchdog(site: Site) -> None:
    flash = site.flash(trial_s=1)
    source = "import time\ndef main():\n    time.sleep(0.5)\n    raise SystemExit\n"
    site.publish(own_image("1.1.0", source), "1.1.0")
    async with Bench(flash) as bench:
        await bench.says("rolled back 1.1.0: watchdog")
    assert bench.log.count("soft reboot") > 0
    assert Flash(flash).boot == "ota_0"


@pytest.mark.parametrize(("event", "habit"), [("confirmed", "healthy"), ("rolled_back", "crashing")])
async def test_record_that_fails_to_be_written_once_is_written_again(event: str, habit: str, site: Site) -> None:
    fails = f"""
from twinslot import hw
save = hw.save_record
failed = []
def fail_once(value):
    if value["report"] and value["report"]["event"] == "{event}" and not failed:
        failed.append(1)
        raise OSError(-4357, "ESP_ERR_NVS_NOT_ENOUGH_SPACE")
    save(value)
hw.save_record = fail_once
"""
    faulty = AGENT.format(before=fails, hooks="")
    flash = site.flash(start=own_image("1.0.0", faulty))
    site.publish(own_image("1.1.0", faulty) if habit == "healthy" else app_image("1.1.0", habit), "1.1.0")
    async with Bench(flash) as bench:
        await bench.says("error: OSError")
        await bench.until(lambda: site.device()["last_result"]["event"] == event)
    assert Flash(flash).boot == ("ota_1" if habit == "healthy" else "ota_0")


async def test_hook_that_raises_leaves_the_board_checking_in(site: Site) -> None:
    hook = "def consent(version):\n    raise ValueError('not today')"
    flash = site.flash(start=own_image("1.0.0", AGENT.format(before=hook, hooks="consent=consent")))
    site.publish(app_image("1.1.0"), "1.1.0")
    async with Bench(flash) as bench:
        await bench.says("error: ValueError not today")
        seen = site.device()["last_seen_at"]
        await bench.until(lambda: site.device()["last_seen_at"] > seen)
    assert Flash(flash).is_erased("ota_1")


async def test_unreadable_record_confirms_nothing_in_a_trial(site: Site) -> None:
    blind = """
from twinslot import hw
def unreadable():
    raise hw.RecordUnreadable("ESP_ERR_NVS_INVALID_STATE")
hw.load_record = unreadable
"""
    flash = site.flash()
    site.publish(own_image("1.1.0", AGENT.format(before=blind, hooks="")), "1.1.0")
    async with Bench(flash) as bench:
        await bench.says("rolled back 1.1.0: crash")
    assert Flash(flash).boot == "ota_0"


async def test_image_selected_by_hand_is_tried_and_confirmed(site: Site) -> None:
    """`set_boot` without an offer: what a developer does with mpremote."""
    by_hand = """
from esp32 import Partition
def copy():
    running, other = Partition(Partition.RUNNING), Partition(Partition.RUNNING).get_next_update()
    if running.info()[4] == "ota_0":
        sector = bytearray(4096)
        for n in range(20):
            running.readblocks(n, sector)
            other.writeblocks(n, sector)
        other.set_boot()
        import machine
        machine.reset()
copy()
"""
    flash = site.flash(start=own_image("1.0.0", AGENT.format(before=by_hand, hooks="")))
    async with Bench(flash) as bench:
        await bench.says("slot 1, 1.0.0, on_trial")
        await bench.says("confirmed 1.0.0")
    assert (Flash(flash).boot, Flash(flash).states["ota_1"]) == ("ota_1", "VALID")


async def test_soft_reset_after_a_trial_is_not_followed_by_the_trials_watchdog(site: Site) -> None:
    source = """
import asyncio, machine, time, twinslot
async def run():
    agent = twinslot.Agent()
    running = asyncio.create_task(agent.run())
    while agent.record.trial:
        await asyncio.sleep(0.1)
    if machine.reset_cause() != machine.SOFT_RESET:
        machine.soft_reset()
    await asyncio.sleep(19)  # longer than that watchdog
    print("alive after", machine.reset_cause())
    while True:
        await asyncio.sleep(1)
def main():
    asyncio.run(run())
"""
    flash = site.flash()
    site.publish(own_image("1.1.0", source), "1.1.0")
    async with Bench(flash) as bench:
        await bench.says("alive after 5")
    assert bench.board.boots == 2


@pytest.mark.parametrize(
    ("fails", "said"),
    [
        ("raise OSError('sensor gone')", "OSError: sensor gone"),
        ("raise asyncio.CancelledError", "CancelledError:"),
        ("sys.exit(1)", "SystemExit: 1"),
        ("return", "RuntimeError: main() of the application has returned"),
    ],
)
async def test_confirmed_application_that_keeps_crashing_leaves_the_agent_alone_and_updatable(
    site: Site, fails: str, said: str
) -> None:
    source = f"import asyncio, sys\ndef main():\n    {fails}\n"
    flash = site.flash(start=own_image("1.0.0", source))
    async with Bench(flash) as bench:
        await bench.says("safe mode: the application failed 5 times in a row")
        await bench.until(lambda: site.device().get("state") == "safe")
        site.publish(app_image("1.1.0"), "1.1.0")
        await bench.confirmed("1.1.0")
        await bench.until(lambda: site.device()["state"] == "idle")
    assert bench.log.count(said) == 5
    assert Flash(flash).boot == "ota_1"


async def test_soft_reset_that_the_application_makes_is_no_failure(site: Site) -> None:
    source = """
import machine
from twinslot import hw
def main():
    print(hw.crashes(), "so far")
    machine.soft_reset()
"""
    async with Bench(site.flash(start=own_image("1.0.0", source))) as bench:
        await bench.until(lambda: bench.log.count("0 so far") > 5)
    assert "safe mode" not in bench.log


async def test_confirmed_release_that_begins_to_crash_is_kept_in_safe_mode_until_a_newer_one_comes(site: Site) -> None:
    source = """
def main():
    import asyncio, twinslot
    from twinslot import hw
    if hw.load_record()["confirmed"]["version"] == "1.1.0":
        raise OSError("sensor gone")
    asyncio.run(twinslot.Agent().run())
"""
    flash = site.flash()
    site.publish(own_image("1.1.0", source), "1.1.0")
    async with Bench(flash) as bench:
        await bench.confirmed("1.1.0")
    async with Bench(flash) as bench:
        await bench.says("safe mode: the application failed 5 times in a row")
    assert bench.log.count("OSError: sensor gone") == 5
    async with Bench(flash) as bench:
        await bench.until(lambda: site.device().get("state") == "safe")
        assert "sensor gone" not in bench.log
        assert site.device()["version"] == "1.1.0"
        site.publish(app_image("1.2.0"), "1.2.0")
        await bench.confirmed("1.2.0")
        await bench.until(lambda: site.device()["state"] == "idle")
    assert bench.log.count("safe mode") == 1  # before the trial, in which the application runs
    async with Bench(flash) as bench:
        await bench.says("slot 0, 1.2.0, settled")
    assert "safe mode" not in bench.log
    assert (Flash(flash).boot, Flash(flash).states) == ("ota_0", {"ota_0": "VALID", "ota_1": "VALID"})


async def test_safe_mode_is_left_once_the_application_works_again(site: Site) -> None:
    source = """
import os
def main():
    import asyncio, twinslot
    n = len([f for f in os.listdir("/") if f.startswith("crash")])
    if n < 3:
        open("/crash%d" % n, "w").close()
        raise OSError("not yet")
    from twinslot import hw
    print("crashes before", hw.crashes())
    async def run():
        asyncio.create_task(twinslot.Agent().run())
        while hw.crashes():
            await asyncio.sleep(0.1)
        print("crashes forgotten")
        while True:
            await asyncio.sleep(1)
    asyncio.run(run())
"""
    async with Bench(site.flash(start=own_image("1.0.0", source))) as bench:
        await bench.says("crashes forgotten")
    assert "crashes before 3" in bench.log


async def test_boot_file_frozen_in_an_image_runs_in_place_of_the_file(site: Site) -> None:
    from twinslot_sim import image

    modules = {"app.py": b"def main():\n    print('app')\n", "boot.py": b"print('frozen boot')\n"}
    async with Bench(site.flash(start=image.build("kettle", "1.0.0", modules))) as bench:
        await bench.says("frozen boot\napp")


@pytest.mark.parametrize("trial_s", [1e400, -10, "soon", None])
async def test_configuration_that_boot_cannot_use_leaves_the_trial_guarded(trial_s: object, site: Site) -> None:
    flash = site.flash()
    async with Bench(flash) as bench:
        await bench.says("settled")
    config = {"/twinslot.json": b'{"trial_s": %s}' % repr(trial_s).replace("'", '"').replace("None", "null").encode()}
    spy = """
import machine
WDT = machine.WDT
def spied(timeout):
    print('watchdog', timeout)
    return WDT(timeout=timeout)
machine.WDT = spied
"""
    boot = Path(__file__).parents[2] / "boot" / "boot.py"
    files = {**config, "/boot.py": spy.encode() + boot.read_bytes(), "/main.py": b"print('main runs')\n"}
    fresh = site.flash("guarded", files=files)
    with fresh.open("r+b") as board, flash.open("rb") as other:
        other.seek(OFFSETS["ota_0"])
        board.seek(OFFSETS["ota_1"])
        board.write(other.read(0x180000))
    from twinslot_sim import bootloader, partitions
    from twinslot_sim.nor import Nor

    with Nor(fresh) as nor:
        bootloader.boot(nor)
        bootloader.set_boot(nor, next(p for p in partitions.read(nor) if p.label == "ota_1"))
    async with Bench(fresh) as bench:
        await bench.says("main runs")
    assert "watchdog 310000" in bench.log


async def test_agent_restarted_in_a_loop_does_not_prolong_its_trial(site: Site) -> None:
    source = """
import asyncio, twinslot
async def run():
    while True:
        try:
            await asyncio.wait_for(twinslot.Agent(self_test=lambda: False).run(), 1)
        except asyncio.TimeoutError:
            print("once more")
def main():
    asyncio.run(run())
"""
    flash = site.flash()
    site.publish(own_image("1.1.0", source), "1.1.0")
    async with Bench(flash) as bench:
        await bench.says("rolled back 1.1.0: watchdog")
    assert bench.log.count("once more") > 1
    assert Flash(flash).boot == "ota_0"


SPOILS = """
import os
if "spoil" in os.listdir("/"):
    from esp32 import NVS
    NVS("twinslot").set_blob("state", b"{{")
    if {floor_too}:
        NVS("twinslot").erase_key("floor")
    os.remove("/spoil")
    print("record spoilt")
def main():
    import asyncio, twinslot
    asyncio.run(twinslot.Agent().run())
"""


@pytest.mark.parametrize("floor_too", [False, True])
async def test_board_whose_record_is_unreadable_does_not_go_back(floor_too: bool, tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 3072)
    async with Impostor() as server:
        flash = make_flash(tmp_path / "board.bin", server.address, GROUP, [modulus(key)])
        server.image = own_image("1.1.0", SPOILS.format(floor_too=floor_too))
        server.offer = manifest(server.image), sign(key, manifest(server.image))
        async with Bench(flash) as bench:
            await bench.confirmed("1.1.0")
            server.image = app_image("0.9.0")
            older = manifest(server.image, version="0.9.0", sequence=50)
            server.offer = older, sign(key, older)
            await mpremote(bench, "touch", ":spoil")
            server.reports.clear()
            await mpremote(bench, "reset")
            await bench.says("record spoilt")
            await bench.says("can't be read")
            await bench.until(lambda: any(r["event"] == "refused" for r in server.reports))
    assert {r["reason"] for r in server.reports if r["event"] == "refused"} == {"sequence"}
    assert Flash(flash).boot == "ota_1"


async def test_running_slot_is_never_written(site: Site) -> None:
    source = """
from twinslot import hw
from twinslot.errors import TwinslotError
def main():
    for index in (0, 1):
        try:
            hw.Slot(index).write_sector(0, memoryview(bytearray(4096)))
            print("slot", index, "written")
        except TwinslotError as error:
            print("slot", index, error)
"""
    image = own_image("1.0.0", source)
    flash = site.flash(start=image)
    async with Bench(flash) as bench:
        await bench.says("slot 1 written")
    assert "slot 0 the running slot is never written" in bench.log
    assert bench.board.boots == 1
    assert Flash(flash).holds("ota_0", image)
