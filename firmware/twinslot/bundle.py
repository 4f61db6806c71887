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
from .errors import TransferError, Unreachable
from .files import Files
from .inflate import Inflater
from .listing import Listing
from .log import log
from .ranges import Ranges

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
_GRACE_S = const(15)
_SLOWEST_BYTES_PER_S = const(2048)


async def lies_in(root: str, size: int, digest: str, piece: memoryview) -> bool:
    """Whether a bundle, whose list has `size` bytes and the SHA-256 `digest`, hex, lies whole below `root`, as read
    back from flash."""
    files = Files(root, piece)
    try:
        if await files.digest(listing.NAME) != digest:
            return False
        with open(root + listing.NAME, "rb") as file:
            listed = Listing(file.read(size + 1))
        for number in range(listed.count):
            if await files.digest(listed.path(number)) != _hex(listed.digest(number)):
                return False
        return True
    except (OSError, TransferError) as error:
        log("{}: {}".format(root, error))
        return False


async def clear(root: str, piece: memoryview) -> None:
    """There is nothing below `root`. Raises OSError when flash does not let go of it."""
    for _ in Files(root, piece).sweep(lambda path, is_folder: False):
        await asyncio.sleep(0)


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
        self._gained = 0  # what the connections have brought so far: the list, files

    async def run(self, client: "Client", progress: "Progress") -> None:
        """Each file lies in the tree as the list says, and no other. `progress(bytes so far, bytes)` is awaited after
        each piece.

        Raises TransferError when it is not to be had so, Unreachable when the connection fails.
        """
        self._progress = progress
        self._ranges = Ranges(client, self._spare)
        try:
            await self._within(_GRACE_S, self._read_head())
            await self._within(_GRACE_S + self._bytes // _SLOWEST_BYTES_PER_S + self._list.count, self._fill())
        finally:
            await self._ranges.close()

    async def _within(self, limit_s: int, step: "Awaitable[None]") -> None:
        try:
            await asyncio.wait_for(step, limit_s)
        except asyncio.TimeoutError:
            raise TransferError("slower than {} bytes a second".format(_SLOWEST_BYTES_PER_S))

    async def _read_head(self) -> None:
        """The list, checked, and where each payload ends."""
        data = await self._read(0, _HEAD_BYTES + self._size)
        self._total = self._ranges.total
        magic, format_, zero, count, size = struct.unpack_from(_HEAD, data)
        data = bytes(memoryview(data)[_HEAD_BYTES:])
        if (magic, format_, zero, size) != (b"TWTB", 1, 0, self._size) or _hex(sha256(data).digest()) != self._digest:
            raise TransferError("not a transfer of the bundle")
        self._list = listed = Listing(data)
        if count != listed.count:
            raise TransferError("a transfer of {} files instead of {}".format(count, listed.count))
        self._first = _HEAD_BYTES + self._size + 4 * count
        self._ends = await self._read(self._first - 4 * count, self._first)
        past = self._first
        for number in range(count):
            length, size = struct.unpack_from("<I", self._ends, 4 * number)[0], listed.size(number)
            if length > size or (size and not length):
                raise TransferError("the transfer is wrong about " + listed.path(number))
            past += length
            struct.pack_into("<I", self._ends, 4 * number, past)
            self._bytes += size
        if past != self._total:
            raise TransferError("a transfer of {} bytes instead of {}".format(self._total, past))
        self._gained = 1

    async def _read(self, first: int, past: int) -> bytearray:
        data = bytearray(past - first)
        await self._ranges.seek(self._transfer, first, past, past, 0)
        view = memoryview(data)
        while len(view):
            view = view[await self._ranges.readinto(view) :]
        return data

    async def _fill(self) -> None:
        try:
            await self._compare()
        except OSError as error:
            raise TransferError("{}: {}".format(self._root, error))
        await self._copy_all()
        log("{} files, {} bytes, {} files to fetch".format(self._list.count, self._bytes, sum(self._wanted)))
        await self._fetch_all()
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

    async def _fetch_all(self) -> None:
        """A connection that breaks, and had brought something, is made anew."""
        gained = 0
        while True:
            try:
                for number in range(self._list.count):
                    if self._wanted[number]:
                        await self._fetch(number)
                return
            except Unreachable:
                if gained == self._gained:
                    raise
                gained = self._gained
                await self._ranges.close()

    async def _fetch(self, number: int) -> None:
        first, end = self._place(number)
        if first != end:
            await self._ranges.seek(self._transfer, first, end, self._gap(number), self._total)
        packed = end - first != self._list.size(number)
        source: "Any" = Inflater(self._ranges, end - first) if packed else self._ranges
        if not await self._make(number, source):
            raise TransferError("{}: another SHA-256".format(self._list.path(number)))
        if packed:
            await source.end()
        self._gained += 1

    def _place(self, number: int) -> "tuple[int, int]":
        """Where the file's payload begins and ends in the transfer."""
        end = struct.unpack_from("<I", self._ends, 4 * number)[0]
        return struct.unpack_from("<I", self._ends, 4 * (number - 1))[0] if number else self._first, end

    def _gap(self, number: int) -> int:
        """Where a request that begins with this file ends, to bring all those wanted that follow it with nothing else
        between them."""
        past = self._place(number)[1]
        for after in range(number + 1, self._list.count):
            first, end = self._place(after)
            if self._wanted[after]:
                past = end
            elif first != end:
                break
        return past

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
            got = 0
            while got < len(piece):
                n = await source.readinto(piece[got:])
                if not n:
                    raise TransferError("{}: too short".format(path))
                got += n
            left -= got
            await self._progress(self._done + size - left, self._bytes)
            return got

        try:
            return await self._files.write(path, read)
        except OSError as error:
            raise TransferError("{}{}: {}".format(self._root, path, error))


class _Opened:
    """A file, read as a connection is."""

    def __init__(self, file: "Any") -> None:
        self._file = file

    async def readinto(self, buffer: memoryview) -> int:
        return self._file.readinto(buffer)
