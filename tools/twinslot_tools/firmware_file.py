"""The combined `.bin` that micropython.org offers: bootloader, partition table and app, as they lie in a board's flash.

| offset in flash | what lies there |
| --- | --- |
| 0x1000 on ESP32 and S2, 0x2000 on C5 and P4, else 0 | bootloader, an image; the first byte of the file |
| 0x8000 | partition table |
| as the table says | the app, in the first app partition |

Sources: BOOTLOADER_FLASH_OFFSET in esptool's targets; ports/esp32/makeimg.py of MicroPython, which joins them.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from twinslot_sim import image, partitions
from twinslot_sim.image import ImageError
from twinslot_sim.partitions import Partition, PartitionTableError
from twinslot_tools.errors import BadFile

CHIPS = {
    0: ("ESP32", 0x1000),
    2: ("ESP32-S2", 0x1000),
    5: ("ESP32-C3", 0),
    9: ("ESP32-S3", 0),
    12: ("ESP32-C2", 0),
    13: ("ESP32-C6", 0),
    16: ("ESP32-H2", 0),
    18: ("ESP32-P4", 0x2000),
    20: ("ESP32-C61", 0),
    23: ("ESP32-C5", 0x2000),
}
"""Chip id → its name, and where in flash its bootloader begins."""

XTENSA = (0, 2, 9)
"""The chips whose processor is no RISC-V."""


def chip_name(chip: int) -> str:
    """What people call the chip of that id."""
    return CHIPS[chip][0] if chip in CHIPS else f"chip {chip}"


def plain(name: str) -> str:
    """The chip's name as esptool and our options have it, such as esp32s3."""
    return name.lower().replace("-", "")


DOWNLOADS = "https://micropython.org/download"
COMBINED = (
    "What a board is flashed with is the combined .bin of MicroPython: bootloader, partition table and app in one"
)
_BOARD = re.compile(r"([A-Z0-9_]+)-.*\d{8}-v")


@dataclass(frozen=True)
class Firmware:
    """What a combined `.bin` brings. `project` and `version` are what the app says of itself, "" when it does not."""

    chip: int
    project: str
    version: str
    table: tuple[Partition, ...]
    app_size: int

    @property
    def chip_name(self) -> str:
        """The chip's name, as people write it."""
        return CHIPS[self.chip][0]

    @property
    def flash_offset(self) -> int:
        """Where in flash the file's first byte belongs."""
        return CHIPS[self.chip][1]

    @property
    def slots(self) -> list[Partition]:
        """Where apps can lie; one at least."""
        return [row for row in self.table if row.type == partitions.APP]

    @property
    def has_two_slots(self) -> bool:
        """True when updates can go back and forth between ota_0 and ota_1."""
        return len(partitions.slots(self.table)) >= 2


def read(path: Path) -> Firmware:
    """What the combined `.bin` at `path` brings, after checking it as the chip will.

    Raises `BadFile`, which says what it is instead, what is wrong with it, and what to do.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadFile(f"can't read {path}: {error.strerror}") from error
    try:
        return _parsed(data)
    except (ImageError, PartitionTableError) as error:
        raise BadFile(f"{path}: {error}. {COMBINED}; get it anew from {download_page(path)}") from error


def download_page(path: Path) -> str:
    """Where micropython.org has the builds for the board that the file's name tells of, or for all boards."""
    named = _BOARD.match(path.name)
    return f"{DOWNLOADS}/{named[1]}" if named else f"{DOWNLOADS}/?port=esp32"


def _parsed(data: bytes) -> Firmware:
    chip = _chip(data)
    table_at = partitions.TABLE_OFFSET - CHIPS[chip][1]
    try:
        table = partitions.parse(data[table_at:])
    except PartitionTableError:
        _explain_missing_table(data, table_at)
        raise
    image.parse(data[:table_at], chip=chip)
    slot = next((row for row in table if row.type == partitions.APP), None)
    if slot is None:
        raise PartitionTableError("its partition table has no place for an app")
    app = image.parse(data[slot.offset - CHIPS[chip][1] :], chip=chip)
    if app.length > slot.size:
        raise ImageError(f"its app has {app.length} bytes, more than the {slot.size} of its slot {slot.label}")
    return Firmware(chip, app.project, app.version, tuple(table), app.length)


def _chip(data: bytes) -> int:
    """The chip of the image that `data` begins with; raises `ImageError` when it can't be one of a board's."""
    header = data[: image.HEADER.size]
    if not header.startswith(b"\xe9"):
        raise ImageError("this is no ESP32 firmware")
    if len(header) < image.HEADER.size:
        raise ImageError("it is cut short: it ends within its first header")
    chip = image.chip_of(header)
    if chip not in CHIPS:
        raise ImageError(f"it is for a chip with the id {chip}, which is no ESP32 that is known here")
    return chip


def _explain_missing_table(data: bytes, table_at: int) -> None:
    """Returns when the file might have a table; else raises `ImageError` that says what it is without one."""
    if image.has_app_desc(data):
        raise ImageError("this is an app image alone, an .app-bin, which is for updates: it has no bootloader")
    if len(data) >= table_at + partitions.TABLE_SIZE:
        return
    try:
        image.parse(data)
    except ImageError as error:
        raise ImageError(f"it is cut short ({len(data)} bytes)") from error
    raise ImageError(f"it is cut short, or a bootloader alone ({len(data)} bytes): it has no partition table")
