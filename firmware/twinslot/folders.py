"""Sets of files that take each other's place whole: a folder for each version, and one index that says which are used.

A new set is written into a folder that the index does not name. When all of it was read back, the index is replaced by
one rename. Folders that the index does not name are removed, at the next operation too.

Power loss: LittleFS leaves the old index or the new one. Whichever it names was written and read back before, and is
not written to again; all else is swept away.
"""

import asyncio
import json
import os
from binascii import hexlify
from hashlib import sha256

from micropython import const

from . import index
from .errors import PackageError

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from .index import Index

_NEW = ".new"
_INDEX_MAX_BYTES = const(4096)  # an inventory is no longer than its index, and must fit into 8 KiB (docs/protocol.md)
_FOLDER = const(0x4000)
_ENOENT = const(2)
_EEXIST = const(17)
_FOLDER_BLOCKS = const(2)
_SPARE_BLOCKS = const(2)  # the new index, and what grows in folders that are there already


def encode(entries: "Index") -> bytes:
    """The index as it is stored. Raises PackageError for one that is too long."""
    data = json.dumps(entries).encode()
    if len(data) > _INDEX_MAX_BYTES:
        raise PackageError("the index would have more than {} bytes: uninstall something".format(_INDEX_MAX_BYTES))
    return data


def unused(entries: "Index", name: str, version: str) -> str:
    """A folder for that version of `name` which no entry has. A `~` at its end makes it another one, whether that
    version is installed or only downloaded; at the end of an entry's name it means the latter (`packages.STAGED`)."""
    folder = name + "/" + version
    while folder in _named(entries):
        folder += "~"
    return folder


def _named(entries: "Index") -> "list[str]":
    return [entry["folder"] for entry in entries.values()]


class Folders:
    """The folders below `root`, an absolute path that ends with a slash. Paths are relative to it.

    `piece` is the buffer through which all files go. What is said to raise PackageError raises OSError too, for what
    the file system has to say.
    """

    def __init__(self, root: str, piece: memoryview) -> None:
        self._root = root
        self._piece = piece

    def entries(self) -> "Index":
        """The index. One that can't be understood is as good as none: nothing of it is in use."""
        try:
            return index.load(self._root)
        except ValueError:
            return {}

    def switch(self, data: bytes) -> None:
        """`data` is the index from now on."""
        path = self._root + index.NAME
        self._make_parents(index.NAME)
        # CUT: the old index; the new one's file is swept away.
        with open(path + _NEW, "wb") as file:
            file.write(data)
        with open(path + _NEW, "rb") as file:
            if file.read() != data:
                raise PackageError("flash did not keep the index")
        # CUT: the old index or the new one; what it does not name is swept away.
        os.rename(path + _NEW, path)

    def sweep(self, entries: "Index") -> "Generator[None, None, None]":
        """What the index does not name is gone, one file or folder after the other."""
        named = _named(entries)
        try:
            found = os.listdir(self._root)
        except OSError as error:
            if error.errno != _ENOENT:
                raise
            return
        for name in found:
            if name != index.NAME:
                yield from self._remove(name, (os.stat(self._root + name)[0] & _FOLDER) != 0, named)

    def _remove(self, path: str, is_folder: bool, named: "list[str]") -> "Generator[None, None, bool]":
        """Returns whether all of it is gone."""
        if path in named:
            return False
        if not is_folder:
            # CUT: there still, or gone; the next operation sweeps again.
            os.remove(self._root + path)
            yield
            return True
        gone = True
        for found in list(os.ilistdir(self._root + path)):
            removed = yield from self._remove(path + "/" + found[0], found[1] == _FOLDER, named)
            gone = gone and removed
        if gone:
            # CUT: there still, and empty; the next operation sweeps again.
            os.rmdir(self._root + path)
            yield
        return gone

    def check_space(self, folder: str, sizes: "list[tuple[str, int]]") -> None:
        """There is room for files of these paths and sizes in bytes in the new `folder`. Raises PackageError."""
        block, _, _, free = os.statvfs("/")[:4]
        parents = {folder, folder.rpartition("/")[0]}
        needed = _SPARE_BLOCKS
        for path, size in sizes:
            needed += size // (block - 8) + 1  # its blocks are linked (LittleFS, DESIGN.md, "CTZ skip-lists")
            while "/" in path:
                path = path.rpartition("/")[0]
                parents.add(folder + "/" + path)
        needed += _FOLDER_BLOCKS * len(parents)
        if needed > free:
            free = max(0, free)  # a full LittleFS counts blocks twice
            raise PackageError("needs {} KiB, {} KiB are free".format(needed * block // 1024, free * block // 1024))

    async def write(self, path: str, read: "Callable[[memoryview], Awaitable[int]]") -> str:
        """The new file has all that `read` puts into the buffers that it is given, until it returns 0, and was read
        back; returns the SHA-256, hex. Raises PackageError."""
        self._make_parents(path)
        digest = sha256()
        # CUT: torn, in a folder that the index does not name; swept away.
        with open(self._root + path, "wb") as file:
            while True:
                n = await read(self._piece)
                if not n:
                    break
                digest.update(self._piece[:n])
                file.write(self._piece[:n])
        written = hexlify(digest.digest()).decode()
        if await self.digest(path) != written:
            raise PackageError("flash did not keep " + path)
        return written

    async def digest(self, path: str) -> str:
        """The SHA-256 of the file as it lies in flash, hex; empty when there is no such file."""
        digest = sha256()
        try:
            with open(self._root + path, "rb") as file:
                while True:
                    n = file.readinto(self._piece)
                    if not n:
                        return hexlify(digest.digest()).decode()
                    digest.update(self._piece[:n])
                    await asyncio.sleep(0)
        except OSError as error:
            if error.errno != _ENOENT:
                raise
            return ""

    def _make_parents(self, path: str) -> None:
        """The folders that the file needs are there."""
        path = self._root + path
        at = path.find("/", 1)
        while at > 0:
            try:
                # CUT: an empty folder that the index does not name; swept away.
                os.mkdir(path[:at])
            except OSError as error:
                if error.errno != _EEXIST:
                    raise
            at = path.find("/", at + 1)
