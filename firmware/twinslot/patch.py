"""A detools sequential patch with compression "none", applied as it comes (docs/protocol.md, "Transfer").

It begins with a byte 0, the number of bytes that it makes, and a number 0. Then, again and again: how many bytes to add
to the base's, modulo 256, and these; how many to take as they are, and these; how far to move on in the base.
"""

from micropython import const

from .errors import TransferError

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from .hw import App
    from .inflate import Inflater

_DIFF = const(3)
_EXTRA = const(4)
_MOVE = const(5)
_PIECE = const(256)
_CHUNK = const(128)
_LOW = int.from_bytes(b"\x7f" * _CHUNK, "little")
_HIGH = int.from_bytes(b"\x80" * _CHUNK, "little")


class Patch:
    """What a patch makes of a base, piece by piece."""

    def __init__(self, source: "Inflater", length: int, base: "App", base_size: int) -> None:
        """`source` gives the patch, which makes `length` bytes."""
        self._source = source
        self._length = self._left = length
        self._base = base
        self._base_size = base_size
        self._piece = memoryview(bytearray(_PIECE))
        self._budget = 2 * length + 512
        self._at = self._have = 0  # what there is of the patch: piece[at:have]
        self._due = 0  # the number that comes next: _DIFF, _EXTRA, _MOVE, or one of the three before them
        self._run = 0  # bytes before that number: to be added when _EXTRA is due, to be taken when _MOVE is
        self._position = 0

    async def readinto(self, buffer: memoryview) -> int:
        """How many bytes have been put into `buffer`. Raises TransferError for a patch that is not as it should be;
        Unreachable."""
        while not self._run:
            await self._count()
        if self._at == self._have:
            await self._more()
        n = min(self._run, len(buffer), self._have - self._at)
        data = self._piece[self._at : self._at + n]
        if self._due == _MOVE:
            buffer[:n] = data
        else:
            self._base.read(self._position, buffer[:n])
            _add(buffer[:n], data)
            self._position += n
        self._at += n
        self._run -= n
        self._left -= n
        return n

    async def _more(self) -> None:
        """There is something in the piece."""
        self._at, self._have = 0, await self._source.readinto(self._piece)
        self._budget -= self._have
        if not self._have or self._budget < 0:
            raise TransferError("a patch that is too short, or far too long")

    async def _count(self) -> None:
        """The number that was due is known, and another one is due."""
        value = await self._number()
        due, self._due = self._due, self._due + 1
        if due == _MOVE:
            self._position += value
            self._due = _DIFF
        elif due >= _DIFF:
            self._run = value
            if value < 0 or value > self._left:
                raise TransferError("a patch of more than its segment")
            if due == _DIFF and value and not 0 <= self._position <= self._base_size - value:
                raise TransferError("a patch beyond its base")
        elif value != (self._length if due == 1 else 0):
            raise TransferError("not a patch of the segment")

    async def _number(self) -> int:
        """Seven bits to a byte, the lowest first; the first byte has six, and a sign."""
        value, shift, first = 0, 0, 0
        while True:
            if self._at == self._have:
                await self._more()
            byte = self._piece[self._at]
            self._at += 1
            if not shift:
                first = byte
                value, shift = byte & 63, 6
            else:
                value |= (byte & 127) << shift
                shift += 7
            if byte < 128:
                return -value if first & 64 else value
            if shift > 28:
                raise TransferError("a patch with a number that is too large")

    async def end(self) -> None:
        """Raises TransferError unless that was all."""
        while self._due != _DIFF:
            await self._count()
        if self._at != self._have:
            raise TransferError("more than the segment")
        await self._source.end()


def _add(buffer: memoryview, data: memoryview) -> None:
    """Each byte of `data` was added to that of `buffer`: many at a time, as large numbers, without their carries."""
    for at in range(0, len(data), _CHUNK):
        added = int.from_bytes(data[at : at + _CHUNK], "little")
        if added:
            part = buffer[at : at + _CHUNK]
            old = int.from_bytes(part, "little")
            part[:] = ((old & _LOW) + (added & _LOW) ^ (old ^ added) & _HIGH).to_bytes(len(part), "little")
