"""What the tests of operations share: an application with verbs, and a queue that is filled and watched."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from twinslot_sim import bootloader
from twinslot_sim.errors import EspError
from twinslot_sim.nor import Nor
from twinslot_sim.nvs import Nvs

from .conftest import Site
from .lab import Bench, own_image

APP = """
import asyncio, machine, ntptime, sys, twinslot
from twinslot import hw
agent = twinslot.Agent()
watchdog = hw.Watchdog
# So that a test need not wait so long; a short one is left what a busy machine needs.
hw.Watchdog = lambda timeout: watchdog(timeout=timeout // 5 if timeout > 30_000 else timeout)

@agent.verb("blink")
def blink(*times):
    print("blinks", *times, sep="-")
    return len(times)

@agent.verb("pour")
async def pour(litres):
    other = asyncio.create_task(background())
    for n in range(int(litres)):
        print("litre", n + 1)
        await asyncio.sleep(0)
    await other
    print("overflow", file=sys.stderr)
    return "{id} {attempt}".format(**agent.operation)

async def background():
    print("printed beside")

@agent.verb("flood")
def flood(lines):
    for n in range(int(lines)):
        print("{:07}".format(n), "x" * 55)

@agent.verb("spring")
async def spring(lines):
    for n in range(int(lines)):
        print("{:07}".format(n), "x" * 55)
        while len(agent.telling.output) > 1024:
            await asyncio.sleep(0.02)

@agent.verb("odd")
def odd():
    print("\\x1b[31m\\x00\\t\\u20ac\\U0001f4a7" + chr(0xd800))

@agent.verb("fail")
def fail(code=None):
    if code is None:
        raise ValueError("the kettle is empty")
    raise SystemExit(int(code))

@agent.verb("boil")
async def boil(seconds):
    print("boils")
    try:
        await asyncio.sleep(float(seconds))
    finally:
        print("off")

@agent.verb("simmer")
async def simmer():
    print("boils")
    while not has_seen():
        await asyncio.sleep(0.1)
    print("off")

def has_seen():
    try:
        return ntptime.time()
    except OSError:
        return 0

@agent.verb("crash")
async def crash(how):
    print("run", agent.operation["attempt"])
    if agent.operation["attempt"] == 1:
        await asyncio.sleep(2)
        if how == "reset":
            machine.reset()
        while True:
            pass

def main():
    print("runs, as boot", machine.reset_cause())
    asyncio.run(agent.run())
"""


def image() -> bytes:
    """An image whose application has verbs."""
    return own_image("1.0.0", APP)


def let_it_end(bench: Bench) -> None:
    """`simmer` ends, which goes on until a time server is there: a test has seen what it wanted to see meanwhile."""
    bench.board.time_server = lambda: int(time.time())


def submit(site: Site, command: str, timeout: int = 60, device: str = "kettle-7") -> str:
    """The id of the operation, which is at the end of the device's queue."""
    job = {"name": command[:100], "command": command, "device": device, "timeout": timeout}
    answer = site.server.api("POST", "/jobs", job)
    assert answer.status == 201, answer.body
    (child,) = site.server.api("GET", f"/jobs/{answer.json['id']}/children").json["items"]
    return str(child["id"])


def operation(site: Site, id: str) -> dict[str, Any]:
    """The operation as the server has it."""
    found: dict[str, Any] = site.server.api("GET", f"/operations/{id}").json
    return found


def is_over(site: Site, id: str) -> bool:
    return operation(site, id)["ended_at"] is not None


async def known(site: Site, bench: Bench, device: str = "kettle-7") -> None:
    """Waits until the server knows the device."""
    await bench.until(lambda: site.server.api("GET", f"/devices/{device}").status == 200)


async def connected(site: Site, bench: Bench, device: str = "kettle-7") -> None:
    """Waits until the server holds a check-in of the device."""
    await bench.until(lambda: site.server.api("GET", f"/devices/{device}").body.find(b'"connected":true') >= 0)


async def held(site: Site, bench: Bench) -> None:
    """Waits until the server holds a check-in, of whichever board."""
    await bench.until(lambda: site.server.counted("held_check_ins") == 1)


async def outcome(site: Site, bench: Bench, id: str) -> dict[str, Any]:
    """The operation, which is over."""
    await bench.until(lambda: is_over(site, id))
    return operation(site, id)


async def done(site: Site, bench: Bench, command: str, limit_s: int = 60) -> dict[str, Any]:
    """The operation that the command was, which is over."""
    return await outcome(site, bench, submit(site, command, limit_s))


def kept(flash: Path) -> bytes:
    """What the board has kept of an operation."""
    copy = flash.with_suffix(".look")
    shutil.copy(flash, copy)
    with Nor(copy) as nor:
        nvs = bootloader.nvs_partition(nor)
        try:
            return Nvs(nor, nvs.offset, nvs.size).get_blob("twinslot", "operation")
        except EspError:
            return b""
