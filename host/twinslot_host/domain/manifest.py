"""The manifest, the bytes that are signed (docs/protocol.md, "Manifest").

| offset | type | field |
| --- | --- | --- |
| 0 | 4 bytes | `TWSM` |
| 4 | u8, u8 | format 1, kind: 0 an image, 1 a specification, 2 both |
| 6 | u16 | chip; 0xFFFF for kind 1 |
| 8 | u32 | sequence |
| 12 | u32 | security version; 0 for kind 1 |
| 16 | u32 | image size; 0 for kind 1 |
| 20 | 32 bytes | SHA-256 of the image; zeros for kind 1 |
| 52 | u8, bytes | application, UTF-8 |
| … | u8, bytes | version, ASCII |
| … | u16, 32 bytes | kinds 1 and 2 only: size of the specification, 1 to 2048 bytes, and its SHA-256 |
"""

import struct
from dataclasses import dataclass

from twinslot_host.domain.json_values import SPECIFICATION_LIMIT_BYTES
from twinslot_host.domain.versions import parsed
from twinslot_host.errors import Invalid

IMAGE, SPECIFICATION, BOTH = 0, 1, 2  # the kinds
CHIP_ANY = 0xFFFF

_FIXED = struct.Struct("<4sBBHIII32s")
_SPECIFICATION = struct.Struct("<H32s")
_MAGIC = b"TWSM"
_FORMAT = 1
_NO_IMAGE = (CHIP_ANY, 0, 0, bytes(32))  # chip, security version, size and SHA-256 of kind 1
_TEXT_LIMIT_BYTES = 64


class ManifestError(Invalid):
    """The bytes are no manifest of this format."""


@dataclass(frozen=True)
class Manifest:
    """What a signature vouches for; the specification's SHA-256 is empty for an image alone."""

    app: str
    version: str
    sequence: int
    security_version: int
    chip: int
    size_bytes: int
    sha256: bytes
    kind: int = IMAGE
    specification_size_bytes: int = 0
    specification_sha256: bytes = b""


def encode(manifest: Manifest) -> bytes:
    """The bytes to sign. The fields are within their limits, which the caller has checked."""
    fixed = _FIXED.pack(
        _MAGIC,
        _FORMAT,
        manifest.kind,
        manifest.chip,
        manifest.sequence,
        manifest.security_version,
        manifest.size_bytes,
        manifest.sha256,
    )
    texts = b"".join(bytes([len(text)]) + text for text in (manifest.app.encode(), manifest.version.encode()))
    if manifest.kind == IMAGE:
        return fixed + texts
    return fixed + texts + _SPECIFICATION.pack(manifest.specification_size_bytes, manifest.specification_sha256)


def decode(data: bytes) -> Manifest:
    """The manifest's fields. Raises ManifestError when the layout does not hold in every byte."""
    if len(data) < _FIXED.size:
        raise ManifestError("manifest: it is too short")
    magic, layout, kind, chip, sequence, security, size_bytes, sha256 = _FIXED.unpack_from(data)
    if magic != _MAGIC or layout != _FORMAT or kind not in (IMAGE, SPECIFICATION, BOTH):
        raise ManifestError("manifest: it is not of format 1, kind 0 to 2; sign with this version's tools")
    if kind == SPECIFICATION and (chip, security, size_bytes, sha256) != _NO_IMAGE:
        raise ManifestError("manifest: it is for a specification alone, and tells of an image")
    app, at = _text(data, _FIXED.size, "application")
    version, at = _text(data, at, "version")
    specification_size, specification_sha256, at = _specification(data, at) if kind != IMAGE else (0, b"", at)
    if at != len(data):
        raise ManifestError("manifest: bytes follow its end")
    if sequence == 0:
        raise ManifestError("manifest: its sequence is 0, where 1 is the lowest")
    if parsed(version) is None:
        raise ManifestError("manifest: its version is not semver 2.0.0")
    return Manifest(
        app, version, sequence, security, chip, size_bytes, sha256, kind, specification_size, specification_sha256
    )


def _text(data: bytes, at: int, what: str) -> tuple[str, int]:
    length = data[at] if at < len(data) else 0
    raw = data[at + 1 : at + 1 + length]
    if not 1 <= length <= _TEXT_LIMIT_BYTES or len(raw) != length:
        raise ManifestError(f"manifest: its {what} is not 1 to 64 bytes within it")
    try:
        return raw.decode(), at + 1 + length
    except UnicodeDecodeError:
        raise ManifestError(f"manifest: its {what} is not UTF-8") from None


def _specification(data: bytes, at: int) -> tuple[int, bytes, int]:
    end = at + _SPECIFICATION.size
    if end > len(data):
        raise ManifestError("manifest: it is cut short before its specification's SHA-256")
    size_bytes, sha256 = _SPECIFICATION.unpack_from(data, at)
    if not 1 <= size_bytes <= SPECIFICATION_LIMIT_BYTES:
        raise ManifestError(f"manifest: its specification is not of 1 to {SPECIFICATION_LIMIT_BYTES} bytes")
    return size_bytes, sha256, end
