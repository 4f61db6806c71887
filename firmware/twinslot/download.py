"""How an image gets into a slot: in segments, of which those that lie there already are not fetched. Loaded for that,
and gone afterwards.

Power loss: the slot is the only record of how far this got. After any cut the next download reads it, and finds a
segment right or fetches it.
"""

from hashlib import sha256

from micropython import const

from .errors import TransferError
from .inflate import Inflater
from .log import log
from .patch import Patch
from .ranges import Ranges, fill, in_time
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

    async def run(self, client: "Client", progress: "Progress") -> None:
        """Each segment in the slot is as the index says. `progress(bytes so far, bytes)` is awaited after each sector.

        Raises TransferError when it is not to be had so, Unreachable when the connection fails.
        """
        self._progress = progress
        self._ranges = Ranges(client, self._writer.piece)
        try:
            await in_time(self._run(), self._size)
        finally:
            await self._ranges.close()

    async def _run(self) -> None:
        data = await self._ranges.read(self._transfer, 0, index_bytes(self._size))
        self._index = Index(data, self._size, self._ranges.total, self._base_sha256, self._base.size)
        await self._compare()
        for mark in (_WANTED, _WANTED_RAW):
            for number in range(self._index.count):
                if self._wanted[number] == mark:
                    await self._fetch(number, mark == _WANTED_RAW)

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

    async def _fetch(self, number: int, raw: bool) -> None:
        """The segment is right, or wanted raw: because it came out wrong, or there is no RAM for what it needs. Raises
        TransferError when it was raw."""
        if raw:
            payload = await self._ranges.seek(self._image, number, self._wanted, self._index.bounds, self._size)
        else:
            payload = await self._ranges.seek(self._transfer, number, self._wanted, self._index.place)
        why: object = "wrong"
        try:
            right = await self._write(number, RAW if raw else self._index.kind(number), payload)
        except (TransferError, MemoryError) as error:
            right, why = False, error
        if not right:
            why = "segment {}: {}".format(number, why)
            if raw:
                raise TransferError(why)
            log(why)
        self._wanted[number] = _RIGHT if right else _WANTED_RAW
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
                await fill(source, part)
            digest.update(part)
            await self._writer.write(self._slot, number * SEGMENT + at, len(part))
            await self._progress(self._done + at + len(part), self._size)
        if kind == PATCH or kind == DEFLATE:
            await source.end()
        return digest.digest()[:8] == self._index.digest(number)
