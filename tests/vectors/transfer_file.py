"""A small writer of transfers, with zlib and detools: for the vectors, and for servers of the tests' own."""

import hashlib
import io
import struct
import zlib

import detools

SEGMENT = 65536
UNCHANGED, PATCH, DEFLATE, RAW = range(4)


def deflated(data: bytes) -> bytes:
    """Raw deflate with the largest window that a device has."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -12)
    return compressor.compress(data) + compressor.flush()


def number(value: int, bytes_: int = 0) -> bytes:
    """As detools packs it, in so many bytes at least."""
    sign, value = (64, -value) if value < 0 else (0, value)
    parts = [value & 63 | sign]
    value >>= 6
    while value or len(parts) < bytes_:
        parts[-1] |= 128
        parts.append(value & 127)
        value >>= 7
    return bytes(parts)


def patch(base: bytes, segment: bytes) -> bytes:
    """A detools patch that makes the segment out of the base."""
    made = io.BytesIO()
    detools.create_patch(io.BytesIO(base), io.BytesIO(segment), made, compression="none", use_mmap=False)
    return made.getvalue()


def payload(kind: int, segment: bytes, base: bytes) -> bytes:
    if kind == UNCHANGED:
        return b""
    if kind == RAW:
        return segment
    return deflated(patch(base, segment) if kind == PATCH else segment)


def smallest(number: int, segment: bytes, base: bytes) -> tuple[int, bytes]:
    """The kind and the payload that a builder chooses."""
    if segment == base[number * SEGMENT :][: len(segment)]:
        return UNCHANGED, b""
    kinds = (PATCH, DEFLATE) if base else (DEFLATE,)
    made = [(kind, payload(kind, segment, base)) for kind in kinds]
    made = [one for one in made if len(one[1]) < len(segment)]
    return min([*made, (RAW, segment)], key=lambda one: len(one[1]))


def segments(image: bytes) -> list[bytes]:
    return [image[at : at + SEGMENT] for at in range(0, len(image), SEGMENT)]


def assemble(image: bytes, payloads: list[tuple[int, bytes]], base: bytes = b"") -> bytes:
    """The file with these payloads, each with its kind."""
    named = hashlib.sha256(base).digest() if base else bytes(32)
    head = struct.pack("<4sBBHII32s", b"TWTR", 1, 0, len(payloads), len(image), len(base), named)
    rows = [
        struct.pack("<IB3x8s", len(data), kind, hashlib.sha256(segment).digest()[:8])
        for segment, (kind, data) in zip(segments(image), payloads, strict=True)
    ]
    return b"".join([head, *rows, *(data for _, data in payloads)])


def transfer(image: bytes, base: bytes = b"", kinds: tuple[int, ...] = ()) -> bytes:
    """A transfer of the image, with the smallest payloads, or those of the kinds that a test wants."""
    cut = segments(image)
    if kinds:
        made = [(kind, payload(kind, segment, base)) for kind, segment in zip(kinds, cut, strict=True)]
    else:
        made = [smallest(number, segment, base) for number, segment in enumerate(cut)]
    return assemble(image, made, base)
