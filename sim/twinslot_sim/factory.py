"""A flash as the factory ships it: an app in the first slot, or the only one, its files, and nothing else.

Power loss: the flash is written under another name and then renamed, so a flash file is there whole or not at all.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from littlefs import LittleFS, LittleFSError

from twinslot_sim import image, partitions
from twinslot_sim.bootloader import CHIP_ESP32
from twinslot_sim.errors import TwinslotError
from twinslot_sim.nor import FLASH_SIZE, SECTOR_SIZE, wear_path
from twinslot_sim.partitions import MICROPYTHON_4MIB_OTA, Partition

_UNIT_BYTES = 32
_CACHE_BYTES = 4 * _UNIT_BYTES
_BLOCK_CYCLES = 100


class FactoryError(TwinslotError):
    """What should go into the flash does not fit, or its file can't be written; the message says what."""


def make_flash(
    path: Path,
    app_image: bytes,
    files: Mapping[str, bytes] | None,
    table: Sequence[Partition] = MICROPYTHON_4MIB_OTA,
) -> None:
    """`path` is a flash that has never been booted, in place of any that was there.

    It holds the partition `table`, `app_image` in its first app slot, and a LittleFS of `files` (path to content;
    folders are made), or with `None` no file system: the board makes one when it first boots. otadata and NVS are
    erased, as is the second slot.

    Raises ImageError when the chip would not boot the image, FactoryError when the image or the files are too large,
    or the flash file can't be written.
    """
    image.parse(app_image, chip=CHIP_ESP32)
    flash = bytearray(b"\xff" * FLASH_SIZE)
    rows = partitions.build(table)
    flash[partitions.TABLE_OFFSET : partitions.TABLE_OFFSET + len(rows)] = rows
    slot = next(row for row in table if row.type == partitions.APP)
    if len(app_image) > slot.size:
        raise FactoryError(f"the image has {len(app_image)} bytes, more than the slot's {slot.size}")
    flash[slot.offset : slot.offset + len(app_image)] = app_image
    if files is not None:
        vfs = next(row for row in table if row.label == "vfs")
        flash[vfs.offset : vfs.offset + vfs.size] = _littlefs(vfs, files)
    try:
        wear_path(path).unlink(missing_ok=True)
        _replace(path, flash)
    except OSError as error:
        raise FactoryError(f"the flash file {path} can't be written: {error.strerror}") from error


def check_writable(path: Path) -> None:
    """A flash could be made at `path`. Raises FactoryError when it could not; nothing is left there."""
    try:
        with _temporary(path):
            wear_path(path).stat()
    except FileNotFoundError as error:
        if not path.parent.is_dir():
            raise FactoryError(f"the flash file {path} can't be written: {path.parent} is no folder") from error
    except OSError as error:
        raise FactoryError(f"the flash file {path} can't be written: {error.strerror}") from error


def geometry(vfs: Partition) -> dict[str, Any]:
    """How MicroPython lays LittleFS out in the partition, as littlefs-python's arguments."""
    return {
        "block_size": SECTOR_SIZE,
        "block_count": vfs.size // SECTOR_SIZE,
        "read_size": _UNIT_BYTES,
        "prog_size": _UNIT_BYTES,
        "lookahead_size": _UNIT_BYTES,
        "cache_size": _CACHE_BYTES,
        "block_cycles": _BLOCK_CYCLES,
    }


def _littlefs(vfs: Partition, files: Mapping[str, bytes]) -> bytes:
    """A file system as MicroPython makes and mounts it (extmod/vfs_lfs.c, vfs_lfsx.c: LittleFS 2.1)."""
    fs = LittleFS(**geometry(vfs))
    for name, content in files.items():
        try:
            folder = PurePosixPath("/", name).parent
            fs.makedirs(str(folder), exist_ok=True)
            with fs.open(str(PurePosixPath("/", name)), "wb") as file:
                file.write(content)
        except LittleFSError as error:
            raise FactoryError(f"{name} does not fit into the file system of {vfs.size} bytes") from error
    return bytes(fs.context.buffer)


def _replace(path: Path, content: bytes | bytearray) -> None:
    with _temporary(path) as file:
        file.write(content)
        file.flush()
        # CUT: the old flash, or none
        Path(file.name).replace(path)


@contextmanager
def _temporary(path: Path) -> Iterator[IO[bytes]]:
    """A new file beside `path`, gone after the block unless it was moved in there."""
    with tempfile.NamedTemporaryFile(prefix=f".{path.name}.", dir=path.parent, delete=False) as file:
        try:
            yield file
        finally:
            Path(file.name).unlink(missing_ok=True)
