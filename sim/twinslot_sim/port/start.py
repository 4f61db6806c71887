# The first code of a simulated processor: maps the stand-ins, which are compiled into one ROMFS, and starts.
# Its argument: the descriptors of the wire, of the flash file and of the ROMFS, the ROMFS's size and the flash's; one
# text, since MicroPython keeps each argument as a name for good.
def _go(fd, size):
    import sys

    import ffi
    import uctypes
    import vfs

    at = ffi.open("libc.so.6").func("p", "mmap", "PIiiil")(None, size, 1, 1, fd, 0)
    vfs.mount(vfs.VfsRom(uctypes.bytearray_at(at, size)), "/.port")
    sys.path[:] = ["/.port"]
    import _start

    _start.run(globals())


import sys

_go(*map(int, sys.argv[1].split()[2:4]))
