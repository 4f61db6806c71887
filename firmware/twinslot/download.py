"""How an image gets into a slot: in segments, of which those that lie there already are not fetched. Loaded for that,
and gone afterwards.

Power loss: the slot is the only record of how far this got. After any cut the next download reads it, and finds a
segment right or fetches it.
"""

import asyncio
from hashlib import sha256

from micropython import const

from .errors import TransferError, Unreachable
from .inflate import Inflater
from .log import log
from .patch import Patch
from .ranges import Ranges
from .segments import DEFLATE, PATCH, RAW, SEGMENT, UNCHANGED, Index, index_bytes

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from .http import Client
    from .hw import App, Slot
    from .slots import Writer

    Progress = Callable[[int, int], Awaitable[None]]

_RIGHT = const(0)
_WANTED = const(1)
_WANTED_RAW = const(2)
_GRACE_S = const(15)
_SLOWEST_BYTES_PER_S = const(2048)


class Download:
    """Of one image, `size` bytes, into `slot`."""

    def __init__(
        self,
        transfer: str,
        image: str,
        size: int,
        base: "App",
        base_sha256: "bytes | None",
        slot: "Slot",
        writer: "Writer",
    ) -> None:
        """`transfer` and `image` are the paths of the transfer and of the image itself, `base` is what runs, with its
        SHA-256 when that is known."""
        self._transfer = transfer
        self._image = image
        self._size = size
        self._base = base
        self._base_sha256 = base_sha256
        self._slot = slot
        self._writer = writer
        self._done = 0  # bytes of the segments that are right
        self._gained = 0  # what the connections have brought so far: the index, segments

    async def run(self, client: "Client", progress: "Progress") -> None:
        """Each segment in the slot is as the index says. `progress(bytes so far, bytes)` is awaited after each sector.

        Raises TransferError when it is not to be had so, Unreachable when the connection fails.
        """
        limit_s = _GRACE_S + self._size // _SLOWEST_BYTES_PER_S
        try:
            await asyncio.wait_for(self._run(client, progress), limit_s)
        except asyncio.TimeoutError:
            raise TransferError("slower than {} bytes a second".format(_SLOWEST_BYTES_PER_S))

    async def _run(self, client: "Client", progress: "Progress") -> None:
        self._progress = progress
        self._ranges = Ranges(client, self._writer.piece)
        try:
            await self._read_index()
            await self._compare()
            await self._all(_WANTED)
            await self._all(_WANTED_RAW)
        finally:
            await self._ranges.close()

    async def _read_index(self) -> None:
        data = bytearray(index_bytes(self._size))
        await self._ranges.seek(self._transfer, 0, len(data), len(data), 0)
        view = memoryview(data)
        while len(view):
            view = view[await self._ranges.readinto(view) :]
        self._index = Index(data, self._size, self._ranges.total, self._base_sha256, self._base.size)
        self._total = self._ranges.total
        self._gained = 1

    async def _compare(self) -> None:
        """What there is to fetch is known."""
        self._wanted = bytearray(self._index.count)
        for number in range(self._index.count):
            length = self._index.length(number)
            digest = await self._writer.digest(self._slot, number * SEGMENT, length)
            if digest[:8] == self._index.digest(number):
                self._done += length
            else:
                self._wanted[number] = _WANTED
        if self._done:
            await self._progress(self._done, self._size)

    async def _all(self, mark: int) -> None:
        """No segment has this mark any more. A connection that breaks, and had brought something, is made anew."""
        gained = 0
        while True:
            try:
                for number in range(self._index.count):
                    if self._wanted[number] == mark:
                        await self._one(number, mark == _WANTED_RAW)
                return
            except Unreachable:
                if gained == self._gained:
                    raise
                gained = self._gained
                await self._ranges.close()

    async def _one(self, number: int, raw: bool) -> None:
        """The segment is right, or wanted raw: because it came out wrong, or there is no RAM for what it needs. Raises
        TransferError when it was raw."""
        first, end = self._index.place(number, raw)
        if first != end:
            past = self._index.gap(number, self._wanted, raw)
            path, total = (self._image, self._size) if raw else (self._transfer, self._total)
            await self._ranges.seek(path, first, end, past, total)
        why: object = "wrong"
        try:
            right = await self._write(number, RAW if raw else self._index.kind(number), end - first)
        except (TransferError, MemoryError) as error:
            right, why = False, error
            if isinstance(error, MemoryError):
                await self._ranges.close()  # nobody knows how far a read was
        if not right:
            why = "segment {}: {}".format(number, why)
            if raw:
                raise TransferError(why)
            log(why)
        self._wanted[number] = _RIGHT if right else _WANTED_RAW
        self._gained += 1
        if right:
            self._done += self._index.length(number)

    async def _write(self, number: int, kind: int, payload: int) -> bool:
        """Whether what came, and lies in the slot now, is the segment. Raises TransferError when it can't be."""
        length = self._index.length(number)
        source: "Any" = self._ranges
        if kind == PATCH or kind == DEFLATE:
            source = Inflater(source, payload)
        if kind == PATCH:
            source = Patch(source, length, self._base, self._index.base_size)
        digest = sha256()
        for at in range(0, length, len(self._writer.sector)):
            part = self._writer.sector[: length - at]
            if kind == UNCHANGED:
                self._base.read(number * SEGMENT + at, part)
            else:
                got = 0
                while got < len(part):
                    n = await source.readinto(part[got:])
                    if not n:
                        raise TransferError("too short")
                    got += n
            digest.update(part)
            await self._writer.write(self._slot, number * SEGMENT + at, len(part))
            await self._progress(self._done + at + len(part), self._size)
        if kind == PATCH or kind == DEFLATE:
            await source.end()
        return digest.digest()[:8] == self._index.digest(number)
