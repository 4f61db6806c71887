"""How a bundle gets into the tree that does not run, file by file; those that lie there, or in the tree that runs, are
not fetched. Loaded for that, and gone afterwards.

Power loss: the tree is the only record of how far this got. After any cut the next download reads it, and finds a file
right or writes it anew. The list comes last, and nothing runs from the tree before all of it was read back.
"""

import asyncio
import gc
import struct
from binascii import hexlify
from hashlib import sha256
from io import BytesIO

from micropython import const

from . import listing
from .errors import TransferError
from .files import Files
from .inflate import Inflater
from .listing import Listing
from .log import log
from .ranges import Ranges, fill, in_time

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from typing import Any

    from .http import Client
    from .slots import Writer

    Progress = Callable[[int, int], Awaitable[None]]

_HEAD = "<4sBBHI"
_HEAD_BYTES = const(12)
_RIGHT = const(0)
_WANTED = const(1)
_ENOTDIR = const(20)


def _hex(digest: bytes) -> str:
    return hexlify(digest).decode()


class Bundle:
    """One whose list has `size` bytes and the SHA-256 `digest`, hex, on its way to the tree at `root`."""

    def __init__(self, transfer: str, size: int, digest: str, running: str, root: str, writer: "Writer") -> None:
        """`transfer` is its transfer's path on the server, `running` the folder of the tree that runs, "/" for none."""
        self._transfer = transfer
        self._size = size
        self._digest = digest
        self._running = running
        self._root = root
        self._spare = writer.piece
        self._files = Files(root, writer.sector)
        self._bytes = size  # of all files and the list
        self._done = 0  # bytes of the files that are right

    async def run(self, client: "Client", progress: "Progress") -> None:
        """Each file lies in the tree as the list says, and no other. `progress(bytes so far, bytes)` is awaited after
        each piece.

        Raises TransferError when it is not to be had so, Unreachable when the connection fails.
        """
        self._progress = progress
        self._ranges = Ranges(client, self._spare)
        try:
            await in_time(self._read_head(), self._size)
            await in_time(self._fill(), self._bytes, self._list.count)
        finally:
            await self._ranges.close()

    async def _read_head(self) -> None:
        """The list, checked, and where each payload ends."""
        data = await self._ranges.read(self._transfer, 0, _HEAD_BYTES + self._size)
        magic, format_, zero, count, size = struct.unpack_from(_HEAD, data)
        data = bytes(memoryview(data)[_HEAD_BYTES:])
        if (magic, format_, zero, size) != (b"TWTB", 1, 0, self._size) or _hex(sha256(data).digest()) != self._digest:
            raise TransferError("not a transfer of the bundle")
        self._list = listed = Listing(data)
        if count != listed.count:
            raise TransferError("a transfer of {} files instead of {}".format(count, listed.count))
        self._first = _HEAD_BYTES + self._size + 4 * count
        self._ends = await self._ranges.read(self._transfer, self._first - 4 * count, self._first)
        past = self._first
        for number in range(count):
            length, size = struct.unpack_from("<I", self._ends, 4 * number)[0], listed.size(number)
            if length > size or (size and not length):
                raise TransferError("the transfer is wrong about " + listed.path(number))
            past += length
            struct.pack_into("<I", self._ends, 4 * number, past)
            self._bytes += size
        if past != self._ranges.total:
            raise TransferError("a transfer of {} bytes instead of {}".format(self._ranges.total, past))

    async def _fill(self) -> None:
        try:
            await self._compare()
        except OSError as error:
            raise TransferError("{}: {}".format(self._root, error))
        await self._copy_all()
        log("{} files, {} bytes, {} files to fetch".format(self._list.count, self._bytes, sum(self._wanted)))
        for number in range(self._list.count):
            if self._wanted[number]:
                await self._fetch(number)
        await self._put(listing.NAME, self._size, _Opened(BytesIO(self._list.data)))

    async def _compare(self) -> None:
        """What there is to write is known, nothing else lies in the tree, and there is room for it."""
        self._wanted = bytearray(self._list.count)
        for number in range(self._list.count):
            right = await self._files.digest(self._list.path(number)) == _hex(self._list.digest(number))
            self._wanted[number] = _RIGHT if right else _WANTED
            self._done += self._list.size(number) if right else 0
        for _ in self._files.sweep(self._stays):
            await asyncio.sleep(0)
        gc.collect()
        self._files.check_space(self._missing())
        await self._progress(self._done, self._bytes)

    def _stays(self, path: str, is_folder: bool) -> bool:
        number = -1 if is_folder else self._list.find(path)
        return number >= 0 and self._wanted[number] == _RIGHT

    def _missing(self) -> "Generator[tuple[str, int], None, None]":
        yield listing.NAME, self._size
        for number in range(self._list.count):
            if self._wanted[number]:
                yield self._list.path(number), self._list.size(number)

    async def _copy_all(self) -> None:
        """What the tree that runs has too is copied from there."""
        for number in range(self._list.count):
            await asyncio.sleep(0)
            path = self._wanted[number] and self._source(self._list.digest(number))
            if path:
                try:
                    with open(self._running + path, "rb") as file:
                        await self._make(number, _Opened(file))
                except (OSError, TransferError) as error:
                    log("{}{}: {}".format(self._running, path, error))  # it will be fetched

    def _source(self, digest: bytes) -> str:
        """Where a file with that SHA-256 lies in the tree that runs, by its list; empty for nowhere."""
        row = bytearray(listing.PATH)
        try:
            with open(self._running + listing.NAME, "rb") as file:
                file.seek(listing.HEAD)
                while file.readinto(row) == len(row):
                    path = file.read(row[listing.PATH_LENGTH])
                    if row[4 : listing.PATH_LENGTH] == digest:
                        return str(path, "utf-8")
        except (OSError, ValueError):
            pass  # there is no list, or none that can be read: nothing to copy
        return ""

    async def _fetch(self, number: int) -> None:
        payload = await self._ranges.seek(self._transfer, number, self._wanted, self._place)
        packed = payload != self._list.size(number)
        source: "Any" = Inflater(self._ranges, payload) if packed else self._ranges
        try:
            if not await self._make(number, source):
                raise TransferError("another SHA-256")
            if packed:
                await source.end()
        except TransferError as error:
            raise TransferError("{}: {}".format(self._list.path(number), error))

    def _place(self, number: int) -> "tuple[int, int]":
        """Where the file's payload begins and ends in the transfer."""
        end = struct.unpack_from("<I", self._ends, 4 * number)[0]
        return struct.unpack_from("<I", self._ends, 4 * (number - 1))[0] if number else self._first, end

    async def _make(self, number: int, source: "Any") -> bool:
        """Whether the file, with what comes out of `source`, is as the list says."""
        written = await self._put(self._list.path(number), self._list.size(number), source)
        if written != _hex(self._list.digest(number)):
            return False
        self._wanted[number] = _RIGHT
        self._done += self._list.size(number)
        return True

    async def _put(self, path: str, size: int, source: "Any") -> str:
        """The file has the next `size` bytes of `source`; returns their SHA-256, hex."""
        left = size

        async def read(piece: memoryview) -> int:
            nonlocal left
            piece = piece[:left]
            await fill(source, piece)
            left -= len(piece)
            await self._progress(self._done + size - left, self._bytes)
            return len(piece)

        try:
            return await self._files.write(path, read)
        except OSError as error:
            if error.errno == _ENOTDIR:
                raise TransferError("{} is a file: bundles need that name, rename it".format(self._root[:-1]))
            raise TransferError("{}: {}".format(self._root, error))


class _Opened:
    """A file, read as a connection is."""

    def __init__(self, file: "Any") -> None:
        self._file = file

    async def readinto(self, buffer: memoryview) -> int:
        return self._file.readinto(buffer)
