"""The flash chip: a file that obeys NOR rules, counts operations and loses power on demand.

Stricter than the chip: a program that would leave other bytes than asked for is an error, not silently wrong data.
Time and size of operations: esp32-facts.md, "NOR flash timing".

Power loss: each operation is written through to the file when it happens, and nothing is kept in memory, so that a
SIGKILL at any moment leaves what a chip whose power failed could hold.
"""

import mmap
import os
import struct
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

from twinslot_sim.errors import Esp, EspError, TwinslotError

FLASH_SIZE = 4 * 1024 * 1024
SECTOR_SIZE = 4096
PAGE_SIZE = 256

_ERASE_NS = 45_000_000
_PROGRAM_NS = 700_000
_READ_SECTOR_NS = 460_000


class FlashFileError(TwinslotError):
    """The file is no flash; make one with `factory.make_flash`."""


class NorViolation(TwinslotError):
    """A program would have had to set a cleared bit: the code under test did not erase first."""


class PowerCut(BaseException):
    """Power failed. Every later use of the same `Nor` raises it again; open the file anew to power up."""


class Nor:
    """An open flash file; its size, a multiple of 4096, is the chip's.

    Power is cut at operation `cut_at_op` (the first is 1; None: never): only its first `keep_bytes` bytes take effect,
    then `PowerCut` is raised. A page program and a sector erase are an operation each. With `like_chip`, programming
    ANDs bits as the real chip does, instead of raising `NorViolation`.
    """

    def __init__(
        self, path: Path, *, cut_at_op: int | None = None, keep_bytes: int = 0, like_chip: bool = False
    ) -> None:
        self.path = path
        self.ops = 0
        self._cut_at_op = cut_at_op or 0
        self._keep_bytes = keep_bytes
        self._like_chip = like_chip
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
        pages = _pages(address, end)
        if self._cut_within(pages):
            self._cut_program(address, data)
        self._flash[address:end] = data
        self.ops += pages
        self._busy_ns += pages * _PROGRAM_NS

    def erase(self, address: int, length: int) -> None:
        """The sectors from `address` on are all ones. Raises EspError unless both are multiples of 4096."""
        self._check(address, length)
        if length % SECTOR_SIZE:
            raise EspError(Esp.ESP_ERR_INVALID_SIZE)
        if address % SECTOR_SIZE:
            raise EspError(Esp.ESP_ERR_INVALID_ARG)
        for start in range(address, address + length, SECTOR_SIZE):
            self._count_wear(start // SECTOR_SIZE)
            if self._cut_within(1):
                kept = min(self._keep_bytes, SECTOR_SIZE)
                self._flash[start : start + kept] = b"\xff" * kept
                self._cut()
            self._flash[start : start + SECTOR_SIZE] = b"\xff" * SECTOR_SIZE
            self.ops += 1
            self._busy_ns += _ERASE_NS

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

    def _cut_within(self, operations: int) -> bool:
        return self.ops < self._cut_at_op <= self.ops + operations

    def _cut_program(self, address: int, data: bytes) -> NoReturn:
        """The page programs before the cut are done, and the first bytes of the one that it hits."""
        done = self._cut_at_op - self.ops - 1
        page = max(address, (address // PAGE_SIZE + done) * PAGE_SIZE)
        page_end = (page // PAGE_SIZE + 1) * PAGE_SIZE
        kept = min(page + self._keep_bytes, page_end, address + len(data))
        self._flash[address:kept] = data[: kept - address]
        self._cut()

    def _cut(self) -> NoReturn:
        self.ops = self._cut_at_op
        self._power_lost = True
        raise PowerCut(f"power failed at flash operation {self.ops}")

    def _count_wear(self, sector: int) -> None:
        (erases,) = struct.unpack_from("<I", self._wear, 4 * sector)
        struct.pack_into("<I", self._wear, 4 * sector, erases + 1)


def wear_path(flash: Path) -> Path:
    """Where the erase counts of `flash` are kept: one u32 a sector."""
    return flash.with_name(flash.name + ".wear")


def _pages(start: int, end: int) -> int:
    return (end - 1) // PAGE_SIZE - start // PAGE_SIZE + 1 if end > start else 0


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
