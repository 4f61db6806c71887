"""The RAM of a board with 128 KiB: what operations and packages take of it, and that it comes back."""

from __future__ import annotations

import re

from twinslot_sim.vfs import read_file

from ..host.packaging import download, upload
from .conftest import Site
from .lab import Bench, app_image, own_image
from .working import APP, done, image, known, outcome

NAMES_OF_OPERATIONS = 7168  # bytes: MicroPython forgets no name that it has met, and its table of them doubles once
PACKAGES = 4096  # `packages` and `index`, which stay, and the names of the others
SPLINTER = 2048
SECTOR = 4096  # bytes: an update takes no larger piece
FILES = 20
LOOKING = (
    APP[: APP.index("def main")]
    + """
import gc

def largest():
    low, high = 0, 65536
    while high - low > 256:
        size = (low + high) // 2
        try:
            bytearray(size)
            low = size
        except MemoryError:
            high = size
    return low

pause = agent.pace.pause
pauses = False

async def paused():  # what a check-in takes, for as long as the server takes for it, does not count
    global pauses
    pauses = agent.state == "idle" and not agent.untold and agent.pace.pause_s
    try:
        await pause()
    finally:
        pauses = False

agent.pace.pause = paused

async def look():
    while True:
        await asyncio.sleep(0.2)
        if pauses:
            gc.collect()
            print("free", gc.mem_free(), "largest", largest())

async def beside():
    asyncio.create_task(look())
    await agent.run()

def main():
    asyncio.run(beside())
"""
)


async def idle(bench: Bench) -> tuple[int, int]:
    """Bytes of the heap that are free, and those of its largest free piece, once the board has nothing to do."""
    seen, found = len(bench.log), []

    def looked() -> bool:
        found[:] = re.findall(r"free (\d+) largest (\d+)", bench.log[seen:])
        return len(found) > 2

    await bench.until(looked)
    print(found)
    return int(found[-1][0]), int(found[-1][1])


async def test_ram_of_operations_and_packages_comes_back_and_stays_in_one_piece(site: Site) -> None:
    assert upload(site.server, {"lamp.py": b"lit = True\n"}, "lamp", "1").status == 201
    async with Bench(site.flash(start=own_image("1.0.0", LOOKING), poll_s=1)) as bench:
        await known(site, bench)
        before, piece = await idle(bench)
        await done(site, bench, "blink")
        once, piece_once = await idle(bench)
        assert (once > before - NAMES_OF_OPERATIONS, piece_once > piece // 2) == (True, True)
        for _ in range(9):
            assert (await done(site, bench, "blink"))["state"] == "succeeded"
        often, piece_often = await idle(bench)
        assert (often > once - SPLINTER, piece_often > piece_once - SPLINTER) == (True, True)
        made = download(site.server, "kettle-7", uri="package:lamp", name="lamp", version="1")
        assert (await outcome(site, bench, made.json["operationId"]))["state"] == "succeeded"
        after, piece_after = await idle(bench)
        assert (after > before - NAMES_OF_OPERATIONS - PACKAGES, piece_after > SECTOR) == (True, True)
        site.publish(app_image("1.1.0"), "1.1.0")
        await bench.confirmed("1.1.0")


async def test_package_of_many_files_needs_no_more_than_there_is_beside_a_small_application(site: Site) -> None:
    files = {f"lamps/shade_number_{n:02}.py": f"LIT = {n}\n".encode() for n in range(FILES)}
    assert upload(site.server, files, "lamps", "1").status == 201
    flash = site.flash(start=image(), poll_s=1)
    async with Bench(flash) as bench:
        await known(site, bench)
        made = download(site.server, "kettle-7", uri="package:lamps", name="lamps", version="1")
        ended = await outcome(site, bench, made.json["operationId"])
    assert (ended["state"], ended["reason"]) == ("succeeded", ""), bench.log
    assert {path: read_file(flash, f"/packages/lamps/1/{path}") for path in files} == files
