"""Deflate, out of a buffer that is kept full enough: `DeflateIO` asks for one byte a call, and can't wait for it."""

import asyncio
from io import BytesIO

import deflate
from micropython import const

from .errors import TransferError

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from typing import Any

    from .ranges import Ranges

_INPUT = const(1536)
_PIECE = const(256)
_NEED = const(1024)  # a byte of output takes less than two of input, and a block's own table less than 512
_WINDOW_BITS = const(12)


class Inflater:
    """What a payload holds, inflated piece by piece. It takes some 9 KiB of RAM: its window and what was fetched."""

    def __init__(self, source: "Ranges", length: int) -> None:
        """The payload is the next `length` bytes of `source`."""
        self._source = source
        self._left = length
        self._tape: "Any" = BytesIO(bytearray(_INPUT))  # pyright: ignore[reportCallIssue, reportArgumentType]
        self._spare = memoryview(bytearray(_NEED))
        self._filled = 0
        self._inflate = deflate.DeflateIO(self._tape, deflate.RAW, _WINDOW_BITS)

    async def readinto(self, buffer: memoryview) -> int:
        """How many bytes, 256 at most, have been put into `buffer`; 0 at the end. The application's tasks have had
        their turn.

        Raises TransferError for what is not deflate of the kind that the protocol allows; Unreachable.
        """
        await asyncio.sleep(0)
        have = self._filled - self._tape.tell()
        if self._left and have < _NEED:
            await self._refill(have)
        try:
            n = self._inflate.readinto(buffer[:_PIECE]) or 0
        except (OSError, EOFError):
            n = -1
        if n < 0 or self._tape.tell() > self._filled:
            raise TransferError("deflate")
        return n

    async def _refill(self, have: int) -> None:
        """What is left on the tape, `have` bytes, is at its beginning, and more behind it."""
        self._tape.readinto(self._spare[:have])
        self._tape.seek(0)
        self._tape.write(self._spare[:have])
        while self._left and have < _NEED:
            n = await self._source.readinto(self._spare[: min(self._left, _INPUT - have)])
            self._tape.write(self._spare[:n])
            have += n
            self._left -= n
        self._tape.seek(0)
        self._filled = have

    async def end(self) -> None:
        """Raises TransferError unless all of the payload was needed, and no more comes out of it."""
        if await self.readinto(self._spare[:1]) or self._left or self._tape.tell() != self._filled:
            raise TransferError("more than the segment")
