"""What packages are made of: names, versions, and files by their paths."""

import re
from collections.abc import Iterable

from twinslot_host.errors import Invalid

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}", re.ASCII)
TAKEN = ("index.json", "index.json.new")  # a board's own files beside its packages; no name, and no version
PATH_LIMIT = 128  # characters
DEPTH_LIMIT = 8  # parts of a path
RESERVED = (
    "twinslot",
    "app",
    "boot",
    "main",
)  # modules by which a board stays reachable; it takes no others of that name

_PATH = re.compile(r"[ -~]+", re.ASCII)


def checked_path(path: str) -> str:
    """The path, which is one inside a package's folder on every board. Raises Invalid showing it."""
    if len(path) > PATH_LIMIT or not _PATH.fullmatch(path) or "\\" in path:
        raise Invalid(f"file: {path[:PATH_LIMIT]!r} is no path of 1 to {PATH_LIMIT} printable ASCII characters")
    parts = path.split("/")
    if len(parts) > DEPTH_LIMIT or any(part in ("", ".", "..") for part in parts):
        raise Invalid(f"file: {path!r} is no relative path of at most {DEPTH_LIMIT} parts, none empty, '.' or '..'")
    if (parts[0] if len(parts) > 1 else parts[0].rpartition(".")[0] or parts[0]).lower() in RESERVED:
        raise Invalid(f"file: no board takes {path!r} of a package; {', '.join(RESERVED)} are names of its own")
    return path


def check_apart(path: str, others: Iterable[str]) -> None:
    """The path is none of the others, nor the folder of one, nor lies in one, whatever its case. Raises Invalid.

    A file system that does not tell cases apart has room for such a package too.
    """
    mine = path.lower()
    for other in others:
        its = other.lower()
        if mine == its or mine.startswith(its + "/") or its.startswith(mine + "/"):
            raise Invalid(f"file: {path!r} and {other!r} can't lie side by side")
