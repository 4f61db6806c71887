"""The file system of a flash file, read and written while the board is off.

Power loss: LittleFS writes a file's new content beside the old one and then commits it with one program, so that a cut
leaves the old content or the new one, whole.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from littlefs import LittleFS, LittleFSError

from twinslot_sim import partitions
from twinslot_sim.errors import EspError, TwinslotError
from twinslot_sim.factory import geometry
from twinslot_sim.nor import SECTOR_SIZE, Nor


class NoFileSystem(TwinslotError):
    """There is no file system in the flash, or not this file in it; the message says which."""


def read_file(flash: Path, name: str) -> bytes:
    """The content of the board's file `name`. Raises NoFileSystem, or FlashFileError for what is no flash."""
    with Nor(flash) as nor, _mounted(nor) as fs, fs.open(name, "rb") as file:
        content: bytes = file.read()
        return content


def write_file(nor: Nor, name: str, content: bytes) -> None:
    """The board's file `name` holds `content`. Raises NoFileSystem when it can't."""
    # CUT: the old content, or the new one
    with _mounted(nor) as fs, fs.open(name, "wb") as file:
        file.write(content)


class _Window:
    """A partition, as LittleFS calls it."""

    def __init__(self, nor: Nor, start: int) -> None:
        self._nor = nor
        self._start = start

    def read(self, _: object, block: int, offset: int, size: int) -> bytearray:
        return bytearray(self._nor.read(self._start + block * SECTOR_SIZE + offset, size))

    def prog(self, _: object, block: int, offset: int, data: bytes) -> int:
        self._nor.program(self._start + block * SECTOR_SIZE + offset, data)
        return 0

    def erase(self, _: object, block: int) -> int:
        self._nor.erase(self._start + block * SECTOR_SIZE, SECTOR_SIZE)
        return 0

    def sync(self, _: object) -> int:
        return 0


@contextmanager
def _mounted(nor: Nor) -> Iterator[LittleFS]:
    try:
        rows = {row.label: row for row in partitions.read(nor)}
    except (partitions.PartitionTableError, EspError) as error:
        raise NoFileSystem(f"{nor.path} has no partition table: {error}") from error
    if "vfs" not in rows:
        raise NoFileSystem(f"{nor.path} has no partition for files")
    vfs = rows["vfs"]
    fs = LittleFS(context=_Window(nor, vfs.offset), mount=False, **geometry(vfs))
    try:
        fs.mount()
        yield fs
    except (LittleFSError, FileNotFoundError) as error:
        raise NoFileSystem(f"the file system of {nor.path} can't be used: {error}") from error
