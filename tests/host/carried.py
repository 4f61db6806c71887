"""Transfers read with nothing of the server's: by struct, zlib and detools, as docs/protocol.md has them."""

import hashlib
import io
import struct
import zlib

import detools

SEGMENT = 65536


def segments_of(transfer: bytes) -> list[tuple[int, bytes, bytes]]:
    """Kind, payload and digest of each segment; the head and the layout are checked."""
    magic, layout, zero, count, size, base_size, base = struct.unpack_from("<4sBBHII32s", transfer)
    assert (magic, layout, zero, count) == (b"TWTR", 1, 0, -(-size // SEGMENT))
    assert (base_size == 0) == (base == bytes(32))
    found, at = [], 48 + 16 * count
    for number in range(count):
        length, kind, zeros, digest = struct.unpack_from("<IB3s8s", transfer, 48 + 16 * number)
        assert zeros == bytes(3)
        found.append((kind, transfer[at : at + length], digest))
        at += length
    assert at == len(transfer)
    return found


def applied(transfer: bytes, base: bytes = b"") -> bytes:
    """The image that a device gets which runs the base."""
    size, base_size, sha256 = struct.unpack_from("<II32s", transfer, 8)
    if base_size:
        assert (base_size, sha256) == (len(base), hashlib.sha256(base).digest())
    image = b""
    for number, (kind, payload, digest) in enumerate(segments_of(transfer)):
        length = min(SEGMENT, size - len(image))
        piece = _piece(kind, payload, base, number * SEGMENT, length)
        assert (len(piece), hashlib.sha256(piece).digest()[:8]) == (length, digest)
        assert kind in (0, 3) or 0 < len(payload) < length
        image += piece
    assert len(image) == size
    return image


def _piece(kind: int, payload: bytes, base: bytes, at: int, length: int) -> bytes:
    if kind == 0:
        assert (payload, at + length <= len(base)) == (b"", True)
        return base[at : at + length]
    if kind == 3:
        return payload
    content = zlib.decompress(payload, -12)
    if kind == 2:
        return content
    assert kind == 1
    piece = io.BytesIO()
    detools.apply_patch(io.BytesIO(base), io.BytesIO(content), piece)
    return piece.getvalue()
