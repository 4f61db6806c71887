"""ESP32 app images: building them around a ROMFS of frozen modules, and checking them as ESP-IDF does.

| offset | type | field |
| --- | --- | --- |
| 0 | u8 | magic 0xE9 |
| 1 | u8 | number of segments, at most 16 |
| 2 | u8, u8 | flash mode; flash size and speed |
| 4 | u32 | entry address |
| 8 | u8, 3 bytes | write-protect pin, SPI drive settings |
| 12 | u16 | chip id |
| 14 | u8, u16, u16 | lowest chip revision (old form, new form), highest |
| 19 | 4 bytes | reserved |
| 23 | u8 | 1: a SHA-256 is appended |
| 24 | segments | u32 load address, u32 length (a multiple of 4), bytes |
| … | | zeros, so that the next byte ends a block of 16; that byte is the XOR of all segment bytes and 0xEF |
| … | 32 bytes | SHA-256 of everything before |

Segment 0 is mapped read-only data (DROM). It begins with esp_app_desc_t, 256 bytes: magic 0xABCD5432, u32 secure
version, 8 reserved bytes, version (32), project name (32), time (16), date (16), IDF version (32), SHA-256 of the ELF
file. In images made here the ROMFS follows. Sources: esp_app_format.h, esp_app_desc.h, esp_image_format.c.
"""

import hashlib
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from twinslot_sim.errors import TwinslotError
from twinslot_sim.romfs import romfs, romfs_length

__all__ = [
    "CHIPS",
    "Image",
    "ImageError",
    "Segment",
    "build",
    "chip_of",
    "has_app_desc",
    "parse",
    "parse_stored",
    "romfs",
]

HEADER = struct.Struct("<BBBBIB3sHBHH4sB")
SEGMENT = struct.Struct("<II")
_APP_DESC = struct.Struct("<II8s32s32s16s16s32s32s80s")
_MAGIC = 0xE9
_APP_DESC_MAGIC = 0xABCD5432
_APP_DESC_OFFSET = HEADER.size + SEGMENT.size
_MAX_SEGMENTS = 16
_MAX_SEGMENT_BYTES = 16 * 1024 * 1024
_MMU_PAGE = 0x10000
_IDF_VERSION = b"v5.5.2"
_TEXT_MAX = 31
_CHECKSUM_SEED = 0xEF
_DIGEST_BYTES = 32
_HASH_APPENDED = 23
_ESP32_MAPPED = ((0x3F400000, 0x3F800000), (0x400D0000, 0x40400000))

CHIPS = {
    0: (0x3F400020, 0x40080000),
    2: (0x3F000020, 0x40024000),
    5: (0x3C000020, 0x40380000),
    9: (0x3C000020, 0x40378000),
    12: (0x3C000020, 0x40380000),
    13: (0x42000020, 0x40800000),
    16: (0x42000020, 0x40800000),
}
"""Where each chip maps flash data (DROM), 32 bytes into a page as the image has it, and where its IRAM begins."""

_CODE = bytes.fromhex("364100 1df0 000000")  # entry a1, 32; retw.n
_FILLER_ADDRESS = 0  # below 0x10000000 nothing is loaded: a padding segment (esp_image_format.c, should_load)


class ImageError(TwinslotError):
    """This is no image that the chip would boot; the message says which check failed."""


@dataclass(frozen=True)
class Segment:
    """Where `length` bytes of the image at `offset` go in the chip's memory."""

    load_address: int
    offset: int
    length: int


@dataclass(frozen=True)
class Image:
    """What a valid image says of itself. `romfs` is (offset, length) in the image, None when it carries none.

    `length` is that of the whole file in bytes, and `sha256` its hash.
    """

    chip: int
    version: str
    project: str
    secure_version: int
    segments: tuple[Segment, ...]
    romfs: tuple[int, int] | None
    length: int
    sha256: bytes


def build(
    app: str,
    version: str,
    modules: Mapping[str, bytes],
    *,
    size_bytes: int = 0,
    chip: int = 0,
    secure_version: int = 0,
) -> bytes:
    """An app image that carries `modules`; the same arguments give the same bytes.

    `modules` maps a path in the ROMFS to what lies there; Python sources are compiled. With `size_bytes`, the image is
    padded with bytes that do not compress until it is at least that long. Raises ImageError for what an image can't
    hold, CompileError for a source with an error.
    """
    if chip not in CHIPS:
        raise ImageError(f"chip id {chip} is not known here")
    frozen = romfs(modules)
    drom_address, iram_address = CHIPS[chip]
    drom = _app_desc(app, version, secure_version, hashlib.sha256(frozen).digest()) + frozen
    segments = [(drom_address, _aligned(drom)), (iram_address, _CODE)]
    if len(_assemble(chip, segments)) < size_bytes:
        unpadded_bytes = HEADER.size + sum(SEGMENT.size + len(data) for _, data in segments)
        filler_bytes = max(4, size_bytes - unpadded_bytes - SEGMENT.size - 1 - _DIGEST_BYTES) // 4 * 4
        segments.append((_FILLER_ADDRESS, hashlib.shake_256(f"{app} {version}".encode()).digest(filler_bytes)))
    return _assemble(chip, segments)


def parse(data: bytes, *, chip: int | None = None) -> Image:
    """What the image at the start of `data` says of itself; see `parse_stored`."""
    return parse_stored(lambda offset, length: data[offset : offset + length], len(data), chip=chip)


def parse_stored(read: Callable[[int, int], bytes], limit: int, *, chip: int | None = None) -> Image:
    """What the image says of itself of which `read` gives (offset, length); it must end within `limit` bytes.

    What comes after its end is ignored, as the chip does. Raises ImageError, naming the check, where ESP-IDF would
    refuse it (esp_image_format.c, image_load). With `chip`, an image for another one is refused too.
    """
    segments = tuple(_segments(read, limit, chip))
    end = (segments[-1].offset + segments[-1].length if segments else HEADER.size) // 16 * 16 + 16
    if limit < end:
        raise ImageError("the image is cut short: its checksum is missing")
    data = read(0, min(limit, end + _DIGEST_BYTES))
    checksum = _CHECKSUM_SEED
    for segment in segments:
        checksum ^= _xor(data[segment.offset : segment.offset + segment.length])
    if data[end - 1] != checksum:
        raise ImageError(f"the checksum is {data[end - 1]:#04x}, but that of the segments is {checksum:#04x}")
    if data[_HASH_APPENDED]:
        if data[end : end + _DIGEST_BYTES] != hashlib.sha256(data[:end]).digest():
            raise ImageError("the SHA-256 at the end is not that of the image, which is damaged or cut short")
        end += _DIGEST_BYTES
    secure_version, version, project = _read_app_desc(data[segments[0].offset :] if segments else b"")
    return Image(
        chip=chip_of(data),
        version=version,
        project=project,
        secure_version=secure_version,
        segments=segments,
        romfs=_find_romfs(data, segments[0]) if segments else None,
        length=end,
        sha256=hashlib.sha256(data[:end]).digest(),
    )


def _segments(read: Callable[[int, int], bytes], limit: int, chip: int | None) -> Iterator[Segment]:
    """The segments, whose headers are right and which end within `limit`."""
    if limit < HEADER.size:
        raise ImageError("the image is cut short: it ends within its header")
    header = read(0, HEADER.size)
    magic, count = header[0], header[1]
    if magic != _MAGIC:
        raise ImageError(f"the first byte is {magic:#04x}, not {_MAGIC:#04x}: this is no app image")
    if chip is not None and chip_of(header) != chip:
        raise ImageError(f"the image is for chip id {chip_of(header)}, not {chip}")
    if count > _MAX_SEGMENTS:
        raise ImageError(f"the image has {count} segments, more than {_MAX_SEGMENTS}")
    offset = HEADER.size
    for index in range(count):
        if limit < offset + SEGMENT.size:
            raise ImageError(f"the image is cut short: segment {index} is missing")
        load_address, length = SEGMENT.unpack(read(offset, SEGMENT.size))
        offset += SEGMENT.size
        if length % 4 or length >= _MAX_SEGMENT_BYTES:
            raise ImageError(f"segment {index} has the impossible length {length:#x}")
        if _is_mapped(chip_of(header), load_address) and (offset - load_address) % _MMU_PAGE:
            raise ImageError(f"segment {index}, at {offset:#x}, cannot be mapped to {load_address:#x}")
        if limit < offset + length:
            raise ImageError(f"the image is cut short: it ends within segment {index}")
        yield Segment(load_address, offset, length)
        offset += length


def _is_mapped(chip: int, load_address: int) -> bool:
    return chip == 0 and any(low <= load_address < high for low, high in _ESP32_MAPPED)


def chip_of(header: bytes) -> int:
    """The chip id that an image's header names."""
    return int.from_bytes(header[12:14], "little")


def has_app_desc(data: bytes) -> bool:
    """True when the image that begins here describes itself as an app; a bootloader does not."""
    return data[_APP_DESC_OFFSET : _APP_DESC_OFFSET + 4] == _APP_DESC_MAGIC.to_bytes(4, "little")


def _assemble(chip: int, segments: list[tuple[int, bytes]]) -> bytes:
    entry = segments[1][0]
    header = HEADER.pack(_MAGIC, len(segments), 2, 0x20, entry, 0xEE, bytes(3), chip, 0, 0, 0xFFFF, bytes(4), 1)
    body = header + b"".join(SEGMENT.pack(address, len(data)) + data for address, data in segments)
    checksum = _CHECKSUM_SEED
    for _, data in segments:
        checksum ^= _xor(data)
    body += bytes(15 - len(body) % 16) + bytes([checksum])
    return body + hashlib.sha256(body).digest()


def _app_desc(app: str, version: str, secure_version: int, code_sha256: bytes) -> bytes:
    for text in (app, version):
        if len(text.encode()) > _TEXT_MAX:
            raise ImageError(f"{text!r} is longer than the {_TEXT_MAX} bytes that an image has for it")
    return _APP_DESC.pack(
        _APP_DESC_MAGIC,
        secure_version,
        bytes(8),
        version.encode(),
        app.encode(),
        b"00:00:00",  # when it was built; constant, so that the same input gives the same bytes
        b"Jan  1 2025",
        _IDF_VERSION,
        code_sha256,
        bytes(80),
    )


def _read_app_desc(data: bytes) -> tuple[int, str, str]:
    """Secure version, version and project; 0 and nothing when missing, as ESP-IDF boots such an image too."""
    if len(data) < _APP_DESC.size or int.from_bytes(data[:4], "little") != _APP_DESC_MAGIC:
        return 0, "", ""
    _, secure_version, _, version, project, *_ = _APP_DESC.unpack_from(data)
    return secure_version, _text(version), _text(project)


def _find_romfs(data: bytes, drom: Segment) -> tuple[int, int] | None:
    offset = drom.offset + _APP_DESC.size
    length = romfs_length(data[offset : drom.offset + drom.length])
    return None if length is None else (offset, length)


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "replace")


def _aligned(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _xor(data: bytes) -> int:
    """All bytes of `data` XORed, by folding it in halves."""
    value, length = int.from_bytes(data, "little"), len(data)
    while length > 1:
        length = (length + 1) // 2
        value = value >> 8 * length ^ value & (1 << 8 * length) - 1
    return value
