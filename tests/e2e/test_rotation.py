"""A board's trusted keys change with a release that is confirmed, and with nothing else."""

from __future__ import annotations

import pytest

from .configuring import NEW, Kettle, app, in_force, with_habit
from .impostor import GROUP
from .lab import Bench, make_flash, modulus
from .rotating import Key, change_nvs, confirmed, fingerprints, rotate, rotated
from .test_configuration_nvs import LOSES, SPOILS

SIGNATURE = ("0.0.0", "signature")


async def test_confirmed_release_changes_the_keys_and_the_retired_one_signs_nothing_any_more(
    kettle: Kettle, owner: Key, successor: Key
) -> None:
    flash = await rotated(kettle, successor)
    assert confirmed(flash)["keys"][0] == 0
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
    kettle.offer(NEW, 300)
    async with Bench(flash) as bench:
        await bench.says("the trusted keys can't be read; provision the board again")
        await bench.until(lambda: SIGNATURE in kettle.reported("refused"))
    assert kettle.server.checks[0]["trusted"] == []
    assert in_force(flash) == ("1.200.0", b"2")

    anew = make_flash(flash.with_name("anew.bin"), kettle.server.address, GROUP, [modulus(successor)])
    kept = bytearray(anew.read_bytes())
    kept[0x9000:0xF000] = flash.read_bytes()[0x9000:0xF000]
    anew.write_bytes(kept)
    kettle.key = successor
    kettle.offer(NEW, 300)
    async with Bench(anew) as bench:
        await bench.confirmed("1.300.0")
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
async def test_keys_that_nvs_does_not_hold_are_not_switched_to_and_are_tried_again(
    what: str, reason: str, kettle: Kettle, owner: Key, successor: Key
) -> None:
    loses = LOSES.format(what=what).replace("spec1", "keys0")
    flash = await kettle.configured(start=app("1.0.0", loses))
    rotate(kettle, NEW, 200, [successor], [owner])
    async with Bench(flash) as bench:
        await bench.says(f"download failed: {reason}")
        assert (bench.board.boots, bench.record["confirmed"]["keys"], bench.record["trial"]) == (1, None, None)
        await bench.confirmed("1.200.0")
        await bench.until(lambda: kettle.server.checks[-1]["trusted"] == fingerprints(successor))
    assert [reason for _, reason in kettle.reported("failed")][0].startswith(reason)
    assert in_force(flash) == ("1.200.0", NEW)


async def test_keys_lost_between_record_and_switch_are_never_tried(kettle: Kettle, owner: Key, successor: Key) -> None:
    flash = await kettle.configured(start=app("1.0.0", SPOILS.replace("spec1", "keys0")))
    rotate(kettle, NEW, 200, [successor], [owner])
    async with Bench(flash) as bench:
        await bench.says("failed 1.200.0: keys")
        assert bench.board.boots == 1
        await bench.confirmed("1.200.0")
    assert ("1.200.0", "keys") in kettle.reported("failed")
    assert in_force(flash) == ("1.200.0", NEW)
