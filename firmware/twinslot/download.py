"""How an image gets into a slot: in segments, of which those that lie there already are not fetched. Loaded for that,
and gone afterwards.

Power loss: the slot is the only record of how far this got. After any cut the next download reads it, and finds a
segment right or fetches it.
"""

import gc
from hashlib import sha256

from micropython import const

from .errors import TransferError, Unreachable
from .inflate import Inflater
from .patch import Patch
from .ranges import Ranges
from .segments import DEFLATE, PATCH, RAW, SEGMENT, UNCHANGED, Index, index_bytes

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from .http import Client
    from .hw import App, Slot
    from .transfer import Transfer

    Progress = Callable[[int], Awaitable[None]]

_RIGHT = const(0)
_WANTED = const(1)
_WANTED_RAW = const(2)


class Download:
    """Of one image, `size` bytes, into `slot`."""

    def __init__(
        self,
        paths: "tuple[str, str]",
        size: int,
        running: "tuple[App, bytes | None]",
        slot: "Slot",
        to: "Transfer",
    ) -> None:
        """`paths` are those of the transfer and of the image itself, `running` is what runs, and its SHA-256 when that
        is known."""
        self._paths = paths
        self._size = size
        self._base, self._base_sha256 = running
        self._slot = slot
        self._to = to
        self._done = 0  # bytes of the segments that are right
        self._gained = 0  # what the connections have brought so far: the index, segments

    async def run(self, client: "Client", progress: "Progress") -> None:
        """Each segment in the slot is as the index says. `progress(bytes so far)` is awaited after each sector.

        Raises TransferError, Unreachable.
        """
        self._progress = progress
        self._ranges = Ranges(client, self._to.piece)
        try:
            await self._read_index()
            await self._compare()
            await self._all(_WANTED)
            await self._all(_WANTED_RAW)
        finally:
            await self._ranges.close()

    async def _read_index(self) -> None:
        data = bytearray(index_bytes(self._size))
        await self._ranges.seek(self._paths[0], 0, len(data), len(data), 0)
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
            digest = await self._to.digest(self._slot, number * SEGMENT, length)
            if digest[:8] == self._index.digest(number):
                self._done += length
            else:
                self._wanted[number] = _WANTED
        if self._done:
            await self._progress(self._done)

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
            await self._ranges.seek(self._paths[raw], first, end, past, self._size if raw else self._total)
        try:
            right = await self._write(number, RAW if raw else self._index.kind(number), end - first)
        except (TransferError, MemoryError):
            right = False
        if raw and not right:
            raise TransferError("segment {} is wrong".format(number))
        self._wanted[number] = _RIGHT if right else _WANTED_RAW
        self._gained += 1
        if right:
            self._done += self._index.length(number)

    async def _write(self, number: int, kind: int, payload: int) -> bool:
        """Whether what came, and lies in the slot now, is the segment. Raises TransferError when it can't be."""
        gc.collect()  # what is to come takes one piece of 4 KiB
        length = self._index.length(number)
        source: "Any" = self._ranges
        if kind == PATCH or kind == DEFLATE:
            source = Inflater(source, payload)
        if kind == PATCH:
            source = Patch(source, length, self._base, self._index.base_size)
        digest = sha256()
        for at in range(0, length, len(self._to.sector)):
            part = self._to.sector[: length - at]
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
            await self._to.write(self._slot, number * SEGMENT + at, len(part))
            await self._progress(self._done + at + len(part))
        if kind == PATCH or kind == DEFLATE:
            await source.end()
        return digest.digest()[:8] == self._index.digest(number)
