"""The file system of a flash file, read and written while the board is off.

Power loss: LittleFS writes a file's new content beside the old one and then commits it with one program, so that a cut
leaves the old content or the new one, whole.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from littlefs import LittleFS, LittleFSError, UserContext

from twinslot_sim import partitions
from twinslot_sim.errors import EspError, TwinslotError
from twinslot_sim.factory import geometry
from twinslot_sim.nor import SECTOR_SIZE, Nor


class NoFileSystem(TwinslotError):
    """There is no file system in the flash, or not this file in it; the message says which."""


def read_file(flash: Path, name: str) -> bytes:
    """The content of the board's file `name`. Raises NoFileSystem, or FlashFileError for what is no flash."""
    with Nor(flash) as nor, _mounted(_Recorded(nor)) as fs, fs.open(name, "rb") as file:
        content: bytes = file.read()
        return content


def write_file(nor: Nor, name: str, content: bytes) -> None:
    """The board's file `name` holds `content`. Raises NoFileSystem when it can't."""
    recorded = _Recorded(nor)
    with _mounted(recorded) as fs, fs.open(name, "wb") as file:
        file.write(content)
    for step in recorded.steps:
        # CUT: the old content, or the new one
        step()


class _Recorded(UserContext):
    """A copy of the board's file system, and in `steps` what LittleFS did to it, to be done to the flash in this order.

    LittleFS does not run on the flash itself: an exception of the flash would be lost on its way through C.
    """

    def __init__(self, nor: Nor) -> None:
        try:
            rows = {row.label: row for row in partitions.read(nor)}
        except (partitions.PartitionTableError, EspError) as error:
            raise NoFileSystem(f"{nor.path} has no partition table: {error}") from error
        if "vfs" not in rows:
            raise NoFileSystem(f"{nor.path} has no partition for files")
        self.vfs = rows["vfs"]
        self.path = nor.path
        self.steps: list[Callable[[], None]] = []
        self._nor = nor
        super().__init__(buffer=bytearray(nor.read(self.vfs.offset, self.vfs.size)))

    def prog(self, cfg: Any, block: int, off: int, data: bytes) -> int:
        self.steps.append(partial(self._nor.program, self.vfs.offset + block * SECTOR_SIZE + off, bytes(data)))
        return int(super().prog(cfg, block, off, data))

    def erase(self, cfg: Any, block: int) -> int:
        self.steps.append(partial(self._nor.erase, self.vfs.offset + block * SECTOR_SIZE, SECTOR_SIZE))
        return int(super().erase(cfg, block))


@contextmanager
def _mounted(recorded: _Recorded) -> Iterator[LittleFS]:
    fs = LittleFS(context=recorded, mount=False, **geometry(recorded.vfs))
    try:
        fs.mount()
        yield fs
    except (LittleFSError, FileNotFoundError) as error:
        raise NoFileSystem(f"the file system of {recorded.path} can't be used: {error}") from error
