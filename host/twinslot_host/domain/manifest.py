"""The manifest, the bytes that are signed (docs/protocol.md, "Manifest").

| offset | type | field |
| --- | --- | --- |
| 0 | 4 bytes | `TWSM` |
| 4 | u8, u8 | format 1, kind 0 |
| 6 | u16 | chip |
| 8 | u32 | sequence |
| 12 | u32 | security version |
| 16 | u32 | image size |
| 20 | 32 bytes | SHA-256 of the image |
| 52 | u8, bytes | application, UTF-8 |
| … | u8, bytes | version, ASCII |
"""

import struct
from dataclasses import dataclass

from twinslot_host.domain.versions import parsed
from twinslot_host.errors import Invalid

_FIXED = struct.Struct("<4sBBHIII32s")
_MAGIC = b"TWSM"
_FORMAT = 1
_KIND_IMAGE = 0
_TEXT_LIMIT_BYTES = 64
SEQUENCE_LIMIT = 0xFFFFFFFF


class ManifestError(Invalid):
    """The bytes are no manifest of this format."""


@dataclass(frozen=True)
class Manifest:
    """What a signature vouches for."""

    app: str
    version: str
    sequence: int
    security_version: int
    chip: int
    size_bytes: int
    sha256: bytes


def encode(manifest: Manifest) -> bytes:
    """The bytes to sign. The fields are within their limits, which the caller has checked."""
    fixed = _FIXED.pack(
        _MAGIC,
        _FORMAT,
        _KIND_IMAGE,
        manifest.chip,
        manifest.sequence,
        manifest.security_version,
        manifest.size_bytes,
        manifest.sha256,
    )
    return fixed + b"".join(bytes([len(text)]) + text for text in (manifest.app.encode(), manifest.version.encode()))


def decode(data: bytes) -> Manifest:
    """The manifest's fields. Raises ManifestError when the layout does not hold in every byte."""
    if len(data) < _FIXED.size:
        raise ManifestError("manifest: it is too short")
    magic, layout, kind, chip, sequence, security, size_bytes, sha256 = _FIXED.unpack_from(data)
    if magic != _MAGIC or layout != _FORMAT or kind != _KIND_IMAGE:
        raise ManifestError("manifest: it is not of format 1 for an app image; sign with this version's tools")
    app, at = _text(data, _FIXED.size, "application")
    version, at = _text(data, at, "version")
    if at != len(data):
        raise ManifestError("manifest: bytes follow its end")
    if sequence == 0:
        raise ManifestError("manifest: its sequence is 0, where 1 is the lowest")
    if parsed(version) is None:
        raise ManifestError("manifest: its version is not semver 2.0.0")
    return Manifest(app, version, sequence, security, chip, size_bytes, sha256)


def _text(data: bytes, at: int, what: str) -> tuple[str, int]:
    length = data[at] if at < len(data) else 0
    raw = data[at + 1 : at + 1 + length]
    if not 1 <= length <= _TEXT_LIMIT_BYTES or len(raw) != length:
        raise ManifestError(f"manifest: its {what} is not 1 to 64 bytes within it")
    try:
        return raw.decode(), at + 1 + length
    except UnicodeDecodeError:
        raise ManifestError(f"manifest: its {what} is not UTF-8") from None
