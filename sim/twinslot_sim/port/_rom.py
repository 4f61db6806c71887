"""Code that is run where it lies: files mapped into memory, as a chip maps its flash, at no cost to the heap."""

import struct
import sys

import _chip
import ffi
import uctypes
from micropython import const

_PROT_READ = const(1)
_MAP_SHARED = const(1)
_PAGE = const(4096)
NOTHING_FROZEN = b"\xd2\xcd\x31\x80\x00"  # a ROMFS without a file

_, _start = _chip.call(1)
_offset, _length, reset_cause, running, run_main, _, unique_id = struct.unpack("<IIBBBB6s", _start)


def mapped(fd, offset, length):
    """A read-only view of `length` bytes of the open file `fd`."""
    skip = offset % _PAGE
    mmap = ffi.open("libc.so.6").func("p", "mmap", "PIiiil")
    address = mmap(None, length + skip, _PROT_READ, _MAP_SHARED, fd, offset - skip)
    return uctypes.bytearray_at(address + skip, length)


memory = memoryview(mapped(int(sys.argv[1].split()[1]), 0, int(sys.argv[1].split()[4])))


def read(offset, buf):
    """`buf` holds the flash from `offset` on. Raises OSError when that is not all inside the chip."""
    if offset + len(buf) > len(memory):
        raise OSError(-260, "ESP_ERR_INVALID_SIZE")
    _chip.was_read(offset, len(buf))
    buf[:] = memory[offset : offset + len(buf)]


def frozen():
    """The frozen modules of the running image, as a ROMFS; None when it has none."""
    return mapped(int(sys.argv[1].split()[1]), _offset, _length) if _length else None
