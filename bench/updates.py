"""How long a delta update keeps a board's flash and its link busy, beside the least that it could, and what a power cut
half-way costs: pairs of real programs, on the simulator's virtual clock."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devices import TWINSLOT, Process, deltas, running, twinslot
from programs import pairs
from twinslot_sim import applications, factory, micropython
from twinslot_sim.board import Board
from twinslot_sim.nor import PAGE_SIZE, SECTOR_SIZE
from twinslot_sim.partitions import MICROPYTHON_4MIB_OTA
from twinslot_tools import provision
from twinslot_tools.board_files import board_files

LINK_BYTES_PER_MS = 500
ERASE_MS, PROGRAM_MS = 45, 0.7
SECTOR_MS = ERASE_MS + SECTOR_SIZE // PAGE_SIZE * PROGRAM_MS
SLOT = {row.label: row for row in MICROPYTHON_4MIB_OTA}["ota_0"]
PATIENCE_S = 120
DEVICE = "bench-1"


@dataclass
class Link:
    """The way to the server, which counts the bytes that come from there."""

    address: str = ""
    bytes_down: int = 0


@dataclass
class Run:
    """What an update took from its first line to the restart: ms of flash, sectors that were erased in the slot, bytes
    that came; and the number of the flash operation half-way."""

    flash_ms: int
    sectors: int
    bytes_down: int
    middle_op: int


@asynccontextmanager
async def counted(server: Process) -> AsyncIterator[Link]:
    """A link to the server, within the block."""
    link, port = Link(), int(server.address.rsplit(":", 1)[1])

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_pump(reader, far_writer, None), _pump(far_reader, writer, link))

    front = await asyncio.start_server(relay, "127.0.0.1", 0)
    async with front:
        link.address = f"http://127.0.0.1:{front.sockets[0].getsockname()[1]}"
        yield link


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, counts: Link | None) -> None:
    try:
        while data := await reader.read(1024):
            if counts:  # slower than a board reads, so that what came is what it took
                await asyncio.sleep(0.005)
                counts.bytes_down += len(data)
            writer.write(data)
            await writer.drain()
    except OSError:
        return  # one side has gone, and the other will
    finally:
        writer.close()


async def update(flash: Path, version: str, link: Link, cut_at_op: int | None = None) -> Run:
    """The board of this flash has confirmed the version."""
    marks: list[tuple[int, int, int, int]] = []

    def heard(data: bytes) -> None:
        if (b"downloading" in data and not marks) or b"restarting into" in data:
            marks.append((board.flash_busy_ms, board.flash_ops, link.bytes_down, _erased(board)))

    board = Board(
        flash, interpreter=micropython.find(), on_output=heard, cut_at_op=cut_at_op, keep_bytes=PAGE_SIZE // 2
    )
    ran = asyncio.ensure_future(board.run())
    try:
        async with asyncio.timeout(PATIENCE_S):
            record: dict[str, Any] = {}
            while not record or record["confirmed"]["version"] != version or record["report"]:
                assert not ran.done()
                await asyncio.sleep(0.1)
                record = board.record() or {}
    finally:
        board.power_off()
        await ran
    first, last = marks
    return Run(last[0] - first[0], last[3] - first[3], last[2] - first[2], (first[1] + last[1]) // 2)


def _erased(board: Board) -> int:
    """Erases of the sectors of ota_0 so far."""
    return sum(board.nor.wear[SLOT.offset // SECTOR_SIZE : (SLOT.offset + SLOT.size) // SECTOR_SIZE])


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
        async with counted(server) as link:
            await _at_the_old_image(server, data, group, link, flash, old)
            _publish(server, data, folder, new, "1.2.0")
            copies = [folder / f"flash{number}" for number in range(3)]
            for copy in copies:
                shutil.copyfile(flash, copy)
            await update(copies[0], "1.2.0", link)  # its check-in makes the server build the delta
            await deltas(server, 1)
            differ = sectors_that_differ(copies[1], new)
            whole = await update(copies[1], "1.2.0", link)
            cut = await update(copies[2], "1.2.0", link, whole.middle_op)
    least_ms = differ * SECTOR_MS + whole.bytes_down / LINK_BYTES_PER_MS
    took_ms = whole.flash_ms + whole.bytes_down / LINK_BYTES_PER_MS
    more = cut.sectors - whole.sectors, cut.bytes_down - whole.bytes_down
    print(
        f"{name:20}{len(new) / 1024:7.0f} KiB,{whole.bytes_down / 1024:7.1f} fetched,{took_ms / 1000:7.2f} s,"
        f" {took_ms / least_ms:.3f} of the bound; a cut half-way: {more[0]} sectors, {more[1] / 1024:.1f} KiB again",
        flush=True,
    )


async def _at_the_old_image(
    server: Process, data: Path, group: dict[str, Any], link: Link, flash: Path, old: bytes
) -> None:
    """The board of this flash has confirmed the old image; its other slot holds 1.0.0."""
    known = await provision.ask_group(server.address, group["id"], group["token"], DEVICE)
    settings = provision.configuration(known, DEVICE, app="kettle", version="1.0.0", poll_s=1, trial_s=PATIENCE_S)
    files = {**board_files(), "/twinslot.json": json.dumps({**settings, "server": link.address}).encode()}
    factory.make_flash(flash, applications.app_image("kettle", "1.0.0"), files)
    _publish(server, data, flash.parent, old, "1.1.0")
    await update(flash, "1.1.0", link)


def _publish(server: Process, data: Path, folder: Path, content: bytes, version: str) -> None:
    file = folder / f"{version}.bin"
    file.write_bytes(content)
    twinslot(server, data, "publish", str(file), "--app", "kettle", "--version", version)


async def main() -> None:
    for name, old, new in pairs():
        with tempfile.TemporaryDirectory() as folder:
            await one(name, old, new, Path(folder))


asyncio.run(main())
