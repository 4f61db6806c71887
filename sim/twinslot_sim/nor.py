"""The flash chip: a file that obeys NOR rules, counts operations and loses power on demand.

Stricter than the chip: a program that would leave other bytes than asked for is an error, not silently wrong data.
Times are what data sheets of 4 MiB chips have as typical: 45 ms for an erase, 0.7 ms for a page, 0.46 ms to read 4 KiB.

Power loss: each operation is written through to the file when it happens, and nothing is kept in memory, so that a
SIGKILL at any moment leaves what a chip whose power failed could hold.
"""

import mmap
import os
import struct
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Self

from twinslot_sim.errors import Esp, EspError, TwinslotError

FLASH_SIZE = 4 * 1024 * 1024
SECTOR_SIZE = 4096
PAGE_SIZE = 256

_ERASE_NS = 45_000_000
_PROGRAM_NS = 700_000
_READ_SECTOR_NS = 460_000
_ERASED = b"\xff" * SECTOR_SIZE


class FlashFileError(TwinslotError):
    """The file is no flash; make one with `factory.make_flash`."""


class NorViolation(TwinslotError):
    """A program would have had to set a cleared bit: the code under test did not erase first."""


class PowerCut(BaseException):
    """Power failed. Every later use of the same `Nor` raises it again; open the file anew to power up."""


class Spoiled(Enum):
    """What becomes of an operation on a flash that is worn out."""

    FAILS = "it does nothing, and the chip says so"
    LOST = "it does nothing, and nobody knows"


class Probe:
    """Sees what is done to a flash, and can spoil it. This one lets all happen.

    An operation is the address and the bytes of one page to program, or the address of a sector to erase and None.
    """

    def spoils(self, address: int, data: bytes | None) -> Spoiled | None:
        """What is to become of the operation that is about to happen; None: it takes effect."""
        return None

    def operated(self, address: int, data: bytes | None) -> None:
        """The operation has taken effect."""

    def is_read(self, address: int, length: int) -> None:
        """The chip itself is about to read these bytes."""

    def was_read(self, address: int, length: int) -> None:
        """The processor has read these bytes, 512 at least, in one go."""


class Nor:
    """An open flash file; its size, a multiple of 4096, is the chip's.

    Power is cut at operation `cut_at_op` (the first is 1; None: never): only its first `keep_bytes` bytes take effect,
    then `PowerCut` is raised. A page program and a sector erase are an operation each. With `like_chip`, programming
    ANDs bits as the real chip does, instead of raising `NorViolation`.
    """

    def __init__(
        self,
        path: Path,
        *,
        cut_at_op: int | None = None,
        keep_bytes: int = 0,
        like_chip: bool = False,
        probe: Probe | None = None,
    ) -> None:
        self.path = path
        self.ops = 0
        self._cut_at_op = cut_at_op or 0
        self._keep_bytes = keep_bytes
        self._like_chip = like_chip
        self.probe = probe or Probe()
        self._busy_ns = 0
        self._power_lost = False
        self._flash = _map_flash(path)
        self._wear = _map_wear(path, len(self._flash) // SECTOR_SIZE)

    @property
    def size(self) -> int:
        """Bytes of flash."""
        return len(self._flash)

    @property
    def busy_us(self) -> int:
        """The virtual time that the operations since opening took, in microseconds."""
        return self._busy_ns // 1000

    @property
    def wear(self) -> list[int]:
        """Erases of each sector in the life of this flash."""
        return list(struct.unpack(f"<{self.size // SECTOR_SIZE}I", self._wear[:]))

    def read(self, address: int, length: int) -> bytes:
        """`length` bytes from `address`. Raises EspError when they are not all inside the chip."""
        self._check(address, length)
        self.was_read(length)
        self.probe.is_read(address, length)
        return self._flash[address : address + length]

    def was_read(self, length: int) -> None:
        """The time that it takes the chip to read `length` bytes has passed."""
        self._busy_ns += _READ_SECTOR_NS * length // SECTOR_SIZE

    def program(self, address: int, data: bytes | bytearray | memoryview) -> None:
        """`data` is at `address`, which was erased there, or had at least its one-bits.

        Raises NorViolation, before anything is written, when it was not.
        """
        data = bytes(data)
        end = address + len(data)
        self._check(address, len(data))
        old = int.from_bytes(self._flash[address:end], "little")
        new = int.from_bytes(data, "little")
        if old & new != new:
            if not self._like_chip:
                raise NorViolation(f"program of {len(data)} bytes at {address:#x} sets cleared bits: erase first")
            data = (old & new).to_bytes(len(data), "little")
        for at in _page_starts(address, end):
            self._operate(at, data[at - address :][: PAGE_SIZE - at % PAGE_SIZE], is_erase=False)

    def erase(self, address: int, length: int) -> None:
        """The sectors from `address` on are all ones. Raises EspError unless both are multiples of 4096."""
        self._check(address, length)
        if length % SECTOR_SIZE:
            raise EspError(Esp.ESP_ERR_INVALID_SIZE)
        if address % SECTOR_SIZE:
            raise EspError(Esp.ESP_ERR_INVALID_ARG)
        for start in range(address, address + length, SECTOR_SIZE):
            self._count_wear(start // SECTOR_SIZE)
            self._operate(start, _ERASED, is_erase=True)

    def close(self) -> None:
        """The file is closed; it already holds everything."""
        self._flash.close()
        self._wear.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check(self, address: int, length: int) -> None:
        if self._power_lost:
            raise PowerCut(f"power failed at flash operation {self.ops}")
        if address < 0 or length < 0 or address > self.size:
            raise EspError(Esp.ESP_ERR_INVALID_ARG)
        if address + length > self.size:
            raise EspError(Esp.ESP_ERR_INVALID_SIZE)

    def _operate(self, address: int, effect: bytes, *, is_erase: bool) -> None:
        """`effect`, of an erased sector or within one page, lies at `address`; or what power and probe have left."""
        self.ops += 1
        self._busy_ns += _ERASE_NS if is_erase else _PROGRAM_NS
        if self.ops == self._cut_at_op:
            kept = effect[: self._keep_bytes]
            self._flash[address : address + len(kept)] = kept
            self._power_lost = True
            raise PowerCut(f"power failed at flash operation {self.ops}")
        data = None if is_erase else effect
        spoiled = self.probe.spoils(address, data)
        if spoiled is Spoiled.FAILS:
            raise EspError(Esp.ESP_ERR_FLASH_OP_FAIL)
        if spoiled is None:
            self._flash[address : address + len(effect)] = effect
            self.probe.operated(address, data)

    def _count_wear(self, sector: int) -> None:
        (erases,) = struct.unpack_from("<I", self._wear, 4 * sector)
        struct.pack_into("<I", self._wear, 4 * sector, erases + 1)


def wear_path(flash: Path) -> Path:
    """Where the erase counts of `flash` are kept: one u32 a sector."""
    return flash.with_name(flash.name + ".wear")


def _page_starts(start: int, end: int) -> Iterator[int]:
    """Where each page's share of what lies from `start` to `end` begins."""
    while start < end:
        yield start
        start += PAGE_SIZE - start % PAGE_SIZE


def _map_flash(path: Path) -> mmap.mmap:
    try:
        with path.open("r+b") as file:
            size = os.fstat(file.fileno()).st_size
            if not size or size % SECTOR_SIZE:
                raise FlashFileError(f"{path} is no flash: {size} bytes is no multiple of {SECTOR_SIZE}")
            return mmap.mmap(file.fileno(), size)
    except OSError as error:
        raise FlashFileError(f"the flash file {path} cannot be opened: {error.strerror}") from error


def _map_wear(flash: Path, sectors: int) -> mmap.mmap:
    """The counts, missing ones as zero."""
    try:
        wear_path(flash).touch()
        with wear_path(flash).open("r+b") as file:
            if os.fstat(file.fileno()).st_size < 4 * sectors:
                file.truncate(4 * sectors)
            return mmap.mmap(file.fileno(), 4 * sectors)
    except OSError as error:
        raise FlashFileError(f"the erase counts of {flash} cannot be opened: {error.strerror}") from error
