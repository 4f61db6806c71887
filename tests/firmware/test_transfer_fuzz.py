"""Indexes, patches and deflate streams that nobody would make by accident: they are refused, or mean what they say."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from twinslot.errors import TransferError
from twinslot.inflate import Inflater
from twinslot.patch import Patch
from twinslot.ranges import Ranges
from twinslot.segments import Index, index_bytes

from ..vectors.transfer_file import DEFLATE, PATCH, SEGMENT, UNCHANGED, deflated, number, transfer
from .prove_memory import App, Memory

INPUT = 1536  # bytes of a payload that a device holds
BASE = bytes(n * n // 7 % 256 for n in range(3000))
NUMBERS = st.one_of(st.integers(-70, 70), st.integers(-(1 << 40), 1 << 40))
PARTS = st.lists(st.tuples(st.binary(max_size=80), st.binary(max_size=80), st.integers(-400, 400)), max_size=9)


class Source:
    """As `Ranges`, from memory, in pieces of `step` bytes."""

    def __init__(self, data: bytes, step: int) -> None:
        self._rest = memoryview(data)
        self._step = step

    async def readinto(self, buffer: memoryview) -> int:
        n = min(len(buffer), len(self._rest), self._step)
        assert n, "more is asked for than the payload"
        buffer[:n] = self._rest[:n]
        self._rest = self._rest[n:]
        return n


def decoded(payload: bytes, length: int, base: bytes | None = None, step: int = 1460) -> bytes:
    """What a device makes of the payload of a segment of `length` bytes; a patch when there is a base.

    Raises TransferError, after at most so many bytes.
    """

    inflater = Inflater(Source(payload, step), len(payload))

    async def run() -> bytes:
        source = inflater
        if base is not None:
            source = Patch(inflater, length, App(base), len(base))
        made = memoryview(bytearray(length))
        got = 0
        while got < length:
            n = await source.readinto(made[got:])
            if not n:
                raise TransferError("too short")
            got += n
        await source.end()
        return bytes(made)

    try:
        return asyncio.run(run())
    finally:
        assert len(inflater._tape.getbuffer()) == INPUT


def patch_of(parts: list[tuple[bytes, bytes, int]], length: int) -> bytes:
    made = b"\0" + number(length) + number(0)
    for diff, extra, adjustment in parts:
        made += number(len(diff)) + diff + number(len(extra)) + extra + number(adjustment)
    return made


@given(PARTS, st.integers(100, 2000))
@settings(max_examples=300)
@example([(b"", b"", 1)] * 300 + [(b"", b"x", 0)], 1)
def test_patch_makes_what_it_says_or_is_refused(parts: list[tuple[bytes, bytes, int]], step: int) -> None:
    while parts and not parts[-1][0] and not parts[-1][1]:
        parts.pop()  # the segment is complete before these
    if not parts:
        return
    position, within, made = 0, True, b""
    for diff, extra, adjustment in parts:
        within &= not diff or 0 <= position <= len(BASE) - len(diff)
        made += bytes((old + new) % 256 for old, new in zip(BASE[max(0, position) :], diff, strict=False)) + extra
        position += len(diff) + adjustment
    raw = patch_of(parts, sum(len(diff) + len(extra) for diff, extra, _ in parts))
    if within and len(raw) <= 2 * len(made) + 512:
        assert decoded(deflated(raw), len(made), BASE, step) == made
    else:
        with pytest.raises(TransferError):
            decoded(deflated(raw), sum(len(diff) + len(extra) for diff, extra, _ in parts), BASE, step)


@given(st.lists(st.one_of(NUMBERS.map(number), st.binary(max_size=60)), max_size=20), st.integers(1, 400))
@settings(max_examples=300)
def test_numbers_and_bytes_at_random_are_no_patch_or_stay_within_it(parts: list[bytes], length: int) -> None:
    with contextlib.suppress(TransferError):
        assert len(decoded(deflated(b"\0" + number(length) + b"\0" + b"".join(parts)), length, BASE)) == length


@given(st.binary(min_size=1, max_size=4000), st.integers(1, 8000), st.booleans())
@settings(max_examples=300)
def test_bytes_at_random_end_in_a_transfer_error(payload: bytes, length: int, is_patch: bool) -> None:
    with contextlib.suppress(TransferError):
        assert len(decoded(payload, length, BASE if is_patch else None)) == length


@given(st.binary(max_size=3), st.integers(0, 5000), st.binary(max_size=3000), st.integers(100, 3000))
@settings(max_examples=100)
def test_deflate_of_anything_is_inflated_whatever_pieces_it_comes_in(
    unit: bytes, times: int, noise: bytes, step: int
) -> None:
    content = unit * times + noise + unit * times
    if content:
        assert decoded(deflated(content), len(content), None, step) == content


@pytest.mark.parametrize("blocks", [300, 310, 400, 3000])
def test_deflate_that_needs_more_input_than_a_device_holds_is_refused(blocks: int) -> None:
    nothing = b"\x00\x00\x00\xff\xff"
    for step in (1, 700, 1460):
        with pytest.raises(TransferError):
            decoded(nothing * blocks + deflated(BASE), len(BASE), None, step)


def test_deflate_that_hides_its_input_behind_empty_blocks_gets_nothing_that_did_not_come() -> None:
    stored = b"\x01" + struct.pack("<HH", 500, 500 ^ 0xFFFF) + b"x" * 500
    payload = b"\x00\x00\x00\xff\xff" * 203 + stored
    with pytest.raises(TransferError):
        asyncio.run(Inflater(Source(payload, 1), len(payload)).readinto(memoryview(bytearray(256))))


IMAGE = BASE * 50
GOOD = transfer(IMAGE, BASE, (DEFLATE, PATCH, DEFLATE))
RUNNING = GOOD[16:48]


def check(index: bytes, size: int, total: int, running: bytes | None) -> Index:
    return Index(bytearray(index[: index_bytes(size)]), size, total, running, 0x180000)


@given(
    st.lists(st.tuples(st.integers(0, index_bytes(len(IMAGE)) - 1), st.integers(0, 255)), max_size=6),
    st.sampled_from([len(GOOD), len(GOOD) + 1, len(GOOD) - 1, 0, 1 << 31]),
    st.sampled_from([RUNNING, bytes(32), None]),
)
@settings(max_examples=300)
def test_index_that_lies_is_refused_and_one_that_is_taken_adds_up(
    changes: list[tuple[int, int]], total: int, running: bytes | None
) -> None:
    data = bytearray(GOOD[: index_bytes(len(IMAGE))])
    for at, byte in changes:
        data[at] = byte
    try:
        index = check(data, len(IMAGE), total, running)
    except TransferError:
        return
    past = len(data)
    for n in range(index.count):
        first, end = index.place(n)
        length, kind = struct.unpack_from("<II", data, 48 + 16 * n)
        assert (first, end - first, index.kind(n)) == (past, length, kind)
        assert kind != UNCHANGED or n * SEGMENT + index.length(n) <= index.base_size
        assert kind > PATCH or running == data[16:48] == RUNNING
        past = end
    assert past == total


@given(st.binary(max_size=200), st.integers(1, 5 * SEGMENT), st.integers(0, 1 << 32))
@settings(max_examples=300)
def test_bytes_at_random_are_no_index(data: bytes, size: int, total: int) -> None:
    data = data[: index_bytes(size)].ljust(index_bytes(size), b"\0")
    with pytest.raises(TransferError):
        check(data, size, total, None)


def asked_for(number: int, wanted: tuple[int, ...], place: Callable[[int], tuple[int, int]]) -> tuple[int, int]:
    """From where to where a device asks for a segment."""
    memory = Memory({"file": IMAGE})
    ranges = Ranges(memory, memoryview(bytearray(512)))
    first, end = place(number)
    assert asyncio.run(ranges.seek("file", number, bytearray(wanted), place)) == end - first
    (asked,) = memory.asked
    return asked[1:]


def test_requests_for_gaps_are_as_few_as_the_gaps_allow() -> None:
    index = check(GOOD, len(IMAGE), len(GOOD), RUNNING)
    first, second, third = (index.place(n) for n in range(3))
    assert (first[0], third[1]) == (index_bytes(len(IMAGE)), len(GOOD))
    assert asked_for(0, (1, 1, 1), index.place) == (first[0], third[1])
    assert asked_for(0, (1, 0, 1), index.place) == first
    assert asked_for(1, (1, 1, 2), index.place) == second
    assert asked_for(1, (0, 2, 2), index.bounds) == (SEGMENT, len(IMAGE))
