"""What a device makes of the payload of a segment, or of a bundle's file: deflate and patches, refused where a device
refuses them, as far as that shows without the base (docs/protocol.md, "Transfer")."""

import zlib

from twinslot_host.errors import Invalid

_WINDOW_BITS = -12  # raw deflate, 4 KiB
_PIECE_BYTES = 256  # of deflate's output
_INPUT_BYTES = 1024  # that a device has of it for such a piece
_NUMBER_BYTES = 5


class PayloadError(Invalid):
    """A device would refuse the payload; the message says why."""


def deflated(data: bytes) -> bytes:
    """Raw deflate of it, with the largest window that a device has."""
    work = zlib.compressobj(9, zlib.DEFLATED, _WINDOW_BITS, 9)
    return work.compress(data) + work.flush()


def inflated(payload: bytes, limit_bytes: int) -> bytes:
    """What the deflate holds, which is all of the payload. Raises PayloadError when that is more than `limit_bytes`, or
    no such deflate."""
    work = zlib.decompressobj(_WINDOW_BITS)
    content, at = bytearray(), 0
    while not work.eof:
        given = payload[at : at + _INPUT_BYTES]
        try:
            piece = work.decompress(given, _PIECE_BYTES)
        except zlib.error as error:
            raise PayloadError(f"no deflate ({error})") from None
        at += len(given) - len(work.unconsumed_tail) - len(work.unused_data)
        content += piece
        if len(content) > limit_bytes:
            raise PayloadError(f"its deflate swells beyond {limit_bytes} bytes")
        if len(piece) < _PIECE_BYTES and not work.eof:
            raise PayloadError(
                "its deflate ends early"
                if at == len(payload)
                else f"its deflate has more than {_INPUT_BYTES} bytes for {_PIECE_BYTES}, too many for a device"
            )
    if at < len(payload):
        raise PayloadError(f"{len(payload) - at} bytes follow the end of its deflate")
    return bytes(content)


def patch_limit_bytes(length: int) -> int:
    """How many bytes a patch may have that makes so many."""
    return 2 * length + 512


def check_patch(patch: bytes, length: int, base_size: int) -> None:
    """The patch makes `length` bytes, and takes nothing from beyond a base of that size. Raises PayloadError."""
    at = 0
    for wanted, what in ((0, "type"), (length, "length"), (0, "data format")):
        value, at = _number(patch, at)
        if value != wanted:
            raise PayloadError(f"its patch has the {what} {value} instead of {wanted}")
    position, left = 0, length
    while left:
        count, at = _count(patch, at, left)
        if count and not 0 <= position <= base_size - count:
            raise PayloadError(f"its patch takes {count} bytes at {position} of a base of {base_size}")
        extra, at = _count(patch, at, left - count)
        move, at = _number(patch, at)
        position += count + move
        left -= count + extra
    if at < len(patch):
        raise PayloadError(f"{len(patch) - at} bytes follow the end of its patch")


def _count(patch: bytes, at: int, most: int) -> tuple[int, int]:
    """A number of bytes that lies at `at`, and where they end, which follow it."""
    count, at = _number(patch, at)
    if not 0 <= count <= most:
        raise PayloadError(f"its patch makes {count} bytes, before {at}, where {most} are left of its segment")
    return count, at + count


def _number(patch: bytes, at: int) -> tuple[int, int]:
    """The number that lies at `at`, and where it ends: six bits and a sign, then seven bits a byte."""
    value = 0
    for place, byte in enumerate(patch[at : at + _NUMBER_BYTES]):
        value |= (byte & 127) << (7 * place - 1) if place else byte & 63
        if byte < 128:
            return -value if patch[at] & 64 else value, at + place + 1
    raise PayloadError(f"its patch ends, or has too large a number, at {at}")
