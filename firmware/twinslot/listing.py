"""The list of a bundle's files, checked whole before anything is written (docs/protocol.md, "A bundle"). Pure."""

import struct
from array import array

from micropython import const

from .errors import TransferError
from .files import is_path, module

NAME = ".list"
"""Its path in the tree."""

MAX_BYTES = 8192
HEAD = const(8)
PATH_LENGTH = const(36)
PATH = const(37)
# What decides whether a board can still be reached, and what that imports of MicroPython: a tree goes before it.
_OURS = (
    "/twinslot/boot/main/_asyncio/array/asyncio/binascii/builtins/deflate/errno/esp32/gc/hashlib/io/json/machine"
    "/micropython/network/ntptime/os/select/socket/ssl/struct/sys/time/tls/"
)


class Listing:
    """Of `count` files, by path. Numbers begin with 0."""

    def __init__(self, data: bytes) -> None:
        """The list in `data`, which belongs to this from now on. Raises TransferError for one that does not hold
        together, or has a path that no bundle may bring."""
        if not HEAD < len(data) <= MAX_BYTES or data[:6] != b"TWBL\x01\x00":
            raise TransferError("not a list of a bundle's files")
        self.data = data
        self.count: int = struct.unpack_from("<H", data, 6)[0]
        self._rows = array("H")
        at, before = HEAD, ""
        while at < len(data):
            self._rows.append(at)
            end = at + PATH + data[at + PATH_LENGTH] if at + PATH <= len(data) else len(data) + 1
            if end > len(data):
                raise TransferError("the list is cut short")
            try:
                path = str(data[at + PATH : end], "utf-8")
            except ValueError:
                raise TransferError("the list has a path that is not text")
            ours = path.split("/")[0] == NAME or "/{}/".format(module(path).lower()) in _OURS
            if ours or not is_path(path) or path <= before:
                raise TransferError("the list may not have " + repr(path))
            at, before = end, path
        if not 0 < self.count == len(self._rows):
            raise TransferError("a list of {} files instead of {}".format(len(self._rows), self.count))
        for number in range(self.count):
            path = self.path(number)
            while "/" in path:
                path = path.rpartition("/")[0]
                if self.find(path) >= 0:
                    raise TransferError("both a file and a folder: " + path)

    def path(self, number: int) -> str:
        """The file's path."""
        at = self._rows[number]
        return str(self.data[at + PATH : at + PATH + self.data[at + PATH_LENGTH]], "utf-8")

    def size(self, number: int) -> int:
        """Bytes of the file."""
        return struct.unpack_from("<I", self.data, self._rows[number])[0]

    def digest(self, number: int) -> bytes:
        """The file's SHA-256."""
        at = self._rows[number]
        return self.data[at + 4 : at + PATH_LENGTH]

    def find(self, path: str) -> int:
        """The number of the file of that path; -1 for none."""
        low, past = 0, self.count
        while low < past:
            middle = (low + past) // 2
            there = self.path(middle)
            if there == path:
                return middle
            low, past = (middle + 1, past) if there < path else (low, middle)
        return -1
