"""Code that is run where it lies: files mapped into memory, as a chip maps its flash, at no cost to the heap."""

import struct
import sys

import _chip
import ffi
import uctypes

_PROT_READ = 1
_MAP_SHARED = 1
_PAGE = 4096
NOTHING_FROZEN = b"\xd2\xcd\x31\x80\x00"  # a ROMFS without a file

_, _start = _chip.call(1)
_offset, _length, reset_cause, running, run_main, _, unique_id = struct.unpack("<IIBBBB6s", _start)


def mapped(fd, offset, length):
    """A read-only view of `length` bytes of the open file `fd`."""
    mmap = ffi.open("libc.so.6").func("p", "mmap", "PIiiil")
    skip = offset % _PAGE
    address = mmap(None, length + skip, _PROT_READ, _MAP_SHARED, fd, offset - skip)
    return uctypes.bytearray_at(address + skip, length)


_flash = memoryview(mapped(int(sys.argv[2]), 0, int(sys.argv[5])))


def read(address, into):
    """`into` holds the flash from `address` on. Raises OSError when that is not all inside the chip."""
    if address + len(into) > len(_flash):
        raise OSError(-260, "ESP_ERR_INVALID_SIZE")
    _chip.flash_read += len(into)
    into[:] = _flash[address : address + len(into)]


def frozen():
    """The frozen modules of the running image, as a ROMFS; None when it has none."""
    return mapped(int(sys.argv[2]), _offset, _length) if _length else None
