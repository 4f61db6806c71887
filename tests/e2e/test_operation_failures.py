"""What goes wrong around an operation on a board: no memory, an agent that is cancelled, an inventory that the server
does not take, what the board's configuration does not allow."""

from __future__ import annotations

from ..host.packaging import download
from .conftest import Site
from .lab import Bench, app_image, own_image
from .working import APP, connected, done, image, kept, known, let_it_end, operation, outcome, submit

UNTAKEN = (
    'import twinslot.packages\ntwinslot.packages.inventory = lambda: [{"name": "/", "version": "", "modules": []}]\n'
)
NO_OUTCOME = """
import twinslot.agent
from twinslot import hw
load = twinslot.agent.load

def fail(name):
    if name == "twinslot.operations" and b"succeeded" in hw.load_operation():
        raise MemoryError("memory allocation failed")
    return load(name)

twinslot.agent.load = fail
"""
HOARD = """
import asyncio

@agent.verb("hoard")
async def hoard():
    spare, held = bytearray(1500), []
    asyncio.create_task(clear(held))
    await asyncio.sleep(0)
    for n in range(50):
        print("x" * 99)
    for size in (4096, 1024, 256, 64, 16):
        try:
            while True:
                held[:] = [[bytearray(size), held[:]]]
        except MemoryError:
            pass
    spare = None

async def clear(held):
    await asyncio.sleep(2)
    held.clear()
"""
NO_COMMAND = """
import twinslot.hooks
load = twinslot.hooks.load

def fail(name):
    if name == "twinslot.command":
        raise MemoryError("memory allocation failed")
    return load(name)

twinslot.hooks.load = fail
"""
NOT_KEPT = """
from twinslot import hw
from twinslot.errors import TransferError
from twinslot.liaison import Liaison
keep, ask, asked = hw.keep, Liaison.ask, []

def full(key, value):
    if key == hw.OPERATION and b"begun" not in value:
        raise TransferError("NVS is full")
    keep(key, value)

async def fail(liaison, path, document):
    if document.get("state") == "succeeded":
        asked.append(document)
        if len(asked) < 3:
            raise MemoryError("memory allocation failed")
    return await ask(liaison, path, document)

hw.keep, Liaison.ask = full, fail
"""
NO_KIND = """
from twinslot.liaison import Liaison
check_in = Liaison.check_in

async def spoil(liaison, *how):
    await check_in(liaison, *how)
    if liaison.orders.get("operation"):
        del liaison.orders["operation"]["kind"]
        Liaison.check_in = check_in

Liaison.check_in = spoil
"""
CANCELLED = """
import asyncio, twinslot
agent = twinslot.Agent()
begun, over = asyncio.Event(), asyncio.Event()

@agent.verb("leave")
async def leave():
    running.cancel()
    try:
        await asyncio.sleep(600)
    finally:
        print("off")

@agent.verb("stay")
async def stay():
    if agent.operation["attempt"] == 1:
        running.cancel()
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            await begun.wait()
        print("the first goes on")
        over.set()
    else:
        print("one")
        begun.set()
        await over.wait()
        await asyncio.sleep(0.1)
        print("two")

async def run():
    global running
    while True:
        running = asyncio.create_task(agent.run())
        try:
            await running
        except asyncio.CancelledError:
            print("the agent begins anew")

def main():
    asyncio.run(run())
"""


async def test_inventory_that_the_server_refuses_stops_no_operation_and_no_update(site: Site) -> None:
    async with Bench(site.flash(start=own_image("1.0.0", UNTAKEN + APP))) as bench:
        await bench.says("inventory: the server answered 400")
        assert (await done(site, bench, "blink"))["state"] == "succeeded"
        site.publish(app_image("1.1.0"), "1.1.0")
        await bench.confirmed("1.1.0")


async def test_board_without_memory_to_tell_an_outcome_takes_a_release_and_tells_it_when_there_is_memory(
    site: Site,
) -> None:
    flash = site.flash(start=own_image("1.0.0", NO_OUTCOME + APP))
    async with Bench(flash) as bench:
        await known(site, bench)
        id = submit(site, "simmer")
        await bench.until(lambda: operation(site, id)["output"] == "boils\n")
        site.kill()
        let_it_end(bench)
        await bench.until(lambda: b"succeeded" in kept(flash))
    site.start()
    site.publish(app_image("1.1.0"), "1.1.0")
    async with Bench(flash) as bench:
        await bench.confirmed("1.1.0")
        assert "twinslot: memory allocation failed" in bench.log
        ended = await outcome(site, bench, id)
    assert (ended["state"], ended["attempt"]) == ("succeeded", 1)


async def test_verb_that_leaves_no_memory_loses_its_output_and_not_its_outcome(site: Site) -> None:
    async with Bench(site.flash(start=own_image("1.0.0", APP.replace("def main", HOARD + "\ndef main")))) as bench:
        await known(site, bench)
        ended = await done(site, bench, "hoard", 20)
    assert (ended["state"], ended["attempt"], ended["output"], ended["cut"]) == ("succeeded", 1, "", True), bench.log
    assert bench.board.boots == 1


async def test_command_that_there_is_no_memory_for_fails_at_once(site: Site) -> None:
    async with Bench(site.flash(start=own_image("1.0.0", NO_COMMAND + APP))) as bench:
        await known(site, bench)
        ended = await done(site, bench, "blink", 20)
    assert (ended["state"], ended["attempt"], ended["reason"]) == ("failed", 1, "MemoryError"), bench.log
    assert bench.board.boots == 1


async def test_outcome_that_nvs_has_no_room_for_waits_in_ram_for_the_memory_to_tell_it(site: Site) -> None:
    async with Bench(site.flash(start=own_image("1.0.0", NOT_KEPT + APP))) as bench:
        await known(site, bench)
        ended = await done(site, bench, "blink")
    assert (ended["state"], ended["attempt"], ended["output"]) == ("succeeded", 1, "blinks\n0\n"), bench.log
    assert bench.log.count("memory allocation failed") == 2


async def test_order_without_a_kind_is_none_and_the_agent_goes_on(site: Site) -> None:
    async with Bench(site.flash(start=own_image("1.0.0", NO_KIND + APP))) as bench:
        await known(site, bench)
        ended = await done(site, bench, "blink")
    assert ended["state"] == "succeeded"
    assert ("twinslot: not an operation" in bench.log, "error: KeyError" in bench.log) == (True, False), bench.log


async def test_operation_whose_agent_is_cancelled_ends_and_is_told(site: Site) -> None:
    async with Bench(site.flash(start=own_image("1.0.0", CANCELLED))) as bench:
        await known(site, bench)
        ended = await done(site, bench, "leave")
    assert (ended["state"], ended["attempt"], ended["output"]) == ("failed", 1, "off\n")
    assert ended["reason"] == "CancelledError"
    assert "the agent begins anew" in bench.log


async def test_verb_that_goes_on_after_its_end_does_not_print_into_the_next_attempt(site: Site) -> None:
    async with Bench(site.flash(start=own_image("1.0.0", CANCELLED))) as bench:
        await known(site, bench)
        ended = await done(site, bench, "stay")
    assert (ended["state"], ended["attempt"], ended["output"]) == ("succeeded", 2, "one\ntwo\n"), bench.log
    assert "\nthe first goes on\n" in bench.log
    assert "\ntwo\n" not in bench.log


async def test_board_does_not_do_what_its_configuration_does_not_allow(site: Site) -> None:
    async with Bench(site.flash(start=image(), wait_s=60, allow_packages=False)) as bench:
        await connected(site, bench)
        ran = await done(site, bench, "exec 'print(1)'")
        made = download(site.server, "kettle-7", uri="http://127.0.0.1/heater.py", version="1.0")
        installed = await outcome(site, bench, made.json["operationId"])
    assert (ran["exit_code"], ran["output"]) == (127, "")
    assert (installed["state"], installed["reason"]) == (
        "failed",
        "this board takes only what its publisher has signed",
    )
