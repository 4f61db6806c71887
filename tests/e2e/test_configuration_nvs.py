"""Specifications in an NVS that is full, fails, loses what it took, or was written by an older package."""

from __future__ import annotations

import json

import pytest

from twinslot_sim import bootloader
from twinslot_sim.nor import Nor
from twinslot_sim.nvs import Nvs

from .configuring import NEW, OLD, VALID, Kettle, app, in_force, in_nvs, with_habit
from .lab import Bench

SPOILS = """
from esp32 import NVS
from twinslot import hw
save = hw.save_record
def spoil(value):
    save(value)
    if value["trial"] and not value["trial"]["arms"] and not spoilt:
        spoilt.append(NVS("twinslot").erase_key("spec1"))
spoilt = []
hw.save_record = spoil
"""
LOSES = """
from twinslot import hw
lost = []
class Lossy(hw.NVS):
    def set_blob(self, key, value):
        if key == "spec1" and not lost:
            lost.append(key)
            {what}
        super().set_blob(key, value)
hw.NVS = Lossy
"""
FULL_FOR = """
from twinslot import hw
class Full(hw.NVS):
    def set_i32(self, key, value):
        if key == "{key}" and {when}:
            raise OSError(-4357, "ESP_ERR_NVS_NOT_ENOUGH_SPACE")
        super().set_i32(key, value)
left = [0]
hw.NVS = Full
"""


async def test_largest_specifications_are_confirmed_one_after_another_in_128_kib_beside_what_wifi_keeps(
    kettle: Kettle,
) -> None:
    wifi = "from esp32 import NVS\nNVS('phy').set_blob('cal', bytes(1904))\nNVS('wifi').set_blob('all', bytes(3500))"
    flash = kettle.flash(start=app("1.0.0", wifi))
    for sequence, letter in ((100, "a"), (200, "b"), (300, "c"), (400, "d")):
        largest = json.dumps({"text": letter * 2036}).encode()
        assert len(largest) == 2048
        kettle.offer(largest, sequence, link="https://kettles.example/" + "f" * 480 if letter == "a" else "")
        async with Bench(flash) as bench:
            await bench.confirmed(f"1.{sequence}.0")
        assert "Error" not in bench.log
        assert in_force(flash) == (f"1.{sequence}.0", largest)


FILLS = """
from esp32 import NVS
nvs = NVS("app")
for number in range(400):
    try:
        nvs.set_i32("k%d" % number, number) if habit == "fill" else nvs.erase_key("k%d" % number)
    except OSError as error:
        if habit == "fill":
            print("full at", number, error.args[1])
            {then}
        break
"""


async def test_trial_that_fills_nvs_and_crashes_is_ended_all_the_same(kettle: Kettle) -> None:
    flash = await kettle.configured(start=app("1.0.0", FILLS.format(then="raise")))
    kettle.offer(with_habit("fill"))
    async with Bench(flash) as bench:
        await bench.says("rolled back 1.200.0: crash")
    assert "ESP_ERR_NVS_NOT_ENOUGH_SPACE" in bench.log
    assert in_force(flash) == ("1.100.0", OLD)


async def test_trial_that_fills_nvs_is_confirmed_all_the_same(kettle: Kettle) -> None:
    """And then there is none for another trial, which the server is told."""
    flash = await kettle.configured(start=app("1.0.0", FILLS.format(then="break")))
    kettle.offer(with_habit("fill"))
    async with Bench(flash) as bench:
        await bench.confirmed("1.200.0")
        assert "full at" in bench.log
        largest = json.dumps({"habit": "fill", "text": "a" * 2000}).encode()
        kettle.offer(largest, 300)
        await bench.until(lambda: kettle.reported("failed"))
        assert kettle.reported("failed")[0][0] == "1.300.0" and "NOT_ENOUGH_SPACE" in kettle.reported("failed")[0][1]
    async with Bench(flash) as bench:
        await bench.says("slot 0, 1.200.0, settled")


async def test_board_whose_nvs_flash_has_refused_restarts_and_goes_on(kettle: Kettle) -> None:
    """Which it does in about an hour; here it waits less."""
    refuses = """
import os
from twinslot import hw, pace
class Refusing(hw.NVS):
    def set_blob(self, key, value):
        if key == "spec1" and "refused" not in os.listdir("/"):
            open("/refused", "w").close()
            raise OSError(-24577, "ESP_ERR_FLASH_OP_FAIL")
        super().set_blob(key, value)
hw.NVS, pace.jittered = Refusing, lambda seconds, percent: 0.1
"""
    flash = await kettle.configured(start=app("1.0.0", refuses))
    kettle.offer(NEW)
    async with Bench(flash) as bench:
        await bench.says("download failed: NVS did not take spec1: .*FLASH_OP_FAIL")
        await bench.confirmed("1.200.0")
    assert bench.log.count("NvsRefused a restart is due") == 12
    assert in_force(flash) == ("1.200.0", NEW)


async def test_specification_lost_between_record_and_switch_is_never_tried_and_is_fetched_again(kettle: Kettle) -> None:
    flash = await kettle.configured(start=app("1.0.0", SPOILS))
    kettle.offer(NEW)
    async with Bench(flash) as bench:
        await bench.says("failed 1.200.0: specification")
        assert bench.board.boots == 1
        await bench.confirmed("1.200.0")
    assert ("1.200.0", "specification") in kettle.reported("failed")
    assert in_force(flash) == ("1.200.0", NEW)


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("value = b'[]'", "NVS lost spec1"),
        ("raise OSError(-4357, 'ESP_ERR_NVS_NOT_ENOUGH_SPACE')", "NVS did not take spec1"),
    ],
)
async def test_specification_that_nvs_does_not_hold_is_not_switched_to_and_is_tried_again(
    what: str, reason: str, kettle: Kettle
) -> None:
    flash = await kettle.configured(start=app("1.0.0", LOSES.format(what=what)))
    kettle.offer(NEW)
    async with Bench(flash) as bench:
        await bench.says(f"download failed: {reason}")
        assert bench.board.boots == 1
        await bench.confirmed("1.200.0")
    assert in_force(flash) == ("1.200.0", NEW)


async def test_state_that_a_soft_reset_left_pending_is_settled(kettle: Kettle) -> None:
    pending = """
if machine.reset_cause() != machine.SOFT_RESET:
    from esp32 import NVS
    NVS("twinslot").set_i32("spec_state", 1)
    machine.soft_reset()
"""
    flash = kettle.flash(start=app("1.0.0", pending))
    async with Bench(flash) as bench:
        await bench.says("slot 0, 1.0.0, astray")
        await bench.until(lambda: len(kettle.server.checks) > 1)
    assert in_nvs(flash)["spec_state"] == VALID
    assert kettle.server.reports == []
    assert in_force(flash) == ("1.0.0", None)


async def test_record_from_before_there_were_specifications_is_read(kettle: Kettle) -> None:
    flash = kettle.flash()
    async with Bench(flash) as bench:
        await bench.says("configured|settled")
    with Nor(flash) as nor:
        partition = bootloader.nvs_partition(nor)
        nvs = Nvs(nor, partition.offset, partition.size)
        record = json.loads(nvs.get_blob("twinslot", "state"))
        del record["confirmed"]["place"]
        nvs.set_blob("twinslot", "state", json.dumps(record).encode())
    kettle.offer(NEW)
    async with Bench(flash) as bench:
        await bench.confirmed("1.200.0")
    assert in_force(flash) == ("1.200.0", NEW)


async def test_specification_whose_trial_nvs_has_no_room_to_note_is_dropped_and_fetched_again(kettle: Kettle) -> None:
    flash = await kettle.configured(
        start=app("1.0.0", FULL_FOR.format(key="spec_state", when="left and left.pop() == 0"))
    )
    kettle.offer(NEW)
    async with Bench(flash) as bench:
        await bench.says("failed 1.200.0: NVS did not take spec_state")
        assert bench.board.boots == 1
        await bench.confirmed("1.200.0")
    assert kettle.reported("rolled_back") == []
    assert [version for version, _ in kettle.reported("failed")] == ["1.200.0"]
    assert in_force(flash) == ("1.200.0", NEW)


async def test_specification_whose_end_of_trial_nvs_has_no_room_to_note_is_confirmed_once(kettle: Kettle) -> None:
    flash = await kettle.configured(start=app("1.0.0", FULL_FOR.format(key="spec_state", when="value == 2")))
    kettle.offer(NEW)
    async with Bench(flash) as bench:
        await bench.confirmed("1.200.0")
        await bench.until(lambda: kettle.server.checks[-1]["state"] == "idle")
    assert "error:" not in bench.log
    assert "spec_state" not in in_nvs(flash)
    assert in_force(flash) == ("1.200.0", NEW)


async def test_crash_that_nvs_has_no_room_to_count_restarts_the_board_all_the_same(kettle: Kettle) -> None:
    crashes = FULL_FOR.format(key="crashes", when="True") + "raise ValueError('of the application')"
    flash = await kettle.configured(start=app("1.0.0", crashes))
    async with Bench(flash) as bench:
        await bench.until(lambda: bench.board.boots > 2)
    assert bench.log.count("of the application") >= 2
    assert in_force(flash) == ("1.100.0", OLD)
