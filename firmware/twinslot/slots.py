"""What is written to a slot, and how it is checked there.

Power loss: everything here writes to the slot that is not running, which nothing boots from until `set_boot`. The slot
is its own record of progress: a sector that is right already is not written again.
"""

import asyncio
from hashlib import sha256

from micropython import const

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from .hw import Slot

_SECTOR = const(4096)
_PIECE = const(512)

_sector_buffer = bytearray(_SECTOR)  # made when the application imports this, while the heap still has such a piece


class Writer:
    """Writes slots and reads them. There is one, since there is one `sector` on its way to flash; `piece` is for
    whoever needs it until the next await."""

    def __init__(self) -> None:
        self.sector = memoryview(_sector_buffer)
        self.piece = memoryview(bytearray(_PIECE))

    async def write(self, slot: "Slot", at: int, length: int) -> None:
        """The slot's sector at `at` holds the first `length` bytes of `sector`; it is left alone when it did already.
        The application's tasks have had their turn just before."""
        for i in range(length, _SECTOR):
            self.sector[i] = 0xFF
        if not self._holds(slot, at):
            await asyncio.sleep(0)
            slot.write_sector(at // _SECTOR, self.sector)

    def _holds(self, slot: "Slot", at: int) -> bool:
        for i in range(0, _SECTOR, _PIECE):
            slot.read(at + i, self.piece)
            if self.piece != self.sector[i : i + _PIECE]:
                return False
        return True

    async def digest(self, slot: "Slot", at: int, length: int) -> bytes:
        """The SHA-256 of so many bytes of the slot, read from flash."""
        image = sha256()
        for past in range(at, at + length, _SECTOR):
            part = self.sector[: at + length - past]
            slot.read(past, part)
            image.update(part)
            await asyncio.sleep(0)
        return image.digest()

    async def matches(self, slot: "Slot", size: int, digest: bytes) -> bool:
        """Whether the slot, read back from flash, begins with the image of `size` bytes and SHA-256 `digest`."""
        return await self.digest(slot, 0, size) == digest
