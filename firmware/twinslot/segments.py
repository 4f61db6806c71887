"""The index of a transfer, checked whole before anything is written (docs/protocol.md, "Transfer").

| offset | type | field |
| --- | --- | --- |
| 0 | 4 bytes, u8, u8, u16 | magic, format, 0, number of segments |
| 8 | u32, u32, 32 bytes | bytes of the image, bytes of the base, SHA-256 of the base |
| 48 + 16 i | u32, u32, 8 bytes | segment i: bytes of its payload, its kind, how the SHA-256 of its content begins |
"""

import struct

from micropython import const

from .errors import TransferError

SEGMENT = const(65536)
UNCHANGED = const(0)
PATCH = const(1)
DEFLATE = const(2)
RAW = const(3)
_HEAD = const(48)
_ROW = const(16)


def index_bytes(size: int) -> int:
    """The length of the index of an image of `size` bytes."""
    return _HEAD + (size + SEGMENT - 1) // SEGMENT * _ROW


class Index:
    """Of the `count` segments of an image, and of what patches are made against, `base_size` bytes. In the rows that
    this keeps, where a payload ends has taken the place of how long it is."""

    def __init__(self, data: bytearray, size: int, total: int, running: "bytes | None", room: int) -> None:
        """The index in `data`, as long as `index_bytes(size)`, which belongs to this from now on; for a device that
        was told of a transfer of `total` bytes, and that runs the image with the SHA-256 `running` (None: not known)
        in a slot of `room` bytes.

        Raises TransferError for one that does not hold together, or that is of another image's size or base.
        """
        self.count = (size + SEGMENT - 1) // SEGMENT
        self._data = data
        self._size = size
        if data[:12] != struct.pack("<4sHHI", b"TWTR", 1, self.count, size):
            raise TransferError("not a transfer of an image of {} bytes".format(size))
        self.base_size = struct.unpack_from("<I", data, 12)[0]
        base = data[16:_HEAD]
        needs_base = False
        past = len(data)
        for number in range(self.count):
            length, kind = struct.unpack_from("<II", data, _HEAD + _ROW * number)
            content = self.length(number)
            if kind == RAW:
                holds = length == content
            elif kind == UNCHANGED:
                holds = length == 0 and number * SEGMENT + content <= self.base_size
            else:  # what should be zero beside the kind makes it a large number
                holds = 0 < length < content and kind < RAW
            if not holds:
                raise TransferError("the index is wrong about segment {}".format(number))
            needs_base |= kind < DEFLATE
            past += length
            struct.pack_into("<I", data, _HEAD + _ROW * number, past)
        if past != total:
            raise TransferError("a transfer of {} bytes instead of {}".format(total, past))
        if (self.base_size == 0) != (base == bytes(32)):
            raise TransferError("the index names half a base")
        if needs_base and (base != running or self.base_size > room):
            raise TransferError("a transfer against another image than the one that runs")

    def length(self, number: int) -> int:
        """Bytes of the segment."""
        return min(SEGMENT, self._size - number * SEGMENT)

    def kind(self, number: int) -> int:
        return self._data[_HEAD + _ROW * number + 4]

    def digest(self, number: int) -> bytearray:
        """How the SHA-256 of the segment begins: 8 bytes."""
        at = _HEAD + _ROW * number
        return self._data[at + 8 : at + _ROW]

    def place(self, number: int) -> "tuple[int, int]":
        """Where the segment's payload begins and ends in the transfer."""
        past = struct.unpack_from("<I", self._data, _HEAD + _ROW * number)[0]
        return struct.unpack_from("<I", self._data, _HEAD + _ROW * (number - 1))[0] if number else len(self._data), past

    def bounds(self, number: int) -> "tuple[int, int]":
        """Where the segment itself begins and ends in the image."""
        return number * SEGMENT, number * SEGMENT + self.length(number)
