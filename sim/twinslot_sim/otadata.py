"""The otadata partition: which slot is selected, and how its trial stands.

Two sectors, each beginning with an entry. The valid entry with the higher sequence selects slot
`(sequence - 1) % slots`.

| offset | type | field |
| --- | --- | --- |
| 0 | u32 | sequence; 0xFFFFFFFF when erased |
| 4 | 20 bytes | label, unused |
| 24 | u32 | state |
| 28 | u32 | CRC-32 of the sequence alone, seeded with 0xFFFFFFFF |

Sources: esp_flash_partitions.h, bootloader_common_loader.c.

Power loss: an entry is replaced by erasing its sector and then programming 32 bytes. Cut within, the entry has no valid
CRC, and the other one, untouched, decides.
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from twinslot_sim.nor import SECTOR_SIZE, Nor
from twinslot_sim.partitions import Partition

_ENTRY = struct.Struct("<I20sII")
_ERASED = 0xFFFFFFFF


class State(IntEnum):
    """How the trial of a selected slot stands (esp_ota_img_states_t)."""

    NEW = 0
    PENDING_VERIFY = 1
    VALID = 2
    INVALID = 3
    ABORTED = 4
    UNDEFINED = 0xFFFFFFFF


@dataclass(frozen=True)
class Entry:
    """One of the two entries as it lies in flash; `state` may be any number when it is torn."""

    sequence: int
    label: bytes
    state: int
    crc: int

    @property
    def is_blank(self) -> bool:
        """Erased, or with a CRC that is not the sequence's."""
        return self.sequence == _ERASED or self.crc != sequence_crc(self.sequence)

    @property
    def is_rejected(self) -> bool:
        """Erased, or of a slot that failed (bootloader_common_ota_select_invalid, which looks at no CRC)."""
        return self.sequence == _ERASED or self.state in (State.INVALID, State.ABORTED)

    @property
    def is_valid(self) -> bool:
        """May select a slot (bootloader_common_ota_select_valid)."""
        return not self.is_rejected and not self.is_blank


def sequence_crc(sequence: int) -> int:
    """The CRC of an entry with that sequence."""
    return zlib.crc32(sequence.to_bytes(4, "little"), 0xFFFFFFFF)


def entry(sequence: int, state: int, label: bytes = b"\xff" * 20) -> Entry:
    """An entry with its CRC."""
    return Entry(sequence, label, state, sequence_crc(sequence))


def parse(data: bytes) -> Entry:
    """The entry that a sector with these bytes begins with."""
    return Entry(*_ENTRY.unpack_from(data))


def active(entries: Sequence[Entry]) -> int | None:
    """Which entry decides: the valid one, of two the one with the higher sequence, else the first; None without one."""
    valid = [index for index in (0, 1) if entries[index].is_valid]
    return max(valid, key=lambda index: entries[index].sequence, default=None)


def sequence_selecting(slot: int, slots: int, at_least: int) -> int:
    """The lowest sequence, not below `at_least`, that selects `slot` (esp_rewrite_ota_data)."""
    sequence = (slot + 1) % slots
    while sequence < at_least:
        sequence += slots
    return sequence


def selected_slot(sequence: int, slots: int) -> int:
    """The slot that a valid entry with that sequence selects."""
    return ((sequence - 1) & 0xFFFFFFFF) % slots


def read(nor: Nor, otadata: Partition) -> list[Entry]:
    """Both entries as they lie in flash."""
    return [parse(nor.read(address, _ENTRY.size)) for address in _addresses(otadata)]


def write(nor: Nor, otadata: Partition, index: int, new: Entry) -> None:
    """Entry `index` is `new` (write_otadata in bootloader_utility.c, rewrite_ota_seq in esp_ota_ops.c)."""
    address = _addresses(otadata)[index]
    nor.erase(address, SECTOR_SIZE)
    # CUT: this entry is blank; the other one decides, and without it the first bootable slot runs
    nor.program(address, _ENTRY.pack(new.sequence, new.label, new.state, new.crc))


def _addresses(otadata: Partition) -> tuple[int, int]:
    return otadata.offset, otadata.offset + SECTOR_SIZE
