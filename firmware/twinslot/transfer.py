"""How an image gets into a slot, and how it is checked there. This version knows one way: the whole image, raw.

Power loss: everything here writes to the slot that is not running, which nothing boots from until `set_boot`. The slot
is its own record of progress: a sector that is right already is not written again.
"""

import asyncio
from hashlib import sha256

from micropython import const

from .errors import TransferError

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .http import Client
    from .hw import Slot

_SECTOR = const(4096)
_PIECE = const(512)
_GRACE_S = const(15)
_SLOWEST_BYTES_PER_S = const(2048)


_sector_buffer = bytearray(_SECTOR)  # made when the application imports this, while the heap still has such a piece


class Transfer:
    """Puts images into slots. There is one, since there is one sector buffer."""

    def __init__(self) -> None:
        self._sector = memoryview(_sector_buffer)
        self._piece = memoryview(bytearray(_PIECE))

    async def fetch(
        self, client: "Client", path: str, size: int, slot: "Slot", progress: "Callable[[int], Awaitable[None]]"
    ) -> None:
        """The slot begins with what `path` gave, `size` bytes. `progress(bytes so far)` is awaited after each sector.

        Raises TransferError when it is not to be had so, Unreachable when the connection fails.
        """
        limit_s = _GRACE_S + size // _SLOWEST_BYTES_PER_S
        try:
            await asyncio.wait_for(self._fetch(client, path, size, slot, progress), limit_s)
        except asyncio.TimeoutError:
            raise TransferError("slower than {} bytes a second".format(_SLOWEST_BYTES_PER_S))

    async def _fetch(
        self, client: "Client", path: str, size: int, slot: "Slot", progress: "Callable[[int], Awaitable[None]]"
    ) -> None:
        stream, answer = await client.open("GET", path, {})
        try:
            if answer.status != 200:
                raise TransferError("the server answered {}".format(answer.status))
            if answer.length != size:
                raise TransferError("{} bytes instead of {}".format(answer.length, size))
            for sector in range((size + _SECTOR - 1) // _SECTOR):
                length = min(_SECTOR, size - sector * _SECTOR)
                got = 0
                while got < length:
                    got += await answer.readinto(self._sector[got:length])
                self._write(slot, sector, length)
                await progress(sector * _SECTOR + length)
        finally:
            await stream.wait_closed()

    def _write(self, slot: "Slot", sector: int, length: int) -> None:
        """The sector holds the bytes that came; it is left alone when it did already."""
        for i in range(length, _SECTOR):
            self._sector[i] = 0xFF
        if not self._holds(slot, sector):
            slot.write_sector(sector, self._sector)

    def _holds(self, slot: "Slot", sector: int) -> bool:
        for at in range(0, _SECTOR, _PIECE):
            slot.read(sector * _SECTOR + at, self._piece)
            if self._piece != self._sector[at : at + _PIECE]:
                return False
        return True

    async def matches(self, slot: "Slot", size: int, digest: bytes) -> bool:
        """Whether the slot, read back from flash, begins with the image of `size` bytes and SHA-256 `digest`."""
        image = sha256()
        for at in range(0, size, _SECTOR):
            part = self._sector[: min(_SECTOR, size - at)]
            slot.read(at, part)
            image.update(part)
            await asyncio.sleep(0)
        return image.digest() == digest
