"""A bundle's list: the names, sizes and hashes of all its files, which its manifest names (docs/protocol.md).

| offset | type | field |
| --- | --- | --- |
| 0 | 4 bytes | `TWBL` |
| 4 | u8, u8 | format 1; 0 |
| 6 | u16 | number of files |
| 8 | rows | u32 size, SHA-256, u8 length of the path, the path; in the order of the paths' bytes |
"""

import itertools
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from twinslot_host.domain import paths
from twinslot_host.errors import Invalid

LIST_LIMIT_BYTES = 8192
RESERVED = ("twinslot", "boot", "main")  # they decide whether a board can still be reached
IMPORTED = (  # by them, from MicroPython; a bundle's modules would go before its own
    "_asyncio array asyncio binascii builtins deflate errno esp32 gc hashlib io json machine micropython network"
    " ntptime os select socket ssl struct sys time tls"
)
LIST_NAME = ".list"  # where a board keeps the list itself

_HEAD = struct.Struct("<4sBBH")
_ROW = struct.Struct("<I32sB")
_MAGIC = b"TWBL"
_FORMAT = 1


class BundleError(Invalid):
    """It is no bundle that a board would take; the message says why."""


@dataclass(frozen=True)
class Entry:
    """A file of a bundle, without its content."""

    path: str
    size_bytes: int
    sha256: bytes


def encode(entries: Sequence[Entry]) -> bytes:
    """The list of these files. Raises BundleError, naming the path, for what no board takes."""
    check_size([each.path for each in entries])
    _check(entries)
    rows = (_ROW.pack(each.size_bytes, each.sha256, len(each.path)) + each.path.encode() for each in entries)
    return _HEAD.pack(_MAGIC, _FORMAT, 0, len(entries)) + b"".join(rows)


def decode(data: bytes) -> tuple[Entry, ...]:
    """The files that the list names. Raises BundleError when a board would refuse it."""
    if not _HEAD.size <= len(data) <= LIST_LIMIT_BYTES:
        raise BundleError(f"bundle: a list of {len(data)} bytes, where {_HEAD.size} to {LIST_LIMIT_BYTES} can be")
    magic, layout, reserved, count = _HEAD.unpack_from(data)
    if (magic, layout, reserved) != (_MAGIC, _FORMAT, 0):
        raise BundleError("bundle: its list does not begin with TWBL, format 1.0")
    entries, at = [], _HEAD.size
    for number in range(count):
        if at + _ROW.size > len(data):
            raise BundleError(f"bundle: its list ends at {len(data)}, within file {number} of {count}")
        size_bytes, sha256, length = _ROW.unpack_from(data, at)
        at += _ROW.size + length
        entries.append(Entry(_text(data[at - length : at]), size_bytes, sha256))
    if at != len(data):
        raise BundleError(f"bundle: its list has {len(data)} bytes, and its {count} files take {at}")
    _check(entries)
    return tuple(entries)


def checked_path(path: str) -> str:
    """The path, at which a board takes a file of a bundle. Raises BundleError showing it."""
    reason = paths.refusal(path, RESERVED)
    if reason is None and path.partition("/")[0].lower() == LIST_NAME:
        reason = f"no board takes {path!r}; there lies the list itself"
    if reason is not None:
        raise BundleError(f"bundle: {reason}; rename it")
    name = paths.module(path)
    if name in IMPORTED.split():
        raise BundleError(
            f"bundle: {path!r} would take the place of MicroPython's `{name}`, which updates need; rename it, or put it"
            " in a folder"
        )
    return path


def check_size(names: Sequence[str]) -> None:
    """A board takes the list of files with these paths, for its size. Raises BundleError."""
    size_bytes = _HEAD.size + sum(_ROW.size + len(name) for name in names)
    if size_bytes > LIST_LIMIT_BYTES:
        raise BundleError(
            f"bundle: the list of its {len(names)} files has {size_bytes} bytes, and a board takes {LIST_LIMIT_BYTES};"
            " fewer files, or shorter paths, make it smaller"
        )


def check_apart(names: Sequence[str]) -> None:
    """The files can lie side by side, whatever the case of their paths. Raises BundleError naming two that can't."""
    for number, path in enumerate(names):
        reason = paths.clash(path, names[:number])
        if reason is not None:
            raise BundleError(f"bundle: {reason}")


def _check(entries: Sequence[Entry]) -> None:
    if not entries:
        raise BundleError("bundle: it has no files")
    names = [checked_path(each.path) for each in entries]
    check_apart(names)
    for one, other in itertools.pairwise(names):
        if one > other:
            raise BundleError(f"bundle: {other!r} follows {one!r}, and paths go in the order of their bytes")


def _text(raw: bytes) -> str:
    return raw.decode("ascii", "replace")  # what is not ASCII is refused with the path
