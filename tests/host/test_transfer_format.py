"""The builder of transfers: what it makes is read by others, and what is damaged is refused."""

import io
import random
import struct
import sys
import zlib
from pathlib import Path

import detools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinslot_host.domain import transfer
from twinslot_host.domain.transfer import Kind, TransferError

from .carried import SEGMENT, applied, segments_of

SEED = 20261123
SIZES = (0, 1, 4095, SEGMENT - 1, SEGMENT, SEGMENT + 1, 3 * SEGMENT + 17)


def noise(size: int, seed: int = SEED) -> bytes:
    return random.Random(seed).randbytes(size)


def kinds(file: bytes) -> list[int]:
    return [kind for kind, _, _ in segments_of(file)]


def program() -> bytes:
    """A real ELF binary: the interpreter, or the library that it lies in."""
    import sysconfig

    library = Path(sysconfig.get_config_var("LIBDIR") or "", sysconfig.get_config_var("INSTSONAME") or "")
    return (library if library.is_file() else Path(sys.executable).resolve()).read_bytes()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("base_size", SIZES)
def test_image_of_any_size_comes_out_as_it_went_in(size, base_size):
    base = noise(base_size)
    image = base[:size] + noise(size - base_size, 1) if size > base_size else base[:size]
    assert applied(transfer.build(image, base), base) == image
    assert applied(transfer.build(image)) == image


def test_equal_images_travel_as_an_index_alone():
    image = noise(2 * SEGMENT + 5)
    file = transfer.build(image, image)
    assert (kinds(file), len(file)) == ([0, 0, 0], 48 + 3 * 16)


def test_each_segment_has_the_smallest_kind():
    base = noise(4 * SEGMENT)
    shifted = base[7 : 7 + SEGMENT]
    image = base[:SEGMENT] + shifted + bytes(SEGMENT) + noise(SEGMENT, 2)
    file = transfer.build(image, base)
    assert kinds(file) == [Kind.UNCHANGED, Kind.PATCH, Kind.DEFLATE, Kind.RAW]
    assert applied(file, base) == image
    alone = transfer.build(image)
    assert kinds(alone) == [Kind.RAW, Kind.RAW, Kind.DEFLATE, Kind.RAW]
    assert alone[12:48] == bytes(36)


def test_last_segment_is_unchanged_only_wholly_within_the_base():
    base = noise(SEGMENT + 100)
    assert kinds(transfer.build(base[: SEGMENT + 50], base)) == [Kind.UNCHANGED, Kind.UNCHANGED]
    longer = base + b"more"
    file = transfer.build(longer, base)
    assert kinds(file) == [Kind.UNCHANGED, Kind.PATCH]
    assert applied(file, base) == longer


def test_patch_is_the_one_that_detools_itself_makes():
    base, image = program()[: 5 * SEGMENT], program()[1234 : 1234 + 2 * SEGMENT + 99]
    for number, (kind, payload, _) in enumerate(segments_of(transfer.build(image, base))):
        patch = io.BytesIO()
        content = image[number * SEGMENT : (number + 1) * SEGMENT]
        detools.create_patch(io.BytesIO(base), io.BytesIO(content), patch, compression="none")
        assert (kind, zlib.decompress(payload, -12)) == (Kind.PATCH, patch.getvalue())


def test_program_of_another_build_costs_little():
    base = bytearray(program()[: 20 * SEGMENT])
    image = bytes(base[:3000] + b"inserted" + base[3000:])
    for at in range(0, len(base), 5000):
        base[at] ^= 0x55
    file = transfer.build(image, bytes(base))
    assert applied(file, bytes(base)) == image
    assert len(file) < len(transfer.build(image)) / 20


@pytest.mark.parametrize("limit", ["IMAGE_LIMIT_BYTES", "BASE_LIMIT_BYTES"])
def test_file_that_is_too_large_for_the_format_is_refused(monkeypatch, limit):
    monkeypatch.setattr(transfer, limit, 99)
    with pytest.raises(TransferError, match="more than"):
        transfer.build(bytes(100), bytes(100))


def test_what_was_built_is_shown_as_it_is():
    base = noise(2 * SEGMENT)
    image = base[:SEGMENT] + bytes(100)
    shown = transfer.parse(transfer.build(image, base))
    assert (shown.image_size_bytes, shown.base_size_bytes) == (len(image), len(base))
    assert [each.kind for each in shown.segments] == [Kind.UNCHANGED, Kind.DEFLATE]
    assert [shown.size_of(number) for number in range(2)] == [SEGMENT, 100]
    assert transfer.parse(transfer.build(image)).base_sha256 == b""


def damaged(name: str) -> bytes:
    base = noise(2 * SEGMENT)
    file = bytearray(transfer.build(base[:SEGMENT] + bytes(SEGMENT) + noise(9, 3), base))
    changes = {
        "magic": (0, b"X"),
        "format": (4, b"\2"),
        "reserved": (5, b"\1"),
        "count": (6, b"\4"),
        "image size": (8, struct.pack("<I", 4 * SEGMENT)),
        "base size": (12, bytes(4)),
        "base too short": (12, struct.pack("<I", SEGMENT - 1)),
        "base sum": (16, bytes(32)),
        "kind": (48 + 4, b"\4"),
        "zeros": (48 + 5, b"\1"),
        "unchanged with a payload": (48, b"\1"),
        "deflate as long as its segment": (64, struct.pack("<I", SEGMENT)),
        "empty deflate": (64, bytes(4)),
        "raw of another length": (80, b"\x08"),
        "raw content": (len(file) - 1, bytes([file[-1] ^ 1])),
        "deflate content": (72, bytes([file[72] ^ 1])),
    }
    at, content = changes[name]
    file[at : at + len(content)] = content
    return bytes(file)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("magic", "TWTR"),
        ("format", "format 2.0 at 4"),
        ("reserved", "format 1.1 at 4"),
        ("count", "4 segments at 6"),
        ("image size", "3 segments at 6"),
        ("base size", "without a size at 12"),
        ("base too short", "segment 0, at 48 of the index: unchanged, and not wholly within"),
        ("base sum", "without a SHA-256 at 16"),
        ("kind", "segment 0, at 48 of the index: kind 4"),
        ("zeros", "segment 0, at 48 of the index: kind 0 with 010000"),
        ("unchanged with a payload", "segment 0, at 48 of the index: unchanged of 65536 bytes in 1"),
        ("deflate as long as its segment", "segment 1, at 64 of the index: deflate of 65536 bytes in 65536"),
        ("empty deflate", "segment 1, at 64 of the index: deflate of 65536 bytes in 0"),
        ("raw of another length", "segment 2, at 80 of the index: raw of 9 bytes in 8"),
        ("raw content", "segment 2, its payload at"),
        ("deflate content", "segment 1, its payload at 96: its content is not what the index names"),
    ],
)
def test_damaged_transfer_is_refused_where_it_is_wrong(name, told):
    with pytest.raises(TransferError, match=r"^transfer: ") as refused:
        transfer.parse(damaged(name))
    assert told in str(refused.value)


def test_transfer_that_is_cut_anywhere_or_goes_on_is_refused():
    base = noise(2000)
    file = transfer.build(base[:900] + b"new" + base[900:], base)
    assert kinds(file) == [Kind.PATCH]
    for end in range(len(file)):
        with pytest.raises(TransferError):
            transfer.parse(file[:end])
    with pytest.raises(TransferError, match=f"1 bytes follow its end at {len(file)}"):
        transfer.parse(file + b"x")


def _deflate(content: bytes) -> bytes:
    work = zlib.compressobj(9, zlib.DEFLATED, -12)
    return work.compress(content) + work.flush()


@pytest.mark.parametrize(
    "payload", [b"\xff", _deflate(b"x") + b"more", _deflate(bytes(50))[:-1], _deflate(bytes(2 << 20))]
)
def test_patch_that_is_no_whole_deflate_is_refused(payload):
    segment = transfer.Segment(Kind.PATCH, payload, bytes(8))
    with pytest.raises(TransferError, match="segment 0, its payload at 64"):
        transfer.parse(transfer.assembled(bytes(SEGMENT), b"base", [segment]))


@given(st.binary(max_size=200), st.integers(0, 150), st.binary(max_size=8))
@settings(max_examples=200)
def test_whatever_is_changed_is_refused_or_harmless(content, at, change):
    image = content * 3
    file = bytearray(transfer.build(image, content))
    file[at : at + len(change)] = change
    try:
        shown = transfer.parse(bytes(file))
    except TransferError:
        return
    assert sum(shown.size_of(number) for number in range(len(shown.segments))) == shown.image_size_bytes
