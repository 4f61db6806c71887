"""Transfers: how images travel, in segments that each stand for themselves (docs/protocol.md, "Transfer").

| offset | type | field |
| --- | --- | --- |
| 0 | 4 bytes | `TWTR` |
| 4 | u8, u8 | format 1; 0 |
| 6 | u16 | number of segments |
| 8 | u32 | image size |
| 12 | u32 | base size; 0 without a base |
| 16 | 32 bytes | SHA-256 of the base; zeros without one |
| 48 | 16 bytes each | the index: u32 payload length, u8 kind, 3 zeros, first 8 bytes of the SHA-256 of the segment |
| … | | the payloads in order |
"""

import hashlib
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from twinslot_host.domain.payloads import PayloadError, check_patch, deflated, inflated, patch_limit_bytes
from twinslot_host.errors import Invalid

SEGMENT_BYTES = 65536
IMAGE_LIMIT_BYTES = 0xFFFF * SEGMENT_BYTES
BASE_LIMIT_BYTES = 0x7FFFFFFF - 1  # what detools can address

_MAGIC = b"TWTR"
_FORMAT = 1
_HEAD = struct.Struct("<4sBBHII32s")
_ENTRY = struct.Struct("<IB3s8s")
_SEQUENTIAL = bytes([0])  # a patch's first byte: its type, and no compression


class Kind(IntEnum):
    """How a segment travels."""

    UNCHANGED = 0  # not at all: it lies at the same place of the base
    PATCH = 1  # deflate of a sequential patch (detools) against the whole base
    DEFLATE = 2
    RAW = 3


class TransferError(Invalid):
    """The bytes are no transfer of this format, or can't be made one; the message says where it is wrong."""


@dataclass(frozen=True)
class Segment:
    """A piece of the image on its way: `digest` is the first 8 bytes of its SHA-256."""

    kind: Kind
    payload: bytes
    digest: bytes


@dataclass(frozen=True)
class Transfer:
    """What a file of this format holds; `base_sha256` is empty when there is no base."""

    image_size_bytes: int
    base_size_bytes: int
    base_sha256: bytes
    segments: tuple[Segment, ...]

    def size_of(self, number: int) -> int:
        """The bytes of the image in the segment of that number."""
        return _size_of(number, self.image_size_bytes)


def encoded(image: bytes, base: bytes = b"") -> Iterator[Segment]:
    """The image's segments, in order, each in the smallest of the kinds; an empty base is none.

    Raises TransferError when one of the two is too large.
    """
    if len(image) > IMAGE_LIMIT_BYTES or len(base) > BASE_LIMIT_BYTES:
        raise TransferError(f"transfer: more than {IMAGE_LIMIT_BYTES} bytes, or {BASE_LIMIT_BYTES} of the base")
    patched = _patcher(base) if base else None
    for at in range(0, len(image), SEGMENT_BYTES):
        content = image[at : at + SEGMENT_BYTES]
        if base[at : at + len(content)] == content:
            yield Segment(Kind.UNCHANGED, b"", _digest(content))
        else:
            yield Segment(*_smallest(content, patched), _digest(content))


def assembled(image: bytes, base: bytes, segments: Iterable[Segment]) -> bytes:
    """The file of these segments of the image; an empty base is none."""
    all_of_them = list(segments)
    sha256 = hashlib.sha256(base).digest() if base else bytes(32)
    head = _HEAD.pack(_MAGIC, _FORMAT, 0, len(all_of_them), len(image), len(base), sha256)
    index = (_ENTRY.pack(len(each.payload), each.kind, bytes(3), each.digest) for each in all_of_them)
    return b"".join((head, *index, *(each.payload for each in all_of_them)))


def build(image: bytes, base: bytes = b"") -> bytes:
    """The file that carries the image to a device which runs the base; an empty base is none."""
    return assembled(image, base, encoded(image, base))


def parse(data: bytes) -> Transfer:
    """What the file holds. Raises TransferError at the first thing that a device would refuse, as far as that shows
    without the base: of the index, then of the payloads."""
    if len(data) < _HEAD.size:
        raise TransferError(f"transfer: it ends at {len(data)}, within its head of {_HEAD.size} bytes")
    magic, layout, reserved, count, image_size, base_size, base_sha256 = _HEAD.unpack_from(data)
    if magic != _MAGIC:
        raise TransferError("transfer: it does not begin with TWTR")
    if layout != _FORMAT or reserved:
        raise TransferError(f"transfer: format {layout}.{reserved} at 4, where 1.0 is known")
    if count != -(-image_size // SEGMENT_BYTES):
        raise TransferError(f"transfer: {count} segments at 6, and an image of {image_size} bytes at 8")
    if (base_size == 0) != (base_sha256 == bytes(32)):
        raise TransferError("transfer: a base without a size at 12, or without a SHA-256 at 16")
    if len(data) < _HEAD.size + count * _ENTRY.size:
        raise TransferError(f"transfer: it ends at {len(data)}, within its index of {count} segments")
    segments, end = [], _HEAD.size + count * _ENTRY.size
    for number in range(count):
        segment = _segment(data, number, end, _size_of(number, image_size), base_size)
        segments.append(segment)
        end += len(segment.payload)
    if len(data) > end:
        raise TransferError(f"transfer: {len(data) - end} bytes follow its end at {end}")
    at = _HEAD.size + count * _ENTRY.size
    for number, segment in enumerate(segments):
        try:
            _check_payload(segment, _size_of(number, image_size), base_size)
        except PayloadError as error:
            raise TransferError(f"transfer: segment {number}, its payload at {at}: {error}") from None
        at += len(segment.payload)
    return Transfer(image_size, base_size, base_sha256 if base_size else b"", tuple(segments))


def _smallest(content: bytes, patched: Callable[[bytes], bytes] | None) -> tuple[Kind, bytes]:
    ways = [(Kind.RAW, content), (Kind.DEFLATE, deflated(content))]
    if patched is not None:
        ways.append((Kind.PATCH, deflated(patched(content))))
    return min(ways, key=lambda way: len(way[1]))


def _patcher(base: bytes) -> Callable[[bytes], bytes]:
    """What makes sequential patches against the base, each whole by itself, as `detools.create_patch` makes them.

    That sorts the base's suffixes for each patch anew; here they are sorted once, which halves the time for an image of
    1.5 MB, and counts for more the larger it is.
    """
    # Here, since a server patches in a process of its own, and needs these nowhere else.
    from detools.bsdiff import create_patch, pack_size
    from detools.suffix_array import divsufsort

    suffixes = bytearray(4 * (len(base) + 1))
    divsufsort(base, suffixes)

    def patched(content: bytes) -> bytes:
        chunks = create_patch(suffixes, base, content, bytearray(len(content) + 1))
        return b"".join((_SEQUENTIAL, pack_size(len(content)), pack_size(0), *chunks))

    return patched


def _segment(data: bytes, number: int, at: int, size_bytes: int, base_size_bytes: int) -> Segment:
    """The segment of that number, whose payload lies at `at`, as the index has it. Raises TransferError."""
    entry = _HEAD.size + number * _ENTRY.size
    length, kind, reserved, digest = _ENTRY.unpack_from(data, entry)
    where = f"transfer: segment {number}, at {entry} of the index"
    if kind not in tuple(Kind) or any(reserved):
        raise TransferError(f"{where}: kind {kind} with {reserved.hex()} after it, where 0 to 3 and zeros are known")
    if kind in (Kind.UNCHANGED, Kind.PATCH) and not base_size_bytes:
        raise TransferError(f"{where}: {Kind(kind).name.lower()}, and there is no base")
    if kind == Kind.UNCHANGED and number * SEGMENT_BYTES + size_bytes > base_size_bytes:
        raise TransferError(f"{where}: unchanged, and not wholly within the base of {base_size_bytes} bytes")
    if length not in {Kind.UNCHANGED: (0,), Kind.RAW: (size_bytes,)}.get(kind, range(1, size_bytes)):
        raise TransferError(f"{where}: {Kind(kind).name.lower()} of {size_bytes} bytes in {length}")
    if at + length > len(data):
        raise TransferError(f"{where}: its {length} bytes at {at} run past the file's end at {len(data)}")
    return Segment(Kind(kind), data[at : at + length], digest)


def _check_payload(segment: Segment, size_bytes: int, base_size_bytes: int) -> None:
    """The payload is whole and its content right, as far as that shows without the base. Raises PayloadError."""
    if segment.kind == Kind.PATCH:
        check_patch(inflated(segment.payload, patch_limit_bytes(size_bytes)), size_bytes, base_size_bytes)
    if segment.kind in (Kind.RAW, Kind.DEFLATE):
        content = segment.payload if segment.kind == Kind.RAW else inflated(segment.payload, size_bytes)
        if (len(content), _digest(content)) != (size_bytes, segment.digest):
            raise PayloadError("its content is not what the index names")


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()[:8]


def _size_of(number: int, image_size_bytes: int) -> int:
    return min(SEGMENT_BYTES, image_size_bytes - number * SEGMENT_BYTES)
