"""ESP-IDF's otadata: which slot boots, and in which state it is. There is no call that tells.

Reading only: `set_boot` and `mark_app_valid_cancel_rollback` write it. Source: ESP-IDF v5.5 `bootloader_common.c`.
"""

import struct
from binascii import crc32

ENTRY_BYTES = 32
SECTOR_BYTES = 4096

NEW = 0
PENDING_VERIFY = 1
VALID = 2
INVALID = 3
ABORTED = 4
UNDEFINED = 0xFFFFFFFF

UNPROVEN = (NEW, PENDING_VERIFY, ABORTED)
"""What an image that runs can be before it is confirmed: its trial has begun; or could not be written down as begun, or
as anything but ended, since nothing else boots. boot/boot.py has the same."""


def entry(data: "bytes | bytearray") -> "tuple[int, int] | None":
    """(seq, state) of a 32-byte entry; None when it is erased or torn."""
    seq, _, state, crc = struct.unpack("<I20sII", data)
    if seq in (0, 0xFFFFFFFF) or crc != crc32(struct.pack("<I", seq), 0xFFFFFFFF):
        return None
    return seq, state


def slot_states(first: "bytes | bytearray", second: "bytes | bytearray") -> "list[int | None]":
    """The state of each of the two slots, None for one that no entry names; by the newer entry where both do."""
    states: "list[int | None]" = [None, None]
    entries = [e for e in (entry(first), entry(second)) if e]
    for seq, state in sorted(entries):
        states[(seq - 1) % 2] = state
    return states
