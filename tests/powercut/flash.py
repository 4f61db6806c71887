"""What a flash holds: after each operation of a recorded run, and when the power fails within one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from littlefs import LittleFS, LittleFSError, UserContext

from twinslot_sim import bootloader, otadata, partitions
from twinslot_sim.errors import EspError
from twinslot_sim.factory import geometry
from twinslot_sim.nor import SECTOR_SIZE
from twinslot_sim.nvs import Nvs
from twinslot_sim.nvs_page import PageState
from twinslot_sim.partitions import Partition

_ERASED = b"\xff" * SECTOR_SIZE


@dataclass(frozen=True)
class Operation:
    """A page that was programmed with `data`, or a sector that was erased (None), at `address`."""

    address: int
    data: bytes | None

    @property
    def effect(self) -> bytes:
        """What lies at the address once it is done."""
        return _ERASED if self.data is None else self.data

    def __str__(self) -> str:
        return f"{'erase' if self.data is None else 'program'} at {self.address:#x}"


class Content:
    """A flash's content. `fingerprint` is the same for the same content; it is kept up to date sector by sector."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        self._digests = [self._digest(number) for number in range(len(data) // SECTOR_SIZE)]
        self.fingerprint = sum(self._digests)

    def copy(self) -> Content:
        """One that changes by itself."""
        other = Content.__new__(Content)
        other.data = bytearray(self.data)
        other._digests = list(self._digests)
        other.fingerprint = self.fingerprint
        return other

    def write(self, address: int, data: bytes) -> None:
        """The data, which lies within one sector, is there, whatever was."""
        self.data[address : address + len(data)] = data
        number = address // SECTOR_SIZE
        digest = self._digest(number)
        self.fingerprint += digest - self._digests[number]
        self._digests[number] = digest

    def _digest(self, number: int) -> int:
        sector = self.data[number * SECTOR_SIZE : (number + 1) * SECTOR_SIZE]
        digest = hashlib.blake2b(sector, digest_size=16, salt=number.to_bytes(8, "little"))
        return int.from_bytes(digest.digest(), "little")


@dataclass(frozen=True)
class Cut:
    """The power fails within that operation of a run, the first being 1, when so many of its bytes have taken effect.
    With `unstable`, an erase that came to nothing, and whose sector reads now as erased, now as it was."""

    operation: int
    keep_bytes: int
    unstable: int | None = None
    """Where that sector begins."""

    def __str__(self) -> str:
        how = "unstable" if self.unstable is not None else f"{self.keep_bytes} bytes"
        return f"operation {self.operation}, {how}"


def cuts(start: Content, operations: list[Operation], *, within: bool = True) -> Iterator[tuple[Cut, Content]]:
    """Each place of a recorded run where the power may fail, and what the flash holds then; with `within` False only
    those between two operations, and not between two pages that go into a sector one after the other."""
    content, past = start.copy(), -1
    for number, operation in enumerate(operations, 1):
        if within or operation.address != past or not past % SECTOR_SIZE:
            yield Cut(number, 0), content
        if within:
            yield from _torn(number, operation, content)
        content.write(operation.address, operation.effect)
        past = -1 if operation.data is None else operation.address + len(operation.data)
    yield Cut(len(operations) + 1, 0), content


def _torn(number: int, operation: Operation, content: Content) -> Iterator[tuple[Cut, Content]]:
    """One byte, half, or all but one of it have taken effect; or what it was to erase is in between."""
    length = len(operation.effect)
    for keep_bytes in sorted({1, length // 2, length - 1} - {0, length}):
        torn = content.copy()
        torn.write(operation.address, operation.effect[:keep_bytes])
        yield Cut(number, keep_bytes), torn
    if operation.data is None and not _is_freed(content.data[operation.address :][:4]):
        yield Cut(number, 0, unstable=operation.address), content


def _is_freed(state: bytes) -> bool:
    """Whether a sector that begins so is a page of NVS, copied and about to be erased. ESP-IDF copies such a page once
    more when it starts (nvs_pagemanager.cpp, `load`), whatever it reads there by then: no device can help that."""
    return int.from_bytes(state, "little") == PageState.FREEING


class View:
    """A flash's content as a `Nor`, to look at: what the simulator writes to it goes no further."""

    def __init__(self, data: bytes | bytearray) -> None:
        self._data = data
        self._is_copy = False
        self.size = len(data)

    def read(self, address: int, length: int) -> bytes:
        return bytes(self._data[address : address + length])

    def program(self, address: int, data: bytes) -> None:
        self._own()[address : address + len(data)] = data

    def erase(self, address: int, length: int) -> None:
        self._own()[address : address + length] = b"\xff" * length

    def _own(self) -> bytearray:
        if not self._is_copy:
            self._data, self._is_copy = bytearray(self._data), True
        assert isinstance(self._data, bytearray)
        return self._data


class Look:
    """What lies in a flash."""

    def __init__(self, data: bytes | bytearray) -> None:
        self.data = data
        self.view: Any = View(data)
        self.table = {row.label: row for row in partitions.read(self.view)}
        self.slots = [self.table[label] for label in ("ota_0", "ota_1") if label in self.table]
        self._nvs: Nvs | None = None

    @property
    def nvs(self) -> Nvs:
        if self._nvs is None:
            self._nvs = Nvs(self.view, self.table["nvs"].offset, self.table["nvs"].size)
        return self._nvs

    def blob(self, key: str) -> bytes:
        """What the device package keeps under that key; empty when there is nothing."""
        try:
            return self.nvs.get_blob("twinslot", key)
        except EspError:
            return b""

    def number(self, key: str) -> int | None:
        """What the device package counts under that key; None when there is nothing."""
        try:
            return self.nvs.get_i32("twinslot", key)
        except EspError:
            return None

    @property
    def record(self) -> dict[str, Any]:
        """The device's record of updates; empty when there is none."""
        data = self.blob("state")
        record: dict[str, Any] = json.loads(data) if data else {}
        return record

    @property
    def entries(self) -> list[otadata.Entry]:
        return otadata.read(self.view, self.table["otadata"])

    @property
    def boot(self) -> Partition:
        """The slot that otadata selects."""
        return bootloader.boot_partition(self.view)

    def state(self, slot: int) -> otadata.State | int | None:
        """The state of the newest entry that names the slot; None when none does."""
        mine = [e for e in self.entries if not e.is_blank and (e.sequence - 1) % 2 == slot]
        return max(mine, key=lambda entry: entry.sequence).state if mine else None

    def slot_bytes(self, slot: int, size: int) -> bytes:
        """What the slot begins with."""
        offset = self.slots[slot].offset
        return bytes(self.data[offset : offset + size])

    @property
    def files(self) -> dict[str, bytes] | None:
        """What lies in the board's file system, by path; that of a folder ends with a slash, and there is nothing in
        it. None when the file system does not mount."""
        return None if self._lying is None else {path: data for path, (data, _) in self._lying.items()}

    def sectors(self, root: str, least_bytes: int) -> list[int]:
        """The addresses of the sectors in which at least so many bytes of a file below that folder lie."""
        below = [lengths for path, (_, lengths) in (self._lying or {}).items() if path.startswith(root)]
        return sorted(at for lengths in below for at, length in lengths.items() if length >= least_bytes)

    @cached_property
    def _lying(self) -> dict[str, tuple[bytes, dict[int, int]]] | None:
        """Content, and how many bytes of it lie in each sector, by path."""
        vfs = self.table["vfs"]
        context = _Reading(bytearray(self.data[vfs.offset : vfs.offset + vfs.size]))
        fs = LittleFS(context=context, mount=False, **geometry(vfs))
        try:
            fs.mount()
        except LittleFSError:
            return None
        found: dict[str, tuple[bytes, dict[int, int]]] = {}
        for folder, folders, names in fs.walk("/"):
            found |= {f"{folder.rstrip('/')}/{name}/": (b"", {}) for name in folders}
            for path in (f"{folder.rstrip('/')}/{name}" for name in names):
                with fs.open(path, "rb") as file:
                    context.lengths.clear()
                    data = file.read()
                found[path] = data, {vfs.offset + SECTOR_SIZE * at: n for at, n in context.lengths.items()}
        return found


class _Reading(UserContext):  # type: ignore[misc]  # littlefs-python has no types
    """A partition's content, for LittleFS. `lengths` are how many bytes of each block were read."""

    def __init__(self, content: bytearray) -> None:
        super().__init__(buffer=content)
        self.lengths: dict[int, int] = {}

    def read(self, cfg: Any, block: int, off: int, size: int) -> bytearray:
        self.lengths[block] = self.lengths.get(block, 0) + size
        part: bytearray = super().read(cfg, block, off, size)
        return part
