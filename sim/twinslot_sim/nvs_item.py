"""Items of ESP-IDF's non-volatile storage, format version 2.

An item is one entry of 32 bytes, and as many more as its data needs:

| offset | type | field |
| --- | --- | --- |
| 0 | u8, u8, u8, u8 | namespace, type, span in entries, chunk (0xFF: none) |
| 4 | u32 | CRC-32 of bytes 0 to 3 and 8 to 31 |
| 8 | 16 bytes | key, padded with NUL |
| 24 | 8 bytes | value, by type |

| type | value |
| --- | --- |
| number | little-endian, padded with 0xFF |
| blob data | u16 size of the data that follows, 0xFFFF, u32 CRC-32 of it |
| blob index | u32 size of the blob, u8 number of chunks, u8 first chunk, 0xFFFF |

All CRCs are seeded with 0xFFFFFFFF. Sources: nvs_types.hpp, nvs_types.cpp.
"""

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum

from twinslot_sim.errors import Esp, EspError

ENTRY_BYTES = 32
CHUNK_ANY = 0xFF
SERIES_BIT = 0x80

_HEAD = struct.Struct("<BBBB")
_DATA_VALUE = struct.Struct("<HH4s")
_INDEX_VALUE = struct.Struct("<IBBH")
_KEY_MAX = 15


class ItemType(IntEnum):
    """The types of items that are read or written here."""

    U8 = 0x01
    I32 = 0x14
    BLOB_DATA = 0x42
    BLOB_INDEX = 0x48


@dataclass(frozen=True)
class Item:
    """The first entry of an item; `value` is its last 8 bytes."""

    namespace: int
    type: int
    span: int
    chunk: int
    key: str
    value: bytes

    @property
    def identity(self) -> tuple[int, str, int]:
        """Two items with the same one cannot both be meant: the later wins."""
        return self.namespace, self.key, self.chunk

    @property
    def data_size(self) -> int:
        """Bytes of blob data that follow."""
        return int(_DATA_VALUE.unpack(self.value)[0])

    @property
    def data_crc(self) -> bytes:
        """The CRC of the blob data that follows."""
        return self.value[4:]

    @property
    def blob(self) -> tuple[int, int, int]:
        """A blob index's size in bytes, number of chunks and first chunk."""
        size, chunks, first, _ = _INDEX_VALUE.unpack(self.value)
        return size, chunks, first

    @property
    def series(self) -> int | None:
        """Which of a blob's two series of chunks an item belongs to, 0 or 0x80; None when it is of no blob."""
        if self.type == ItemType.BLOB_DATA:
            return self.chunk & SERIES_BIT
        return self.blob[2] if self.type == ItemType.BLOB_INDEX else None

    def pack(self) -> bytes:
        """The entry, with its CRC. Raises EspError ESP_ERR_NVS_KEY_TOO_LONG."""
        key = self.key.encode()
        if len(key) > _KEY_MAX:
            raise EspError(Esp.ESP_ERR_NVS_KEY_TOO_LONG)
        head = _HEAD.pack(self.namespace, self.type, self.span, self.chunk)
        tail = key.ljust(_KEY_MAX + 1, b"\0") + self.value
        return head + crc(head + tail) + tail


def unpack(entry: bytes) -> Item | None:
    """The item that begins with this entry; None when its CRC is wrong."""
    if entry[4:8] != crc(entry[:4] + entry[8:]):
        return None
    namespace, type_, span, chunk = _HEAD.unpack(entry[:4])
    return Item(namespace, type_, span, chunk, entry[8:24].rstrip(b"\0").decode("utf-8", "replace"), entry[24:])


def number(namespace: int, type: ItemType, key: str, value: bytes) -> Item:
    """A number of up to 8 bytes."""
    return Item(namespace, type, 1, CHUNK_ANY, key, value.ljust(8, b"\xff"))


def blob_data(namespace: int, key: str, chunk: int, data: bytes) -> Item:
    """The first entry of a chunk of a blob; `data` follows it."""
    span = 1 + -(-len(data) // ENTRY_BYTES)
    return Item(namespace, ItemType.BLOB_DATA, span, chunk, key, _DATA_VALUE.pack(len(data), 0xFFFF, crc(data)))


def blob_index(namespace: int, key: str, size: int, chunks: int, first: int) -> Item:
    """What makes a blob of `size` bytes of its chunks."""
    return Item(namespace, ItemType.BLOB_INDEX, 1, CHUNK_ANY, key, _INDEX_VALUE.pack(size, chunks, first, 0xFFFF))


def crc(data: bytes) -> bytes:
    """The CRC-32 of `data` as NVS has it in flash."""
    return zlib.crc32(data, 0xFFFFFFFF).to_bytes(4, "little")
