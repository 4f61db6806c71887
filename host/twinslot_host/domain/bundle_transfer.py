"""Transfers of bundles: how their files travel, each by itself (docs/protocol.md, "A bundle").

| offset | type | field |
| --- | --- | --- |
| 0 | 4 bytes | `TWTB` |
| 4 | u8, u8 | format 1; 0 |
| 6 | u16 | number of files |
| 8 | u32 | size of the list |
| 12 | | the list |
| … | u32 each | the lengths of the payloads |
| … | | the payloads in order: raw deflate of the file where that is shorter, else the file |
"""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from twinslot_host.domain import bundle
from twinslot_host.domain.bundle import BundleError, Entry
from twinslot_host.domain.payloads import PayloadError, deflated, inflated

MAGIC = b"TWTB"

_HEAD = struct.Struct("<4sBBHI")
_FORMAT = 1


@dataclass(frozen=True)
class Transfer:
    """What a file of this format holds: the bundle's files, and a payload for each."""

    entries: tuple[Entry, ...]
    payloads: tuple[bytes, ...]


def build(listing: bytes, contents: Sequence[bytes]) -> bytes:
    """The file that carries the bundle of that list, whose files hold `contents`, in its order."""
    payloads = [min(content, deflated(content), key=len) for content in contents]
    lengths = struct.pack(f"<{len(payloads)}I", *map(len, payloads))
    return b"".join((_HEAD.pack(MAGIC, _FORMAT, 0, len(payloads), len(listing)), listing, lengths, *payloads))


def parse(data: bytes) -> Transfer:
    """What the file holds. Raises BundleError at the first thing that a device would refuse."""
    if len(data) < _HEAD.size:
        raise BundleError(f"transfer: it ends at {len(data)}, within its head of {_HEAD.size} bytes")
    magic, layout, reserved, count, list_bytes = _HEAD.unpack_from(data)
    if (magic, layout, reserved) != (MAGIC, _FORMAT, 0):
        raise BundleError("transfer: it does not begin with TWTB, format 1.0")
    at = _HEAD.size + list_bytes
    entries = bundle.decode(data[_HEAD.size : at])
    if count != len(entries):
        raise BundleError(f"transfer: {count} files at 6, and {len(entries)} in its list")
    if at + 4 * count > len(data):
        raise BundleError(f"transfer: it ends at {len(data)}, within the lengths of its payloads at {at}")
    lengths = struct.unpack_from(f"<{count}I", data, at)
    at += 4 * count
    for entry, length in zip(entries, lengths, strict=True):
        if length > entry.size_bytes or (length == 0) != (entry.size_bytes == 0):
            raise BundleError(f"transfer: {entry.path!r} of {entry.size_bytes} bytes in {length}")
    if at + sum(lengths) != len(data):
        raise BundleError(f"transfer: it has {len(data)} bytes, and its payloads end at {at + sum(lengths)}")
    payloads = []
    for entry, length in zip(entries, lengths, strict=True):
        payload = data[at : at + length]
        _check_payload(entry, payload, at)
        payloads.append(payload)
        at += length
    return Transfer(entries, tuple(payloads))


def _check_payload(entry: Entry, payload: bytes, at: int) -> None:
    where = f"transfer: {entry.path!r}, its payload at {at}"
    try:
        content = payload if len(payload) == entry.size_bytes else inflated(payload, entry.size_bytes)
    except PayloadError as error:
        raise BundleError(f"{where}: {error}") from None
    if (len(content), hashlib.sha256(content).digest()) != (entry.size_bytes, entry.sha256):
        raise BundleError(f"{where}: its content is not what the list names")
