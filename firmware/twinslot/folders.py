"""Sets of files that take each other's place whole: a folder for each version, and one index that says which are used.

A new set is written into a folder that the index does not name. When all of it was read back, the index is replaced by
one rename. Folders that the index does not name are removed, at the next operation too.

Power loss: LittleFS leaves the old index or the new one. Whichever it names was written and read back before, and is
not written to again; all else is swept away.
"""

import json
import os

from micropython import const

from . import index
from .errors import PackageError
from .files import Files

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from collections.abc import Generator

    from .index import Index

_NEW = ".new"
_INDEX_MAX_BYTES = const(4096)  # an inventory is no longer than its index, and must fit into 8 KiB (docs/protocol.md)


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


class Folders(Files):
    """The folders below `root`. What is said to raise PackageError raises OSError too, for what the file system has to
    say."""

    def entries(self) -> "Index":
        """The index. One that can't be understood is as good as none: nothing of it is in use."""
        try:
            return index.load(self._root)
        except ValueError:
            return {}

    def switch(self, data: bytes) -> None:
        """`data` is the index from now on. Raises PackageError."""
        path = self._root + index.NAME
        self.make_parents(index.NAME)
        # CUT: the old index; the new one's file is swept away.
        with open(path + _NEW, "wb") as file:
            file.write(data)
        with open(path + _NEW, "rb") as file:
            if file.read() != data:
                raise PackageError("flash did not keep the index")
        # CUT: the old index or the new one; what it does not name is swept away.
        os.rename(path + _NEW, path)

    def sweep_unnamed(self, entries: "Index") -> "Generator[None, None, bool]":
        """What the index does not name is gone, one file or folder after the other."""
        stay = _named(entries) + [index.NAME]
        return self.sweep(lambda path, _: path in stay)
