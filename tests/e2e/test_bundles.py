"""Bundles: a tree of files with the promises of an image."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import rsa

from twinslot_sim import partitions

from .bundles import Bakery, files_of, listing_digest, numbers, take_over_nvs, tree
from .configuring import VALID
from .impostor import Impostor
from .lab import Bench, app_image
from .test_configuration import in_force

CRASHING = files_of("new", source="raise ValueError('no kettle')")
OLD = files_of("old", data__table_bin=bytes(range(256)) * 20)
ONE_OTA_SLOT = [
    replace(row, subtype=partitions.OTA_0, label="ota_0") if row.label == "factory" else row
    for row in partitions.MICROPYTHON_4MIB
]
FOREIGN_BOOT = b"""
import machine, sys
from esp32 import NVS
if machine.reset_cause() == machine.PWRON_RESET and %d:
    NVS("twinslot").set_i32("spec_state", 17)  # the second tree, in its trial
sys.path.insert(0, "/app_b")
"""


@pytest_asyncio.fixture
async def bakery(owner: rsa.RSAPrivateKey, tmp_path: Path) -> AsyncIterator[Bakery]:
    async with Impostor() as server:
        yield Bakery(server, owner, tmp_path)


@pytest_asyncio.fixture
async def baked(bakery: Bakery) -> Path:
    """The flash of a board that keeps a first bundle, OLD as 1.100.0, in the first tree."""
    flash = bakery.flash(files={"/data/own.txt": b"own"})
    bakery.offer(OLD, 100)
    async with Bench(flash) as bench:
        await bakery.server.hears(bench, "1.100.0")
    bakery.server.reports.clear()
    bakery.server.checks.clear()
    return flash


async def test_bundle_runs_and_the_next_one_fetches_only_what_changed(bakery: Bakery) -> None:
    first = files_of("first", data__table_bin=bytes(range(256)) * 100, lib__tool_py=b"size = 5\n", empty_txt=b"")
    flash = bakery.flash()
    bakery.offer(first, 100)
    async with Bench(flash) as bench:
        await bench.confirmed("1.100.0")
        assert "app of /app_a first" in bench.log
        second = files_of("second", data__same_bin=first["data/table.bin"], lib__tool_py=b"size = 5\n", empty_txt=b"")
        bakery.offer(second, 200)
        await bench.confirmed("1.200.0")
        assert "app of /app_b second" in bench.log
        await bench.until(lambda: bakery.server.checks[-1]["state"] == "idle")
    assert 0 < bakery.payload_bytes < len(second["app.py"])
    assert tree(flash, "/app_b") == {**second, "data/": b"", "lib/": b""}
    assert tree(flash, "/app_a") == {}
    assert numbers(flash)["tree"] == 2
    assert bakery.reported("confirmed") == [("1.100.0", ""), ("1.200.0", "")]
    told = [each["bundle"] for each in bakery.server.checks]
    assert (told[0], told[-1]) == (None, listing_digest(second))


async def test_bundle_that_crashes_is_rolled_back_reported_and_not_tried_again(bakery: Bakery, baked: Path) -> None:
    bakery.offer(CRASHING)
    async with Bench(baked) as bench:
        await bench.says("rolled back 1.200.0: crash")
        await bench.until(lambda: bakery.reported("refused") == [("1.200.0", "failed_before")])
    assert bakery.reported("rolled_back") == [("1.200.0", "crash")]
    assert (tree(baked, "/app_a"), tree(baked, "/app_b")) == ({**OLD, "data/": b""}, {})
    assert numbers(baked)["tree"] == 1
    assert bench.log.count("app of /app_b new") == 1
    assert "app of /app_a old" in bench.log.rpartition("app of /app_b")[2]


async def test_first_bundle_of_all_that_crashes_leaves_the_application_that_was_there(bakery: Bakery) -> None:
    flash = bakery.flash()
    bakery.offer(CRASHING)
    async with Bench(flash) as bench:
        await bench.says("rolled back 1.200.0: crash")
        await bench.until(lambda: bakery.reported("rolled_back") == [("1.200.0", "crash")])
    assert (tree(flash, "/app_a"), tree(flash, "/app_b")) == ({}, {})
    assert numbers(flash)["tree"] is None


async def test_bundle_that_hangs_is_ended_by_the_watchdog(bakery: Bakery) -> None:
    flash = bakery.flash(trial_s=1)
    bakery.offer(files_of("new", source="while True:\n    pass"))
    async with Bench(flash) as bench:
        await bench.says("rolled back 1.200.0: watchdog")


async def test_what_the_application_wrote_survives_updates_and_rollbacks(bakery: Bakery, baked: Path) -> None:
    notes = """
import os
try:
    os.mkdir("/data")
except OSError:
    pass
with open("/data/log.txt", "a") as file:
    file.write({line!r})
"""
    bakery.offer(files_of("new", source=notes.format(line="200;")))
    async with Bench(baked) as bench:
        await bench.confirmed("1.200.0")
        bakery.offer(files_of("bad", source=notes.format(line="300;") + "raise OSError(5)"), 300)
        await bench.says("rolled back 1.300.0: crash")
        await bench.until(lambda: bakery.reported("rolled_back"))
    assert tree(baked, "/data") == {"own.txt": b"own", "log.txt": b"200;300;200;"}


async def test_bundle_and_specification_are_proven_and_confirmed_or_undone_together(bakery: Bakery) -> None:
    flash = bakery.flash()
    source, hooks = "print('at start', twinslot.specification())", "configure=lambda s: print('configured', s)"
    bakery.offer(files_of("first", source, hooks), 100, b'{"litres": 1}')
    async with Bench(flash) as bench:
        await bench.confirmed("1.100.0")
        assert "app of /app_a first\nat start {'litres': 1}\n" in bench.log
        bakery.offer(CRASHING, 200, b'{"litres": 2}')
        await bench.says("rolled back 1.200.0: crash")
        await bench.until(lambda: bakery.reported("rolled_back"))
    assert in_force(flash) == ("1.100.0", b'{"litres": 1}')
    assert bench.log.rstrip().count("configured {'litres': 2}") == 0


@pytest.mark.parametrize(
    ("needs", "reason"),
    [
        ({"chip": 9}, "chip"),
        ({"mpy": 5}, "mpy"),
        ({"micropython": (9, 0, 0)}, "micropython"),
        ({"security": 0, "app": "toaster"}, "application"),
    ],
)
async def test_bundle_that_does_not_suit_the_board_is_refused_before_any_write(
    needs: dict[str, object], reason: str, bakery: Bakery, baked: Path
) -> None:
    bakery.offer(files_of("new"), **needs)
    async with Bench(baked) as bench:
        await bench.until(lambda: bakery.reported("refused") == [("1.200.0", reason)])
    assert bakery.asked == []
    assert (tree(baked, "/app_a"), tree(baked, "/app_b")) == ({**OLD, "data/": b""}, {})


async def test_bundle_without_room_says_so_in_bytes_and_the_old_one_runs_on(bakery: Bakery, baked: Path) -> None:
    bakery.offer(files_of("new", large_bin=bytes(1_200_000)))
    async with Bench(baked) as bench:
        await bench.until(lambda: bakery.reported("failed"))
    (version, said), *_ = bakery.reported("failed")
    needs, are_free = (int(word) for word in said.split() if word.isdigit())
    assert version == "1.200.0" and 1_200_000 < needs < 1_300_000 and 500_000 < are_free < 983_040, said
    assert bakery.payload_bytes == 0
    assert (tree(baked, "/app_a"), tree(baked, "/app_b")) == ({**OLD, "data/": b""}, {})


async def test_bundle_whose_fetching_was_interrupted_is_gone_on_with(bakery: Bakery, baked: Path) -> None:
    new = files_of("new", **{f"part{n}_bin": bytes([n]) * 9000 for n in range(9)})
    bakery.offer(new)
    async with Bench(baked) as bench:
        await bench.says("downloading 1.200.0: [56789]. %")
    so_far = bakery.payload_bytes
    bakery.asked.clear()
    async with Bench(baked) as bench:
        await bench.confirmed("1.200.0")
    assert 0 < bakery.payload_bytes < so_far
    assert tree(baked, "/app_b") == new


async def test_trial_of_a_bundle_goes_on_after_a_soft_reset(bakery: Bakery, baked: Path) -> None:
    once = "import machine\nif machine.reset_cause() != machine.SOFT_RESET:\n    machine.soft_reset()"
    bakery.offer(files_of("new", source=once))
    async with Bench(baked) as bench:
        await bench.confirmed("1.200.0")
    assert bench.log.count("app of /app_b new") == 2
    assert bench.board.boots == 2


async def test_trial_of_a_bundle_that_power_cuts_end_is_armed_again(bakery: Bakery, baked: Path) -> None:
    bakery.offer(files_of("new", source="import time\ntime.sleep(2)"))
    bakery.server.silent_in_trial = True
    async with Bench(baked) as bench:
        await bench.says("trial of 1.200.0")
    bakery.server.silent_in_trial = False
    async with Bench(baked) as bench:
        await bench.says("1.100.0, cut_short")
        await bench.confirmed("1.200.0")
    assert numbers(baked)["tree"] == 2


async def test_image_on_trial_that_fails_takes_nothing_from_the_bundle(bakery: Bakery) -> None:
    flash = bakery.flash(trial_s=4)
    bakery.offer(OLD, 100)
    async with Bench(flash) as bench:
        await bench.confirmed("1.100.0")
        bakery.server.silent_in_trial = True
        bakery.offer_image(app_image("1.200.0"), 200)
        await bench.says("rolled back 1.200.0: expired")
        bakery.server.silent_in_trial = False
        bakery.offer_image(app_image("1.300.0"), 300)
        await bench.confirmed("1.300.0")
    assert bench.log.count("app of /app_a old") == 4  # it runs in each image
    assert (numbers(flash)["tree"], tree(flash, "/app_a")) == (1, {**OLD, "data/": b""})
    assert {each["bundle"] for each in bakery.server.checks if each["sequence"]} == {listing_digest(OLD)}


@pytest.mark.parametrize("table", [partitions.MICROPYTHON_4MIB, ONE_OTA_SLOT], ids=["factory", "ota_0 alone"])
async def test_board_with_one_slot_takes_bundles(table: Sequence[partitions.Partition], bakery: Bakery) -> None:
    flash = bakery.flash(table=table)
    bakery.offer(OLD, 100)
    async with Bench(flash) as bench:
        await bench.confirmed("1.100.0")
        bakery.offer(CRASHING)
        await bench.says("rolled back 1.200.0: crash")
        bakery.offer(files_of("new"), 300)
        await bench.confirmed("1.300.0")
    assert (numbers(flash)["tree"], tree(flash, "/app_a")) == (2, {})
    assert {each["slot_size"] for each in bakery.server.checks} == {0}


async def test_boot_file_that_knows_no_trees_ends_with_the_old_application_and_says_so(bakery: Bakery) -> None:
    flash = bakery.flash(files={"/boot.py": b"\n"})
    bakery.offer(files_of("new"))
    async with Bench(flash) as bench:
        await bench.says("rolled back 1.200.0: boot.py")
        await bench.until(lambda: bakery.reported("rolled_back") == [("1.200.0", "boot.py")])
    assert bench.board.boots == 5
    assert "app of" not in bench.log


async def test_board_that_lost_its_boot_file_keeps_checking_in_and_tells_no_bundle(bakery: Bakery, baked: Path) -> None:
    other = bakery.flash("other", files={"/boot.py": b"\n"})
    take_over_nvs(baked, other)
    async with Bench(other) as bench:
        await bench.until(lambda: len(bakery.server.checks) > 2)
    assert bench.board.boots == 1
    assert {each["bundle"] for each in bakery.server.checks} == {None}
    assert {each["version"] for each in bakery.server.checks} == {"1.100.0"}


@pytest.mark.parametrize("in_trial", [False, True])
async def test_tree_that_a_foreign_boot_file_runs_is_not_kept_and_ends_no_more_than_its_trial(
    in_trial: bool, bakery: Bakery, baked: Path
) -> None:
    other = bakery.flash(
        "other", files={"/boot.py": FOREIGN_BOOT % in_trial, "/app_b/app.py": OLD["app.py"], "/app_b/.list": b"1"}
    )
    take_over_nvs(baked, other)
    async with Bench(other) as bench:
        await bench.until(lambda: len(bakery.server.checks) > 2)
    assert bench.log.count("boot.py runs a tree that is not kept: provision the board again") == bench.board.boots
    assert bench.board.boots == (2 if in_trial else 1)
    assert numbers(other) == {"tree": 1, "spec_state": VALID}
    assert {each["version"] for each in bakery.server.checks} == {"1.100.0"}


async def test_bundle_that_begins_to_crash_is_kept_in_safe_mode_until_a_newer_one_comes(bakery: Bakery) -> None:
    source = """
from twinslot import hw
if hw.load_record()["confirmed"]["sequence"] == 100:
    raise OSError("no sensor")
"""
    flash = bakery.flash()
    bakery.offer(files_of("first", source), 100)
    async with Bench(flash) as bench:
        await bench.confirmed("1.100.0")
    async with Bench(flash) as bench:
        await bench.says("safe mode: the application failed 5 times in a row")
        await bench.until(lambda: bakery.server.checks[-1]["state"] == "safe")
        bakery.offer(files_of("second"), 200)
        await bench.confirmed("1.200.0")
        await bench.until(lambda: bakery.server.checks[-1]["state"] == "idle")
    assert bench.log.count("no sensor") == 5
    assert bench.log.index("app of /app_b second") < bench.log.index("trial of 1.200.0")


async def test_tree_that_rots_after_the_download_is_not_switched_to(bakery: Bakery) -> None:
    """The first bundle's application spoils a file of the next one as soon as its list lies there."""
    spoiler = """
import os
async def spoil():
    while ".list" not in os.listdir("/app_b" if "app_b" in os.listdir("/") else "/"):
        await asyncio.sleep(0)
    with open("/app_b/app.py", "ab") as file:
        file.write(b"1")
asyncio.create_task(spoil())
"""
    flash = bakery.flash()
    bakery.offer(files_of("first", spoiler), 100)
    async with Bench(flash) as bench:
        await bench.confirmed("1.100.0")
        bakery.offer(files_of("second"), 200)
        await bench.until(lambda: bakery.reported("failed") == [("1.200.0", "hash")])
        await bench.confirmed("1.200.0")
    assert "app of /app_b second" in bench.log
    assert bench.board.boots == 3


async def test_bundle_that_the_switch_had_no_ram_for_is_reported_and_taken_again(bakery: Bakery) -> None:
    short = """
from twinslot import update
lies_there, lacking = update._lies_there, [True]
async def short(agent, release):
    if agent.state == "switching" and lacking:
        lacking.clear()
        raise MemoryError
    return await lies_there(agent, release)
update._lies_there = short
"""
    flash = bakery.flash()
    bakery.offer(files_of("first", short), 100)
    async with Bench(flash) as bench:
        await bench.confirmed("1.100.0")
        bakery.offer(files_of("second"), 200)
        await bench.until(lambda: bakery.reported("failed") == [("1.200.0", "memory")])
        bakery.asked.clear()
        await bench.confirmed("1.200.0")
    assert bakery.asked and bakery.payload_bytes == 0
    assert bench.log.count("downloading 1.200.0, ") == 2
