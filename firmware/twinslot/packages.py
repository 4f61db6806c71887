"""Installed packages: what the rest of the device package, and each start, needs to know of them.

`/packages/` belongs to the installer: what its index does not name is removed at the next operation. An entry whose
name ends with `~`, which no package's name does, is of a package that was downloaded and is not installed. At the end
of a folder's name each `~` says that the name without it was taken (`folders.unused`), and nothing else.
"""

import json
import sys
from binascii import hexlify
from hashlib import sha256

from micropython import const

from . import index
from .hooks import load
from .log import log

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from .installer import Fetch, Progress, Say

ROOT = "/packages/"
STAGED = "~"

_digest = ""  # of the inventory, empty until it is asked for


def add_to_path() -> None:
    """The folders of the installed packages, and of no others, come last in `sys.path`: so no package takes the place
    of a module that the image or `/lib` brings. An index that can't be read is printed."""
    global _digest
    _digest = ""
    sys.path[:] = [folder for folder in sys.path if not folder.startswith(ROOT)]
    try:
        sys.path.extend([ROOT + entry["folder"] for _, entry in _installed()])
    except (OSError, ValueError) as error:
        log("the packages can't be used:", error)


def inventory() -> "list[dict]":
    """Name, version and modules of each installed package, by name. None, when the index can't be read."""
    try:
        return [{"name": name, "version": e["version"], "modules": e["modules"]} for name, e in _installed()]
    except (OSError, ValueError):
        return []


def digest() -> str:
    """16 hex digits that change when the inventory does."""
    global _digest
    if not _digest:
        known = [(each["name"], each["version"], each["modules"]) for each in inventory()]
        _digest = hexlify(sha256(json.dumps(known).encode()).digest()).decode()[:16]
    return _digest


async def install(fetch: "Fetch", order: dict, progress: "Progress", say: "Say") -> None:
    """The package that the operation `order` names is installed, or only downloaded when it says so.

    `fetch` is a Fetcher's `open`; `progress` is called with 0 to 100, `say` with lines for the operation's output.
    Raises PackageError.
    """
    await load("twinslot.installer").install(fetch, order, progress, say)


def uninstall(name: str, version: str, again: bool = False) -> None:
    """That package is not installed. Raises PackageError, also when it was not, or is in another version; with `again`,
    an earlier attempt may have removed it already."""
    load("twinslot.installer").uninstall(name, version, again)


def _installed() -> "list[tuple[str, dict]]":
    return sorted((name, entry) for name, entry in index.load(ROOT).items() if not name.endswith(STAGED))
