"""The server refuses every payload that a device refuses whatever its base holds; of patches, no other."""

from __future__ import annotations

import random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from twinslot.errors import TransferError
from twinslot_host.domain.payloads import PayloadError, check_patch, inflated, patch_limit_bytes

from ..vectors.transfer_file import deflated
from .test_transfer_fuzz import BASE, NUMBERS, PARTS, decoded, number, patch_of

CHANGES = st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=3)
EMPTY_BLOCK = b"\x00\x00\x00\xff\xff"


def device_takes(payload: bytes, length: int, base: bytes | None) -> bool:
    try:
        return len(decoded(payload, length, base)) == length
    except TransferError:
        return False


def server_takes(payload: bytes, length: int, base: bytes | None) -> bool:
    try:
        if base is None:
            return len(inflated(payload, length)) == length
        check_patch(inflated(payload, patch_limit_bytes(length)), length, len(base))
    except PayloadError:
        return False
    return True


@given(PARTS, st.integers(-2, 2), CHANGES, st.binary(max_size=2))
@settings(max_examples=400)
@example([(b"", b"", 1)] * 300 + [(b"", b"x", 0)], 0, [], b"")
def test_server_takes_the_patches_that_a_device_takes(
    parts: list[tuple[bytes, bytes, int]], more: int, changes: list[tuple[int, int]], behind: bytes
) -> None:
    length = max(1, sum(len(diff) + len(extra) for diff, extra, _ in parts) + more)
    patch = bytearray(patch_of(parts, length) + behind)
    for at, byte in changes:
        patch[at % len(patch)] = byte
    payload = deflated(bytes(patch))
    assert server_takes(payload, length, BASE) == device_takes(payload, length, BASE)


@given(st.lists(st.one_of(NUMBERS.map(number), st.binary(max_size=60)), max_size=20), st.integers(1, 400))
@settings(max_examples=300)
@example([b"\x00\x80\x80\x80\x80\x00\x00\x00"], 1)
@example([b"\x80\x80\x80\x80\x80\x00"], 1)
@example([b"\x41", number(0), number(7), bytes(7), number(0)], 5)  # -1 bytes, again and again
def test_server_takes_the_numbers_that_a_device_takes(parts: list[bytes], length: int) -> None:
    payload = deflated(b"\0" + number(length) + b"\0" + b"".join(parts))
    assert server_takes(payload, length, BASE) == device_takes(payload, length, BASE)


def test_server_takes_no_deflate_that_a_device_refuses() -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    some = random.Random(seed)
    taken = 0
    for _ in range(200):
        content = some.randbytes(some.randrange(1, 700)) * some.choice((1, 1, 9))
        payload = bytearray(EMPTY_BLOCK * some.choice((0, 1, 150, 250, 300, 600)) + deflated(content))
        for _ in range(some.choice((0, 0, 1, 2))):
            payload[some.randrange(len(payload))] ^= 1 << some.randrange(8)
        length = len(content) + some.choice((0, 0, 0, 1, -1))
        if length and server_takes(bytes(payload), length, None):
            taken += 1
            assert device_takes(bytes(payload), length, None)
    assert taken > 20
