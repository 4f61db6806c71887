"""A board's file system on a flash in RAM, for the proofs that run on MicroPython: LittleFS as a board has it.

The first argument is the folder that holds the package. Its own `__init__` needs a chip, so an empty one stands in.
"""

import json
import os
import sys

import vfs

if "twinslot" not in sys.modules:
    sys.modules["twinslot"] = type("twinslot", (), {"__path__": sys.argv[1] + "/twinslot"})

import twinslot.fetch
import twinslot.installer  # noqa: F401
import twinslot.packages as packages

BLOCK = 4096
LFS = {"readsize": 32, "progsize": 32, "lookahead": 32}
ERASED = b"\xff" * BLOCK


class PowerCut(BaseException):
    """The power fails."""


class Flash:
    """LittleFS's block device, counting what changes it.

    With `cut_at`, the operation of that number has effect on its first `keep` bytes only. From then on every call
    raises: what `close` and `finally` do comes to nothing. What was programmed with the text `spoils` in it is lost
    soon after, when LittleFS has checked it.
    """

    def __init__(self, content, cut_at=0, keep=0):
        self.content = bytearray(content)
        self.view = memoryview(self.content)
        self.operations = 0
        self.cut_at = cut_at
        self.keep = keep
        self.spoils = b""
        self._spoilt = None
        self.off = False

    def readblocks(self, block, buffer, offset=0):
        if self.off:
            raise PowerCut
        at = block * BLOCK + offset
        buffer[:] = self.view[at : at + len(buffer)]
        return 0

    def writeblocks(self, block, buffer, offset=0):
        at = block * BLOCK + offset
        status = self._operate(at, buffer)
        if self.spoils and self.spoils in bytes(buffer):
            self._spoilt = at
        return status

    def ioctl(self, operation, argument):
        if operation == 6:
            return self._operate(argument * BLOCK, ERASED)
        return {4: len(self.content) // BLOCK, 5: BLOCK}.get(operation, 0)

    def _operate(self, at, data):
        if self.off:
            raise PowerCut
        if self._spoilt is not None:
            self.content[self._spoilt], self._spoilt = 0, None
        self.operations += 1
        if self.operations == self.cut_at:
            self.off = True
            data = data[: self.keep]
        self.view[at : at + len(data)] = data
        if self.off:
            raise PowerCut
        return 0


def formatted(blocks):
    """A flash with an empty file system."""
    flash = Flash(ERASED * blocks)
    vfs.VfsLfs2.mkfs(flash, **LFS)
    return flash


def boot(flash):
    """The flash's file system is the root, as sim/twinslot_sim/port/_start.py does it."""
    try:
        vfs.umount("/")
    except OSError:
        pass
    vfs.mount(vfs.VfsLfs2(flash, **LFS), "/")
    packages.add_to_path()


def content(path):
    with open(path, "rb") as file:
        return file.read()


def walk(path):
    """All files and empty folders below."""
    found = {}
    for name, kind, *_ in os.ilistdir(path):
        below = walk(path + "/" + name) if kind == 0x4000 else {path + "/" + name: content(path + "/" + name)}
        found.update(below or {path + "/" + name: None})
    return found


def entries():
    """The index, read without the installer."""
    try:
        return json.loads(content("/packages/index.json"))
    except OSError:
        return {}


def named():
    """What the index names, each package with all its files' contents."""
    found = {}
    for name, entry in entries().items():
        root = "/packages/" + entry["folder"]
        found[name] = entry["version"], {path[len(root) + 1 :]: data for path, data in walk(root).items()}
    return found


def left_over():
    """What lies there and is not named."""
    if "packages" not in os.listdir("/"):
        return []
    roots = ["/packages/index.json"] + ["/packages/" + entry["folder"] + "/" for entry in entries().values()]
    return [path for path in walk("/packages") if not any(path.startswith(root) for root in roots)]


def blocks_free():
    """After a change of the file system, which is when LittleFS tidies up what a cut left it."""
    os.mkdir("/x")
    os.rmdir("/x")
    return os.statvfs("/")[3]
