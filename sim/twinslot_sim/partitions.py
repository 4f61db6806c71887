"""The partition table at 0x8000: ESP-IDF's binary form, and the layout of MicroPython's OTA build.

| offset | type | field |
| --- | --- | --- |
| 0 | u16 | magic 0x50AA |
| 2 | u8 | type: 0 app, 1 data |
| 3 | u8 | subtype |
| 4 | u32 | offset in flash |
| 8 | u32 | size in bytes |
| 12 | 16 bytes | label, padded with NUL |
| 28 | u32 | flags: bit 0 encrypted |

After the entries comes one of magic 0xEBEB, 14 bytes 0xFF and the MD5 of the entries, then 0xFF to 0xC00
(esp_flash_partitions.h, gen_esp32part.py).
"""

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from twinslot_sim.errors import TwinslotError
from twinslot_sim.nor import Nor

TABLE_OFFSET = 0x8000
TABLE_SIZE = 0xC00

APP = 0
DATA = 1
FACTORY = 0x00
OTA_0 = 0x10
OTA_15 = 0x1F
TEST = 0x20
OTADATA = 0x00
PHY = 0x01
NVS = 0x02
FAT = 0x81

_ENTRY = struct.Struct("<HBBII16sI")
_MAGIC = 0x50AA
_END = 0xFFFF
_MD5_HEAD = b"\xeb\xeb" + b"\xff" * 14
_ENTRIES_MAX = TABLE_SIZE // _ENTRY.size - 2  # the MD5 and the end take a row each


class PartitionTableError(TwinslotError):
    """There is no partition table that the bootloader would read; the flash needs to be made anew."""


@dataclass(frozen=True)
class Partition:
    """A row of the table; offset and size are bytes of flash."""

    type: int
    subtype: int
    offset: int
    size: int
    label: str
    encrypted: bool = False


MICROPYTHON_4MIB_OTA = (
    Partition(DATA, NVS, 0x9000, 0x4000, "nvs"),
    Partition(DATA, OTADATA, 0xD000, 0x2000, "otadata"),
    Partition(DATA, PHY, 0xF000, 0x1000, "phy_init"),
    Partition(APP, OTA_0, 0x10000, 0x180000, "ota_0"),
    Partition(APP, OTA_0 + 1, 0x190000, 0x180000, "ota_1"),
    Partition(DATA, FAT, 0x310000, 0xF0000, "vfs"),
)
"""As seen on ESP32_GENERIC-OTA 1.25.0 and 1.26.0. Their table in flash ends with ota_1 (partitions-4MiB-ota.csv): the
firmware adds vfs when it starts, in the space that is left. Here vfs is a row like the others."""

MICROPYTHON_4MIB = (
    Partition(DATA, NVS, 0x9000, 0x6000, "nvs"),
    Partition(DATA, PHY, 0xF000, 0x1000, "phy_init"),
    Partition(APP, FACTORY, 0x10000, 0x1F0000, "factory"),
    Partition(DATA, FAT, 0x200000, 0x200000, "vfs"),
)
"""MicroPython's default table, with one app slot (partitions-4MiBplus.csv), and the vfs that its firmware adds."""


def build(table: Iterable[Partition]) -> bytes:
    """The table as it lies in flash, 0xC00 bytes. Raises PartitionTableError when it has too many rows."""
    rows = b"".join(
        _ENTRY.pack(_MAGIC, row.type, row.subtype, row.offset, row.size, row.label.encode(), row.encrypted)
        for row in table
    )
    if len(rows) > _ENTRIES_MAX * _ENTRY.size:
        raise PartitionTableError(f"a partition table holds {_ENTRIES_MAX} partitions")
    return (rows + _MD5_HEAD + hashlib.md5(rows).digest()).ljust(TABLE_SIZE, b"\xff")


def parse(data: bytes) -> list[Partition]:
    """The rows of a table. Raises PartitionTableError where the bootloader would refuse it (flash_partitions.c)."""
    table: list[Partition] = []
    for start in range(0, min(len(data), TABLE_SIZE) - _ENTRY.size + 1, _ENTRY.size):
        magic, type_, subtype, offset, size, label, flags = _ENTRY.unpack_from(data, start)
        if magic == _MAGIC:
            name = label.rstrip(b"\0").decode("utf-8", "replace")
            table.append(Partition(type_, subtype, offset, size, name, bool(flags & 1)))
        elif data.startswith(_MD5_HEAD[:2], start):
            if data[start + 16 : start + 32] != hashlib.md5(data[:start]).digest():
                raise PartitionTableError("the partition table's MD5 is wrong")
        elif magic == _END:
            return _not_empty(table)
        else:
            raise PartitionTableError(f"row {start // _ENTRY.size} of the partition table has magic {magic:#06x}")
    raise PartitionTableError("the partition table has no end")


def read(nor: Nor) -> list[Partition]:
    """The table of this flash. Raises PartitionTableError when it has none that the bootloader would read."""
    table = parse(nor.read(TABLE_OFFSET, TABLE_SIZE))
    for row in table:
        if row.offset + row.size > nor.size:
            raise PartitionTableError(f"partition {row.label} ends beyond the flash's {nor.size:#x} bytes")
    return table


def find(table: Iterable[Partition], type: int, subtype: int) -> Partition | None:
    """The first partition of that type and subtype, as esp_partition_find_first; None when there is none."""
    return next((row for row in table if (row.type, row.subtype) == (type, subtype)), None)


def ota(table: Iterable[Partition]) -> list[Partition]:
    """The OTA partitions by rising subtype."""
    return sorted(
        (row for row in table if row.type == APP and OTA_0 <= row.subtype <= OTA_15), key=lambda row: row.subtype
    )


def slots(table: Iterable[Partition]) -> list[Partition]:
    """The slots that otadata counts: ota_0, ota_1 and so on, up to the first that is missing."""
    return [row for index, row in enumerate(ota(table)) if row.subtype == OTA_0 + index]


def _not_empty(table: list[Partition]) -> list[Partition]:
    if not table:
        raise PartitionTableError("there is no partition table in this flash")
    return table
