"""The clock that certificates are valid by: a board has no battery for it, and starts in 2000."""

from __future__ import annotations

import ssl
import struct
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from twinslot_sim import partitions
from twinslot_sim.errors import EspError
from twinslot_sim.nor import Nor
from twinslot_sim.nvs import Nvs

from .certificates import DAY_S, HOUR_S, Authority
from .impostor import GROUP, Impostor
from .lab import Bench, make_flash, own_image


@dataclass
class Shop:
    """A server whose certificate can be renewed, and the boards that it provisions, some time ago."""

    authority: Authority
    context: ssl.SSLContext
    server: Impostor
    folder: Path

    def renew(self, begins_s: int, ends_s: int) -> None:
        self.authority.certify(self.context, begins_s=begins_s, ends_s=ends_s)

    def flash(self, ago_s: int, **settings: Any) -> Path:
        pinned = {"/ca.pem": self.authority.pem}
        made_s = int(time.time()) - ago_s
        settings = {"ca": "/ca.pem", "clock_s": made_s, **settings}
        return make_flash(self.folder / "b.bin", self.server.address, GROUP, [], files=pinned, **settings)

    async def checks(self, bench: Bench, more: int) -> None:
        """Waits for so many further check-ins."""
        until = len(self.server.checks) + more
        await bench.until(lambda: len(self.server.checks) >= until)


@pytest_asyncio.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    authority = Authority(tmp_path)
    context = authority.context()
    async with Impostor(context) as server:
        yield Shop(authority, context, server, tmp_path)


def floor_s(flash: Path) -> int:
    """What the board will not be behind, by its flash; 0 for no more than the configuration says."""
    copy = flash.with_suffix(".look")
    copy.write_bytes(flash.read_bytes())
    with Nor(copy) as nor:
        nvs = next(row for row in partitions.read(nor) if row.label == "nvs")
        try:
            _, kept_s = struct.unpack("<II", Nvs(nor, nvs.offset, nvs.size).get_blob("twinslot", "clock"))
        except EspError:
            return 0
    return int(kept_s)


async def test_certificate_renewed_after_provisioning_is_accepted_after_a_power_cut(shop: Shop) -> None:
    shop.renew(-40 * DAY_S, 20 * DAY_S)
    flash = shop.flash(30 * DAY_S)
    async with Bench(flash) as bench:
        await shop.checks(bench, 3)
        operations = bench.board.flash_ops
        await shop.checks(bench, 3)
        assert bench.board.flash_ops == operations  # kept once, and not at each check-in
    shop.renew(-2 * HOUR_S, 50 * DAY_S)
    async with Bench(flash) as bench:
        await shop.checks(bench, 1)
    assert "connection" not in bench.log
    assert -HOUR_S < floor_s(flash) - time.time() <= 0


async def test_board_that_checks_in_once_between_power_cuts_keeps_up_week_by_week(shop: Shop) -> None:
    shop.renew(-40 * DAY_S, 20 * DAY_S)
    flash = shop.flash(10 * DAY_S, poll_s=3600)
    kept_s = []
    for _ in range(2):
        async with Bench(flash) as bench:
            await bench.until(lambda: floor_s(flash) not in (0, *kept_s))
        kept_s.append(floor_s(flash))
    assert [round((s - time.time()) / DAY_S) for s in kept_s] == [-3, 0]


async def test_server_whose_clock_is_years_ahead_locks_no_board_out(shop: Shop) -> None:
    shop.renew(-DAY_S, 20 * DAY_S)
    flash = shop.flash(HOUR_S)
    shop.server.ahead_s = 5 * 365 * DAY_S
    async with Bench(flash) as bench:
        await shop.checks(bench, 1)
        await bench.says("The certificate validity has expired")
        await shop.checks(bench, 1)
    assert floor_s(flash) < time.time() + 20 * DAY_S
    shop.server.ahead_s = 0
    async with Bench(flash) as bench:
        await shop.checks(bench, 2)
    assert "connection" not in bench.log


async def test_server_whose_clock_fell_back_takes_no_board_with_it(shop: Shop) -> None:
    shop.renew(-2 * HOUR_S, 20 * DAY_S)
    flash = shop.flash(HOUR_S)
    shop.server.ahead_s = -20 * 365 * DAY_S
    async with Bench(flash) as bench:
        await shop.checks(bench, 3)
    assert "connection" not in bench.log
    assert floor_s(flash) == 0


async def test_certificate_newer_than_all_that_a_board_knows_is_accepted_by_a_time_server(shop: Shop) -> None:
    shop.renew(-2 * HOUR_S, 20 * DAY_S)
    flash = shop.flash(400 * DAY_S)
    async with Bench(flash) as bench:
        await bench.says("The certificate validity starts in the future")
        assert not shop.server.checks
        bench.board.time_server = lambda: int(time.time())
        await shop.checks(bench, 1)
        await bench.until(lambda: floor_s(flash))
    async with Bench(flash) as bench:
        await shop.checks(bench, 1)
    assert "connection" not in bench.log


async def test_time_server_that_lies_brings_no_expired_certificate_back(shop: Shop) -> None:
    shop.renew(-9 * DAY_S, -3 * DAY_S)
    flash = shop.flash(DAY_S)
    async with Bench(flash) as bench:
        bench.board.time_server = lambda: int(time.time()) - 5 * DAY_S
        await bench.until(lambda: bench.log.count("The certificate validity has expired") == 2)
        assert not shop.server.checks
        shop.renew(-2 * DAY_S, DAY_S)
        await shop.checks(bench, 1)


async def test_time_server_that_lies_is_asked_again(shop: Shop) -> None:
    shop.renew(-HOUR_S, 20 * DAY_S)
    flash = shop.flash(DAY_S)
    lies = [int(time.time()) + 5 * 365 * DAY_S]
    async with Bench(flash) as bench:
        bench.board.time_server = lambda: lies.pop() if lies else int(time.time())
        await bench.says("The certificate validity has expired")
        await shop.checks(bench, 1)
    assert floor_s(flash) <= time.time()


CALLS = """
import time, twinslot

def main():
    while True:
        print("reached", twinslot.update_now())
        time.sleep(1)
"""


async def test_time_server_whose_own_clock_was_never_set_ends_no_application(shop: Shop) -> None:
    shop.renew(-2 * HOUR_S, 20 * DAY_S)
    flash = shop.flash(400 * DAY_S, start=own_image("1.0.0", CALLS))
    async with Bench(flash) as bench:
        bench.board.time_server = lambda: 1_420_070_400  # 2015, which the library takes to be 2151
        await bench.until(lambda: bench.log.count("reached False") > 2)
        assert not shop.server.checks
        bench.board.time_server = lambda: int(time.time())
        await bench.says("reached True")
    assert "Error" not in bench.log
    assert floor_s(flash) > time.time() - HOUR_S


@pytest.mark.parametrize("tls", [False, True])
async def test_time_that_no_clock_shows_is_not_believed_when_the_server_has_signed_it(tls: bool, shop: Shop) -> None:
    shop.renew(-DAY_S, 20 * DAY_S)
    async with Impostor(shop.context if tls else None) as server:
        shop.server = server
        shop.server.ahead_s = 200 * 365 * DAY_S
        flash = shop.flash(2 * HOUR_S, start=own_image("1.0.0", CALLS), **({} if tls else {"ca": None}))
        async with Bench(flash) as bench:
            await shop.checks(bench, 3)
            await bench.until(lambda: bench.log.count("reached True") > 2)
    assert "Error" not in bench.log
    assert floor_s(flash) == 0


RULES = """
import machine
from esp32 import NVS
from twinslot import hw
from twinslot.clock import Clock

def shown():
    return hw.clock_s() // 100 * 100  # the simulated clock goes on

def main():
    clock = Clock(1_800_000_000)
    print("provisioned", shown())
    clock.told(1_800_050_000, 1_800_000_000)
    print("told", shown())
    hw.set_clock(0)
    Clock(1_800_000_000)
    print("less than a day", shown())
    clock.told(1_800_100_000, 1_800_050_000)
    hw.set_clock(0)
    Clock(1_800_000_000)
    print("a day", shown())
    clock.told(1_700_000_000, 1_800_100_000)
    print("backwards", shown())
    hw.set_clock(0)
    Clock(1_790_000_000)
    print("provisioned again", shown())
    n = 0
    try:
        while True:
            NVS("other").set_blob("b%d" % n, bytes(400))
            n += 1
    except OSError:
        pass
    try:
        while True:
            NVS("other").set_i32("i%d" % n, 1)
            n += 1
    except OSError:
        pass
    clock = Clock(1_800_000_000)
    clock.told(1_800_500_000, 1_800_400_000)
    print("full", shown())
    hw.set_clock(0)
    Clock(1_800_000_000)
    print("after full", shown())
    print("over")
"""


FROM_2000 = """
from twinslot import hw

def main():
    hw._EPOCH_S = 946684800  # a chip's
    hw.set_clock(100)
    print("shown", hw.clock_s() // 100 * 100)
"""


async def test_clock_that_is_told_of_the_seventies_shows_the_start_of_its_epoch(tmp_path: Path) -> None:
    flash = make_flash(tmp_path / "b.bin", "http://127.0.0.1:1", GROUP, [], start=own_image("1.0.0", FROM_2000))
    async with Bench(flash) as bench:
        await bench.says(r"shown \d+|Error")
    assert "shown 946684800" in bench.log


async def test_clock_is_never_behind_what_was_kept_since_provisioning(tmp_path: Path) -> None:
    flash = make_flash(tmp_path / "b.bin", "http://127.0.0.1:1", GROUP, [], start=own_image("1.0.0", RULES))
    async with Bench(flash) as bench:
        await bench.says(r"over\n|Error")
    said = bench.log[bench.log.index("provisioned") :].split("\nover")[0].splitlines()
    assert said == [
        "provisioned 1800000000",
        "told 1800050000",
        "less than a day 1800000000",
        "a day 1800100000",
        "backwards 1800100000",
        "provisioned again 1790000000",
        "full 1800500000",
        "after full 1800100000",
    ]
    assert floor_s(flash) == 1_800_100_000
