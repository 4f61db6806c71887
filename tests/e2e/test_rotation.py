"""A board's trusted keys change with a release that is confirmed, and with nothing else."""

from __future__ import annotations

import hashlib

import pytest

from .configuring import NEW, Kettle, app, in_force, with_habit
from .lab import Bench
from .rotating import Key, change_nvs, confirmed, fingerprints, provisioned_again, raw, rotate, rotated, trusted_set
from .test_configuration_nvs import LOSES, SPOILS

SIGNATURE = ("0.0.0", "signature")
UNREAD = """
from twinslot import hw
read = []
class Unread(hw.NVS):
    def get_blob(self, key, buffer):
        if key == "keys0":
            read.append(key)
            print("read", key)
            if len(read) == 1:
                raise OSError(-1, "ESP_FAIL")
        return super().get_blob(key, buffer)
hw.NVS = Unread
"""


async def test_confirmed_release_changes_the_keys_and_the_retired_one_signs_nothing_any_more(
    kettle: Kettle, owner: Key, successor: Key
) -> None:
    flash = await rotated(kettle, successor)
    assert confirmed(flash)["keys"] == [0, hashlib.sha256(raw(owner)).hexdigest()[:16]]
    kettle.offer(NEW, 300)
    async with Bench(flash) as bench:
        await bench.until(lambda: SIGNATURE in kettle.reported("refused"))
        assert kettle.server.checks[0]["trusted"] == fingerprints(successor)
        kettle.key = successor
        rotate(kettle, NEW, 301, [owner], [])
        await bench.confirmed("1.301.0")
        await bench.until(lambda: kettle.server.checks[-1]["trusted"] == fingerprints(successor, owner))
    assert (in_force(flash), confirmed(flash)["keys"][0]) == (("1.301.0", NEW), 1)


async def test_release_that_is_rolled_back_leaves_the_keys(kettle: Kettle, owner: Key, successor: Key) -> None:
    flash = await kettle.configured()
    rotate(kettle, with_habit("crash"), 200, [successor], [owner])
    async with Bench(flash) as bench:
        await bench.says("rolled back 1.200.0: crash")
        kettle.offer(NEW, 300)
        await bench.confirmed("1.300.0")
    assert {tuple(each["trusted"]) for each in kettle.server.checks} == {tuple(fingerprints(owner))}
    assert (in_force(flash), confirmed(flash)["keys"]) == (("1.300.0", NEW), None)


async def test_keys_that_nvs_has_lost_are_not_replaced_by_the_retired_ones_until_the_board_is_provisioned(
    kettle: Kettle, owner: Key, successor: Key
) -> None:
    flash = await rotated(kettle, successor)
    change_nvs(flash, lambda nvs: nvs.erase_key("twinslot", "keys0"))
    async with Bench(flash) as bench:
        await bench.says("the trusted keys can't be read; provision the board again")
        kettle.offer(NEW, 300)
        await bench.until(lambda: SIGNATURE in kettle.reported("refused"))
    assert kettle.server.checks[0]["trusted"] == []
    assert in_force(flash) == ("1.200.0", b"2")

    anew = provisioned_again(flash, kettle, successor)
    kettle.key = successor
    kettle.offer(NEW, 300)
    async with Bench(anew) as bench:
        await bench.confirmed("1.300.0")
    assert in_force(anew) == ("1.300.0", NEW)


async def test_keys_that_one_check_in_could_not_read_are_told_by_the_next(kettle: Kettle, successor: Key) -> None:
    flash = await rotated(kettle, successor, start=app("1.0.0", UNREAD))
    async with Bench(flash) as bench:
        told = fingerprints(successor)
        await bench.until(lambda: [each["trusted"] for each in kettle.server.checks].count(told) > 2)
    assert kettle.server.checks[0]["trusted"] == []
    assert bench.log.count("read keys0") == 2  # not by each check-in: that takes some KiB
    assert len(trusted_set(flash)) == 384


@pytest.mark.parametrize("lost", [False, True])
async def test_board_that_is_provisioned_again_with_the_same_list_trusts_that_and_nothing_else(
    lost: bool, kettle: Kettle, owner: Key, successor: Key
) -> None:
    flash = await kettle.configured(clock_s=1_700_000_000)
    rotate(kettle, b"2", 200, [successor], [])
    async with Bench(flash) as bench:
        await bench.confirmed("1.200.0")
        await bench.until(lambda: kettle.server.checks[-1]["trusted"] == fingerprints(owner, successor))
    if lost:
        change_nvs(flash, lambda nvs: nvs.erase_key("twinslot", "keys0"))
    kettle.server.checks.clear()
    kettle.offer(NEW, 300)
    anew = provisioned_again(flash, kettle, owner, clock_s=1_700_000_001)
    async with Bench(anew) as bench:
        await bench.confirmed("1.300.0")
    assert {tuple(each["trusted"]) for each in kettle.server.checks} == {tuple(fingerprints(owner))}
    assert in_force(anew) == ("1.300.0", NEW)


async def test_retired_key_does_not_come_back_when_the_record_is_lost(kettle: Kettle, successor: Key) -> None:
    flash = await rotated(kettle, successor)
    change_nvs(flash, lambda nvs: nvs.set_blob("twinslot", "state", b"garbage"))
    kettle.offer(NEW, 300)
    async with Bench(flash) as bench:
        await bench.says("record can't be read")
        await bench.until(lambda: SIGNATURE in kettle.reported("refused"))
    assert {tuple(each["trusted"]) for each in kettle.server.checks} == {tuple(fingerprints(successor))}
    assert confirmed(flash)["keys"][0] == 0


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("value = b'[]'", "NVS lost keys0"),
        ("raise OSError(-4357, 'ESP_ERR_NVS_NOT_ENOUGH_SPACE')", "NVS did not take keys0"),
    ],
)
async def test_change_that_nvs_does_not_hold_is_refused_so_that_the_next_release_gets_its_turn(
    what: str, reason: str, kettle: Kettle, owner: Key, successor: Key
) -> None:
    loses = LOSES.format(what=what).replace("spec1", "keys0").replace(" and not lost", "")
    flash = await kettle.configured(start=app("1.0.0", loses))
    rotate(kettle, NEW, 200, [successor], [owner])
    async with Bench(flash) as bench:
        await bench.says(f"download failed: {reason}")
        assert (bench.board.boots, bench.record["confirmed"]["keys"], bench.record["trial"]) == (1, None, None)
        kettle.offer(NEW, 300)
        await bench.confirmed("1.300.0")
    assert set(kettle.reported("refused")) == {("1.200.0", "keys")}
    assert {tuple(each["trusted"]) for each in kettle.server.checks} == {tuple(fingerprints(owner))}
    assert (in_force(flash), confirmed(flash)["keys"]) == (("1.300.0", NEW), None)


async def test_keys_lost_between_record_and_switch_are_never_tried(kettle: Kettle, owner: Key, successor: Key) -> None:
    flash = await kettle.configured(start=app("1.0.0", SPOILS.replace("spec1", "keys0")))
    rotate(kettle, NEW, 200, [successor], [owner])
    async with Bench(flash) as bench:
        await bench.says("failed 1.200.0: keys")
        assert bench.board.boots == 1
        await bench.confirmed("1.200.0")
    assert ("1.200.0", "keys") in kettle.reported("failed")
    assert in_force(flash) == ("1.200.0", NEW)
