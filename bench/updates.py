"""How long a delta update keeps a board's flash and its link busy, beside the least that it could, and what a power cut
half-way costs: pairs of real programs, on the simulator's virtual clock."""

import asyncio
import resource
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from twinslot_sim.nor import PAGE_SIZE, SECTOR_SIZE
from twinslot_sim.partitions import MICROPYTHON_4MIB_OTA

from .boards import Delta, Link, On, confirm, delta, linked, make_flash, publish
from .devices import TWINSLOT, running, twinslot
from .programs import pairs

LINK_BYTES_PER_MS = 500
ERASE_MS, PROGRAM_MS = 45, 0.7
SECTOR_MS = ERASE_MS + SECTOR_SIZE // PAGE_SIZE * PROGRAM_MS
SLOT = {row.label: row for row in MICROPYTHON_4MIB_OTA}["ota_0"]
DEVICE = "bench-1"
LAST_WORDS = "restarting into 1.2.0"


@dataclass
class Run:
    """What an update took from its first line to the restart: ms of flash, sectors that were erased in the slot, bytes
    that came, and the number of the flash operation half-way; and the processor time of the whole run here."""

    flash_ms: int
    sectors: int
    bytes_down: int
    middle_op: int
    processor_s: float


async def update(flash: Path, link: Link, made: Delta, cut_at_op: int | None = None) -> Run:
    """The board of a copy of this flash is about to start 1.2.0, out of the delta alone. The server does not hear of
    that, and offers the same again."""
    copy = flash.with_suffix(".copy")
    shutil.copyfile(flash, copy)
    marks: list[tuple[int, int, int, int]] = []
    awaited = ["downloading", LAST_WORDS]
    used_s = _processor_s()
    link.fetched.clear()

    def mark() -> None:
        if awaited and awaited[0] in on.log:
            awaited.pop(0)
            marks.append((on.board.flash_busy_ms, on.board.flash_ops, link.fetched.total(), _erased(on)))

    async with On(copy, LAST_WORDS, cut_at_op=cut_at_op, keep_bytes=PAGE_SIZE // 2) as on:
        on.on_more = mark
        await on.until(lambda: False)
    assert link.files() == {made.sha256}, on.log
    first, last = marks
    middle_op = (first[1] + last[1]) // 2
    return Run(last[0] - first[0], last[3] - first[3], last[2] - first[2], middle_op, _processor_s() - used_s)


def _processor_s() -> float:
    """The processor time of the processes that this one has started, and that are over."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _erased(on: On) -> int:
    """Erases of the sectors of ota_0 so far."""
    return sum(on.board.nor.wear[SLOT.offset // SECTOR_SIZE : (SLOT.offset + SLOT.size) // SECTOR_SIZE])


def sectors_that_differ(flash: Path, content: bytes) -> int:
    """How many sectors of ota_0 must be written for it to begin with the content."""
    with flash.open("rb") as file:
        file.seek(SLOT.offset)
        there = file.read(len(content))
    places = range(0, len(content), SECTOR_SIZE)
    return sum(there[at : at + SECTOR_SIZE] != content[at : at + SECTOR_SIZE] for at in places)


async def one(name: str, old: bytes, new: bytes, folder: Path) -> None:
    """A row: the update of a board from the old image to the new one, and the same with a cut half-way."""
    data, flash = folder / "data", folder / "flash"
    with running(TWINSLOT, "serve", "--data", str(data), "--port", "0") as server:
        group = twinslot(server, data, "group", "create", name, "--app", "kettle")
        async with linked(server) as link:
            await make_flash(flash, server, link, group, DEVICE, {})
            publish(server, data, "1.1.0", old)
            await confirm(flash, "1.1.0")  # the other slot holds 1.0.0
            publish(server, data, "1.2.0", new)
            made = await delta(server, data, flash, DEVICE)
            whole = await update(flash, link, made)
            cut = await update(flash, link, made, whole.middle_op)
    least_ms = sectors_that_differ(flash, new) * SECTOR_MS + made.size_bytes / LINK_BYTES_PER_MS
    print(row(name, len(new), whole, cut, least_ms), flush=True)


def row(name: str, image_bytes: int, whole: Run, cut: Run, least_ms: float) -> str:
    """What there is to say of an update, and of one that was cut, beside the least time that it could take."""
    took_ms = whole.flash_ms + whole.bytes_down / LINK_BYTES_PER_MS
    sectors, more_bytes = cut.sectors - whole.sectors, cut.bytes_down - whole.bytes_down
    return (
        f"{name:20}{image_bytes / 1024:7.0f} KiB,{whole.bytes_down / 1024:7.1f} fetched,{took_ms / 1000:7.2f} s,"
        f" {took_ms / least_ms:.3f} of the bound;{whole.processor_s:5.1f} s of this processor;"
        f" a cut half-way: {sectors} sectors, {more_bytes / 1024:.1f} KiB again"
    )


async def main() -> None:
    for name, old, new in pairs():
        with tempfile.TemporaryDirectory() as folder:
            await one(name, old, new, Path(folder))


asyncio.run(main())
