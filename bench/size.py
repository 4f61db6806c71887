"""What the device package takes: `.mpy` bytes of each module; and, on the 32-bit build, the RAM of a signed update,
agent and imports included, by a delta and by a bundle of 40 files: how much of the heap is in use at most, and the
smallest heap that is enough."""

import asyncio
import hashlib
import re
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.certificates import Authority
from twinslot_sim import image, micropython
from twinslot_sim.processor import STAND_INS_BYTES

from .boards import APP, Link, On, confirm, delta, linked, make_flash, publish
from .devices import TWINSLOT, Process, running, twinslot
from .files import files, publish_files
from .modules import BUDGET_BYTES, of_updates, sizes

GOAL_KIB = 96
PLENTY_KIB = 128
TRIES = 4
CA = "/twinslot-ca.pem"
LOOK = "look"
LAST_WORDS = "restarting into 1.2.0"
SHORT = re.compile(".*(?:MemoryError|memory allocation failed|connection:|failed:|refused:).*")
IN_USE = re.compile(r"in use: (\d+)")
APPLICATION = b"""
import asyncio, gc, os, twinslot
async def look():
    most = 0
    while True:
        gc.collect()
        if gc.mem_alloc() > most:
            most = gc.mem_alloc()
            print("in use:", most)
        await asyncio.sleep(0)
async def run():
    if "look" in os.listdir("/"):
        asyncio.create_task(look())
    await twinslot.Agent().run()
def main():
    asyncio.run(run())
"""


def modules() -> None:
    """The size of each module is printed, and the sums: of what an update needs, against the budget, and of all."""
    needed, size_bytes = of_updates(), sizes()
    for name, size in sorted(size_bytes.items(), key=lambda item: (item[0] not in needed, -item[1])):
        print(f"{size:7,} {name}{'' if name in needed else ' (operations, packages)'}")
    total = sum(size_bytes[name] for name in needed)
    print(f"{total:7,} bytes of .mpy for updates, {total / BUDGET_BYTES:.2f} of the budget of {BUDGET_BYTES:,}")
    print(f"{sum(size_bytes.values()):7,} bytes of .mpy in all")


@dataclass(frozen=True)
class Kind:
    """A kind of update: `publish` of its releases, the later one of which is mended, and what a board is offered then:
    the digest of the transfer that brings it."""

    name: str
    publish: Callable[[Process, Path, str, bool], None]
    offered: Callable[[Process, Path, Path, str], Awaitable[str]]


def publish_image(server: Process, data: Path, version: str, is_mended: bool) -> None:
    """The release, an image, is there for all."""
    publish(server, data, version, app_image(version, b"a line that was not there before\n" if is_mended else b""))


async def offered_delta(server: Process, data: Path, flash: Path, device: str) -> str:
    """The digest of the delta for the device, whose board has this flash."""
    return (await delta(server, data, flash, device)).sha256


def publish_bundle(server: Process, data: Path, version: str, is_mended: bool) -> None:
    """The release, a bundle of 40 files, is there for all."""
    publish_files(server, data, version, files(APPLICATION, mended=is_mended))


async def offered_bundle(server: Process, data: Path, flash: Path, device: str) -> str:
    """The digest of the transfer that is the same for all boards."""
    return str(twinslot(server, data, "explain", device)["offer"]["transfer"]["sha256"])


KINDS = (
    Kind("a delta", publish_image, offered_delta),
    Kind("a bundle of 40 files", publish_bundle, offered_bundle),
)


def app_image(version: str, mended: bytes = b"") -> bytes:
    """An image of some 250 KB, of which two fifths do not compress; what is mended moves what follows it."""
    noise = hashlib.shake_256(b"noise").digest(100_000)
    text = b"".join(b"line %d of a table\n" % line for line in range(5000))
    return image.build(APP, version, {"app.py": APPLICATION, "data.bin": noise[:50_000] + mended + text + noise})


@dataclass
class Updating:
    """A board that runs 1.1.0, off; copies of it update to 1.2.0, by the file `transfer`."""

    device: str
    flash: Path
    link: Link
    transfer: str = ""

    async def updated(self, heap_kib: int) -> On:
        """The board, off again, with a heap of that size: it is about to start 1.2.0, or `lacks` RAM for that. The
        server does not hear of it, and offers the same again."""
        copy = self.flash.with_suffix(".copy")
        shutil.copyfile(self.flash, copy)
        self.link.fetched.clear()
        async with On(copy, LAST_WORDS, heap_bytes=heap_kib * 1024) as on:
            await on.until(lambda: bool(self.lacks(on)))
        return on

    def lacks(self, on: On) -> str:
        """What shows that the board was short of RAM in its last update; nothing when it was not."""
        error = SHORT.search(on.log)
        return "fetches the image too" if self.link.files() - {self.transfer} else error[0].strip() if error else ""

    async def lacks_once(self, heap_kib: int) -> str:
        """What the board lacked with that heap in one of TRIES updates: what comes when is not the same each time."""
        for _ in range(TRIES):
            if lacks := self.lacks(await self.updated(heap_kib)):
                return lacks
        return ""

    async def smallest_heap_kib(self) -> int:
        """The smallest heap in which the update goes through each time."""
        too_small, enough = 40, PLENTY_KIB
        while enough - too_small > 1:
            heap_kib = (too_small + enough) // 2
            lacks = await self.lacks_once(heap_kib)
            too_small, enough = (heap_kib, enough) if lacks else (too_small, heap_kib)
            print(f"  {heap_kib} KiB: {lacks or 'enough'}", flush=True)
        return enough


async def memory(folder: Path, kind: Kind) -> None:
    """The figures of RAM of such an update are printed, for HTTP and for TLS."""
    data, authority = folder / "data", Authority(folder)
    with running(TWINSLOT, "serve", "--data", str(data), "--port", "0") as server:
        group = twinslot(server, data, "group", "create", "size", "--app", APP)
        kind.publish(server, data, "1.1.0", False)
        async with linked(server) as http, linked(server, authority.context()) as tls:

            async def board(device: str, link: Link, more: dict[str, bytes]) -> Updating:
                flash, lying = folder / device, {CA: authority.pem, **more}
                secured = {"ca": CA, "clock_s": int(time.time())} if link is tls else {}
                await make_flash(flash, server, link, group, device, lying, **secured)
                await confirm(flash, "1.1.0")
                return Updating(device, flash, link)

            boards = [
                (await board(name, link, {}), await board(f"{name}-looking", link, {LOOK: b""}))
                for name, link in (("HTTP", http), ("TLS", tls))
            ]
            kind.publish(server, data, "1.2.0", True)
            for plain, looking in boards:
                plain.transfer = looking.transfer = await kind.offered(server, data, plain.flash, plain.device)
                print(f"an update by {kind.name}, over {plain.device}:", flush=True)
                await tell(plain, looking)


def in_use_kib(log: str) -> float:
    """The most of the heap that was in use by that log, without what stands in for a chip's own modules."""
    return (max(map(int, IN_USE.findall(log))) - STAND_INS_BYTES) / 1024


async def tell(plain: Updating, looking: Updating) -> None:
    """Both figures are printed: `looking` has the file that makes its application look at the heap."""
    on = await looking.updated(PLENTY_KIB)
    assert not looking.lacks(on), on.log
    print(f"heap in use before the download: {in_use_kib(on.log.partition('downloading')[0]):.1f} KiB")
    most_kib = in_use_kib(on.log)
    print(f"peak of the heap in use: {most_kib:.1f} KiB, {most_kib / GOAL_KIB:.2f} of {GOAL_KIB}")
    enough_kib = await plain.smallest_heap_kib()
    print(f"smallest heap that is enough: {enough_kib} KiB, {enough_kib / GOAL_KIB:.2f} of {GOAL_KIB}")


async def main() -> None:
    modules()
    if not micropython.is_32_bit(micropython.find()):
        print("this MicroPython has 64-bit words, so what follows is not a board's")
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            await memory(Path(folder), kind)


asyncio.run(main())
