"""Files below a folder of their own: sets of them are written, read back and removed there. What packages and bundles
stand on."""

import asyncio
import os
from binascii import hexlify
from hashlib import sha256

from micropython import const

from .errors import TransferError

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Iterable

PATH_MAX = const(128)
_DEPTH_MAX = const(8)
_FOLDER = const(0x4000)
_NOT_THERE = (2, 20, 21)  # ENOENT; ENOTDIR and EISDIR: a file lies where the path has a folder, or the other way round
_EEXIST = const(17)
_ENTRY_BYTES = const(32)  # of a name's tag, the file's, and the time of its change
_SPARE_BLOCKS = const(2)  # an index or a list, and what grows in folders that are there already


def is_path(path: str) -> bool:
    """Whether that is the relative path of a file which may come from outside."""
    parts = path.split("/")
    bad = len(path) > PATH_MAX or len(parts) > _DEPTH_MAX or any(part in ("", ".", "..") for part in parts)
    return not bad and all(" " <= c <= "~" and c != "\\" for c in path)


def module(path: str) -> str:
    """The top-level module that the file belongs to."""
    first, slash, _ = path.partition("/")
    return first if slash else first.rpartition(".")[0] or first


class Files:
    """Those below `root`, an absolute path that ends with a slash. Paths are relative to it.

    `piece` is the buffer through which all files go. OSError is raised for what the file system has to say.
    """

    def __init__(self, root: str, piece: memoryview) -> None:
        self._root = root
        self._piece = piece

    def sweep(self, stays: "Callable[[str, bool], bool]", folder: str = "") -> "Generator[None, None, bool]":
        """What is in the folder is gone, one file or folder after the other, but for paths that `stays`: a folder with
        all that is in it. `stays` is given a path, and whether that is a folder. Returns whether nothing is left."""
        gone = True
        for name in self._listed(folder):
            path = folder + name
            is_folder = os.stat(self._root + path)[0] & _FOLDER != 0
            if stays(path, is_folder):
                gone = False
            elif not is_folder:
                # CUT: there still, or gone; the next operation or download sweeps again.
                os.remove(self._root + path)
                yield
            elif (yield from self.sweep(stays, path + "/")):
                # CUT: there still, and empty; the next operation or download sweeps again.
                os.rmdir(self._root + path)
                yield
            else:
                gone = False
        return gone

    async def clear(self) -> None:
        """There is nothing below the root."""
        for _ in self.sweep(lambda path, is_folder: False):
            await asyncio.sleep(0)

    def _listed(self, folder: str) -> "list[str]":
        try:
            return os.listdir(self._root + folder)
        except OSError as error:
            if error.errno in _NOT_THERE:
                return []
            raise

    def check_space(self, sizes: "Iterable[tuple[str, int]]") -> None:
        """There is room for new files of these paths and sizes in bytes. Raises TransferError."""
        block, _, _, free = os.statvfs("/")[:4]
        parents = set()
        needed, entries = _SPARE_BLOCKS, 0
        for path, size in sizes:
            needed += size // (block - 8) + 1  # its blocks are linked (LittleFS, DESIGN.md, "CTZ skip-lists")
            entries += len(path) + _ENTRY_BYTES
            while "/" in path:
                path = path.rpartition("/")[0]
                parents.add(path)
        needed += 2 * (len(parents) + entries // (block // 2))
        if needed > free:
            free = max(0, free)  # a full LittleFS counts blocks twice
            raise TransferError("needs {} bytes, {} are free".format(needed * block, free * block))

    async def write(self, path: str, read: "Callable[[memoryview], Awaitable[int]]") -> str:
        """The new file has all that `read` puts into the buffers that it is given, until it returns 0, and was read
        back; returns the SHA-256, hex. Raises TransferError."""
        self.make_parents(path)
        digest = sha256()
        # CUT: torn, in a folder that nothing names yet; swept away, or written anew.
        with open(self._root + path, "wb") as file:
            while True:
                n = await read(self._piece)
                if not n:
                    break
                digest.update(self._piece[:n])
                file.write(self._piece[:n])
        written = hexlify(digest.digest()).decode()
        if await self.digest(path) != written:
            raise TransferError("flash did not keep " + path)
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
            if error.errno not in _NOT_THERE:
                raise
            return ""

    def make_parents(self, path: str) -> None:
        """The folders that the file needs are there."""
        path = self._root + path
        at = path.find("/", 1)
        while at > 0:
            try:
                # CUT: an empty folder that nothing names; swept away.
                os.mkdir(path[:at])
            except OSError as error:
                if error.errno != _EEXIST:
                    raise
            at = path.find("/", at + 1)
