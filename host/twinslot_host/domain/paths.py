"""Paths of the files that come to devices, in packages and in bundles."""

import re
from collections.abc import Collection, Iterable

PATH_LIMIT = 128  # characters
DEPTH_LIMIT = 8  # parts of a path

_PATH = re.compile(r"[ -~]+", re.ASCII)


def refusal(path: str, reserved: Collection[str]) -> str | None:
    """Why no board takes a file at that path; None when it does. Its modules of the `reserved` names are its own."""
    if len(path) > PATH_LIMIT or not _PATH.fullmatch(path) or "\\" in path:
        return f"{path[:PATH_LIMIT]!r} is no path of 1 to {PATH_LIMIT} printable ASCII characters without a backslash"
    parts = path.split("/")
    if len(parts) > DEPTH_LIMIT or any(part in ("", ".", "..") for part in parts):
        return f"{path!r} is no relative path of at most {DEPTH_LIMIT} parts, none empty, '.' or '..'"
    if module(path) in reserved:
        return f"no board takes {path!r}; {', '.join(reserved)} are names of its own"
    return None


def module(path: str) -> str:
    """The top-level module that the file belongs to, in lower case."""
    first, slash, _ = path.partition("/")
    return (first if slash else first.rpartition(".")[0] or first).lower()


def clash(path: str, others: Iterable[str]) -> str | None:
    """Why the path can't be beside the others: it is one of them, the folder of one, or lies in one, whatever its case;
    None when it can.

    A file system that does not tell cases apart has room for such files too.
    """
    mine = path.lower()
    for other in others:
        its = other.lower()
        if mine == its or mine.startswith(its + "/") or its.startswith(mine + "/"):
            return f"{path!r} and {other!r} can't lie side by side"
    return None
