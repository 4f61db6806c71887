"""Images, good and bad."""

import hashlib
import struct

import pytest

from twinslot_host.domain.image import ImageError, parse
from twinslot_sim.image import build

from .samples import make_image

GOOD = make_image(size=3000)


def altered(image: bytes, at: int, content: bytes) -> bytes:
    return image[:at] + content + image[at + len(content) :]


def combined(app: bytes, table_at: int) -> bytes:
    """A bootloader (an image without an application's description), the table, the app."""
    bootloader = altered(make_image(size=100), 32, b"\x50\0\0\0")
    entry = b"\xaa\x50" + bytes(30)
    return (bootloader.ljust(table_at, b"\xff") + 2 * entry).ljust(table_at + 0x8000, b"\xff") + app


BAD = {
    "empty": (b"", "not an ESP32 app image"),
    "text": (b"hello\n" * 100, "not an ESP32 app image"),
    "zeros": (bytes(5000), "not an ESP32 app image"),
    "magic alone": (b"\xe9", "not an ESP32 app image"),
    "bootloader": (altered(GOOD, 32, b"\x50\0\0\0"), "no application description"),
    "combined from 0x1000": (combined(GOOD, 0x7000), "combined image"),
    "combined from 0": (combined(GOOD, 0x8000), "combined image"),
    "combined, padded before the bootloader": (b"\xff" * 0x1000 + combined(GOOD, 0x7000), "combined image"),
    "0xFFFFFFFF at 32": (altered(GOOD, 32, b"\xff" * 4), "combined image"),
    "no segments": (altered(GOOD, 1, b"\0"), "claims 0 segments"),
    "too many segments": (altered(GOOD, 1, b"\x11"), "claims 17 segments"),
    "endless segment": (altered(GOOD, 28, b"\xff\xff\xff\xff"), "segment 0 runs past"),
    "segment past the end": (altered(GOOD, 24 + 8 + 256 + 4, struct.pack("<I", len(GOOD))), "segment 1 runs past"),
    "cut in a segment": (GOOD[:1000], "segment 1 runs past"),
    "cut before the checksum": (make_image(size=3000, hashed=False)[:-1], "before its checksum"),
    "cut in the hash": (GOOD[:-1], "appended SHA-256"),
    "one bit": (altered(GOOD, 400, b"\x01"), "checksum is wrong"),
    "hash": (altered(GOOD, len(GOOD) - 1, bytes([GOOD[-1] ^ 1])), "appended SHA-256"),
    "head": (altered(GOOD, 3, b"\x01"), "appended SHA-256"),
    "trailing bytes": (GOOD + b"\xff" * 7, "7 bytes follow"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_image_is_refused_with_the_reason(name):
    data, reason = BAD[name]
    with pytest.raises(ImageError, match=reason):
        parse(data)


@pytest.mark.parametrize("length", range(0, 700, 7))
def test_every_cut_of_an_image_is_refused(length):
    with pytest.raises(ImageError):
        parse(GOOD[:length])


@pytest.mark.parametrize("hashed", [True, False])
def test_good_image_tells_chip_size_and_hash(hashed):
    data = make_image(chip=9, hashed=hashed)
    image = parse(data)
    assert (image.chip, image.size_bytes, image.sha256) == (9, len(data), hashlib.sha256(data).digest())


def test_image_of_the_simulator_is_good():
    data = build("kettle", "1.1.0", {"app": b"print(1)\n"}, size_bytes=100_000)
    assert parse(data).size_bytes == len(data)
