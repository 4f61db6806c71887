"""ESP32 app images, checked as the ESP-IDF bootloader checks them.

Layout (ESP-IDF `esp_app_format.h`, checks of `bootloader_support/src/esp_image_format.c`):

| offset | type | field |
| --- | --- | --- |
| 0 | u8 | 0xE9 |
| 1 | u8 | number of segments, 1 to 16 |
| 12 | u16 | chip id |
| 23 | u8 | 1 when a SHA-256 follows the checksum |
| 24 | segments | each u32 load address, u32 length, data |
| 32 | u32 | 0xABCD5432, the application's description, first in the first segment |
| 36 | u32 | its `secure_version` |
| … | padding | up to a multiple of 16; its last byte is the XOR of all segment data, seed 0xEF |
| … | 32 bytes | SHA-256 of everything before it, when flagged |
"""

import hashlib
import struct
from dataclasses import dataclass

from twinslot_host.errors import Invalid

CHIPS = {0: "ESP32", 2: "ESP32-S2", 5: "ESP32-C3", 9: "ESP32-S3", 12: "ESP32-C2", 13: "ESP32-C6", 16: "ESP32-H2"}

_MAGIC = 0xE9
_DESCRIPTION_MAGIC = b"\x32\x54\xcd\xab"
_HEADER_BYTES = 24
_DESCRIPTION_OFFSET = 32
_SEGMENTS_LIMIT = 16
_TABLE_OFFSETS = (0x8000, 0x8000 - 0x1000)  # in a file that starts at flash 0, and at 0x1000 as the ESP32's does
_TABLE_ENTRY = b"\xaa\x50"
_USE_APP_BIN = "upload the .app-bin of the build instead"


class ImageError(Invalid):
    """The file is no app image that a chip would boot."""


@dataclass(frozen=True)
class Image:
    """What is known of a good image."""

    chip: int
    size_bytes: int
    sha256: bytes
    security_version: int


def chip_name(chip: int) -> str:
    """The chip's name, or its number when this server does not know it."""
    return CHIPS.get(chip, f"chip {chip}")


def parse(data: bytes) -> Image:
    """The image's facts; every check of the bootloader has passed.

    Raises ImageError naming the first check that failed and what to do.
    """
    _check_is_app(data)
    end = _end_of_segments(data)
    padded = end + 16 - end % 16
    if padded > len(data):
        raise ImageError("image: it is cut short before its checksum; build or copy it again")
    if _checksum(data) != data[padded - 1]:
        raise ImageError("image: its checksum is wrong, so the file is damaged; build or copy it again")
    total = padded
    if data[23] == 1:
        total += 32
        if data[padded:total] != hashlib.sha256(data[:padded]).digest():
            raise ImageError("image: its appended SHA-256 is wrong, so the file is damaged; build or copy it again")
    if len(data) > total:
        raise ImageError(f"image: {len(data) - total} bytes follow its end; {_USE_APP_BIN}, unpadded")
    return Image(
        chip=struct.unpack_from("<H", data, 12)[0],
        size_bytes=len(data),
        sha256=hashlib.sha256(data).digest(),
        security_version=struct.unpack_from("<I", data, _DESCRIPTION_OFFSET + 4)[0],
    )


def looks_like_an_image(data: bytes) -> bool:
    """Whether whoever sent this meant an image: it begins as an app image does, or is a combined one."""
    return data[:1] == bytes([_MAGIC]) or _is_combined(data)


def _check_is_app(data: bytes) -> None:
    if _is_combined(data):
        raise ImageError(f"image: this is the combined image (bootloader, partition table and app); {_USE_APP_BIN}")
    if len(data) < _DESCRIPTION_OFFSET + 4 or data[0] != _MAGIC:
        raise ImageError(f"image: this is not an ESP32 app image; {_USE_APP_BIN}")
    if data[_DESCRIPTION_OFFSET : _DESCRIPTION_OFFSET + 4] != _DESCRIPTION_MAGIC:
        raise ImageError(f"image: it holds no application description, so it is not an app image; {_USE_APP_BIN}")


def _is_combined(data: bytes) -> bool:
    if data[:1] == b"\xff" and data[0x1000:0x1001] == bytes([_MAGIC]):
        return True  # esptool merge_bin from flash 0 on an ESP32, whose bootloader lies at 0x1000
    if data[:1] != bytes([_MAGIC]):
        return False
    if data[_DESCRIPTION_OFFSET : _DESCRIPTION_OFFSET + 4] == b"\xff\xff\xff\xff":
        return True
    return data[_DESCRIPTION_OFFSET : _DESCRIPTION_OFFSET + 4] != _DESCRIPTION_MAGIC and any(
        data[at : at + 2] == data[at + 32 : at + 34] == _TABLE_ENTRY for at in _TABLE_OFFSETS
    )


def _end_of_segments(data: bytes) -> int:
    count = data[1]
    if not 1 <= count <= _SEGMENTS_LIMIT:
        raise ImageError(f"image: it claims {count} segments where 1 to {_SEGMENTS_LIMIT} can be; the file is damaged")
    at = _HEADER_BYTES
    for number in range(count):
        start = at + 8
        at = start + struct.unpack_from("<I", data, at + 4)[0] if start <= len(data) else start
        if at > len(data):
            raise ImageError(f"image: segment {number} runs past the end of the file; build or copy it again")
    return at


def _checksum(data: bytes) -> int:
    total = 0
    at = _HEADER_BYTES
    for _ in range(data[1]):
        length = struct.unpack_from("<I", data, at + 4)[0]
        total ^= _xor(data[at + 8 : at + 8 + length])
        at += 8 + length
    return total ^ 0xEF


def _xor(data: bytes) -> int:
    """The XOR of all bytes, by halving: a loop over single bytes takes a second for 16 MiB."""
    value = int.from_bytes(data, "little")
    width = 1
    while width < len(data):
        width *= 2
    while width > 1:
        width //= 2
        value = (value >> (8 * width)) ^ (value & ((1 << (8 * width)) - 1))
    return value
