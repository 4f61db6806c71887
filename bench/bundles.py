"""What one changed line costs of an application of 40 files, on the wire and in flash, beside the whole of it: two
bundles that a board takes one after the other, on the simulator's virtual clock."""

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

from twinslot_sim.nor import Probe

from .boards import Link, On, confirm, linked, make_flash
from .devices import TWINSLOT, running, twinslot
from .files import files, publish_files
from .programs import APPLICATION

DEVICE = "bench-1"


class Programmed(Probe):
    """Counts what is written to a flash: bytes programmed, sectors erased."""

    def __init__(self) -> None:
        self.program_bytes = 0
        self.erases = 0

    def operated(self, address: int, data: bytes | None) -> None:
        self.program_bytes += len(data or b"")
        self.erases += data is None


@dataclass(frozen=True)
class Seen:
    """What a board has taken so far: bytes from the server, bytes programmed, sectors erased, ms of flash."""

    down_bytes: int
    program_bytes: int
    erases: int
    flash_ms: int

    def since(self, other: "Seen") -> "Seen":
        """What it has taken after the other."""
        return Seen(
            self.down_bytes - other.down_bytes,
            self.program_bytes - other.program_bytes,
            self.erases - other.erases,
            self.flash_ms - other.flash_ms,
        )


async def update(flash: Path, link: Link, version: str) -> Seen:
    """The board of this flash is about to start the version, a bundle; what that took, from its first line on."""
    programmed, awaited, seen = Programmed(), [f"downloading {version}", f"restarting into {version}"], list[Seen]()

    def mark() -> None:
        if awaited and awaited[0] in on.log:
            awaited.pop(0)
            down = link.fetched.total()
            seen.append(Seen(down, programmed.program_bytes, programmed.erases, on.board.flash_busy_ms))

    async with On(flash, f"restarting into {version}", probe=programmed) as on:
        on.on_more = mark
        await on.until(lambda: False)
    first, last = seen
    return last.since(first)


def row(name: str, took: Seen) -> str:
    """What there is to say of an update."""
    return (
        f"{name:16}{took.down_bytes / 1024:7.1f} KiB from the server,{took.program_bytes / 1024:7.1f} KiB programmed,"
        f"{took.erases:4} sectors erased,{took.flash_ms / 1000:6.2f} s of flash"
    )


async def measure(folder: Path) -> None:
    """Both updates are printed, and their ratios."""
    data, flash = folder / "data", folder / "flash"
    with running(TWINSLOT, "serve", "--data", str(data), "--port", "0") as server:
        group = twinslot(server, data, "group", "create", "files", "--app", "kettle")
        async with linked(server) as link:
            await make_flash(flash, server, link, group, DEVICE, {})
            publish_files(server, data, "1.1.0", files(APPLICATION))
            whole = await update(flash, link, "1.1.0")
            await confirm(flash, "1.1.0")
            publish_files(server, data, "1.2.0", files(APPLICATION, mended=True))
            line = await update(flash, link, "1.2.0")
    print(row("all 40 files", whole))
    print(row("one line of them", line))
    print(
        f"one line: {line.down_bytes / whole.down_bytes:.3f} of the bytes from the server, "
        f"{line.program_bytes / whole.program_bytes:.3f} of those programmed, "
        f"{line.flash_ms / whole.flash_ms:.3f} of the time of flash"
    )


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        await measure(Path(folder))


asyncio.run(main())
