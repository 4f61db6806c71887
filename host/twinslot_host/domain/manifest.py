"""The manifest, the bytes that are signed (docs/protocol.md, "Manifest").

| offset | type | field |
| --- | --- | --- |
| 0 | 4 bytes | `TWSM` |
| 4 | u8, u8 | format 1; kind, as below |
| 6 | u16 | chip; 0xFFFF for kind 1, and for a bundle for any chip |
| 8 | u32 | sequence |
| 12 | u32 | security version; 0 for kind 1 |
| 16 | u32 | size of the image, or of the bundle's list; 0 for kind 1 |
| 20 | 32 bytes | SHA-256 of that; zeros for kind 1 |
| 52 | u8, bytes | application, UTF-8 |
| … | u8, bytes | version, ASCII |
| … | u16, 32 bytes | with a specification only: its size, 1 to 2048 bytes, and its SHA-256 |
| … | u16, 3 times u8 | with a bundle only: the format of its `.mpy` files, and the oldest MicroPython; zeros for any |
| … | u8, a times 384 bytes | with a change of keys only: a, 0 to 3, and as many moduli to trust |
| … | u8, r times 32 bytes | the same: r, 0 to 3, and as many SHA-256 of moduli to trust no more; not both 0 |

Kinds: 0 an image, 1 a specification, 2 both, 8 a bundle, 10 a bundle and a specification; 4 more when it changes the
trusted keys.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from twinslot_host.domain.json_values import SPECIFICATION_LIMIT_BYTES
from twinslot_host.domain.mpy import MicroPython
from twinslot_host.domain.signature import KEY_BYTES, fingerprint
from twinslot_host.domain.versions import parsed
from twinslot_host.errors import Invalid

IMAGE, SPECIFICATION, BOTH, BUNDLE, BUNDLE_AND_SPECIFICATION = 0, 1, 2, 8, 10  # the kinds
KINDS = {
    IMAGE: "an image",
    SPECIFICATION: "a specification",
    BOTH: "an image and a specification",
    BUNDLE: "a bundle",
    BUNDLE_AND_SPECIFICATION: "a bundle and a specification",
}
IMAGES, BUNDLES = (IMAGE, BOTH), (BUNDLE, BUNDLE_AND_SPECIFICATION)
TRUSTED_LIMIT = 4  # keys that a device trusts after a change
KEYS_LIMIT = 3  # that one release adds; as many again that it retires
CHIP_ANY = 0xFFFF

_FIXED = struct.Struct("<4sBBHIII32s")
_SPECIFICATION = struct.Struct("<H32s")
_BUNDLE = struct.Struct("<H3B")
_MAGIC = b"TWSM"
_FORMAT = 1
_NO_IMAGE = (CHIP_ANY, 0, 0, bytes(32))  # chip, security version, size and SHA-256 of kind 1
_SPECIFIED = (SPECIFICATION, BOTH, BUNDLE_AND_SPECIFICATION)
_TEXT_LIMIT_BYTES = 64
_KEYS = 4  # of the kind's byte
_DIGEST_BYTES = 32


class ManifestError(Invalid):
    """The bytes are no manifest of this format."""


@dataclass(frozen=True)
class Manifest:
    """What a signature vouches for; the specification's SHA-256 is empty where there is none.

    `size_bytes` and `sha256` are the image's, or those of the bundle's list; `mpy` and `micropython` are of a bundle,
    zeros otherwise. `added` are the moduli to trust, `retired` the fingerprints of those to trust no more.
    """

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
    added: tuple[bytes, ...] = ()
    retired: tuple[str, ...] = ()
    mpy: int = 0
    micropython: MicroPython = (0, 0, 0)

    @property
    def changes_keys(self) -> bool:
        """Whether a device that confirms the release trusts other keys than before."""
        return bool(self.added or self.retired)

    def trusted(self, before: Sequence[str]) -> list[str]:
        """What a device trusts, by fingerprint, that has trusted the keys `before` and confirms the release."""
        kept = [name for name in before if name not in self.retired]
        added = dict.fromkeys(fingerprint(modulus) for modulus in self.added)
        return kept + [name for name in added if name not in kept]


def encode(manifest: Manifest) -> bytes:
    """The bytes to sign. The fields are within their limits, which the caller has checked."""
    fixed = _FIXED.pack(
        _MAGIC,
        _FORMAT,
        manifest.kind | (_KEYS if manifest.changes_keys else 0),
        manifest.chip,
        manifest.sequence,
        manifest.security_version,
        manifest.size_bytes,
        manifest.sha256,
    )
    texts = b"".join(bytes([len(text)]) + text for text in (manifest.app.encode(), manifest.version.encode()))
    data = fixed + texts
    if manifest.kind in _SPECIFIED:
        data += _SPECIFICATION.pack(manifest.specification_size_bytes, manifest.specification_sha256)
    if manifest.kind in BUNDLES:
        data += _BUNDLE.pack(manifest.mpy, *manifest.micropython)
    if manifest.changes_keys:
        for parts in (manifest.added, [bytes.fromhex(name) for name in manifest.retired]):
            data += bytes([len(parts)]) + b"".join(parts)
    return data


def decode(data: bytes) -> Manifest:
    """The manifest's fields. Raises ManifestError when the layout does not hold in every byte."""
    if len(data) < _FIXED.size:
        raise ManifestError("manifest: it is too short")
    magic, layout, kind, chip, sequence, security, size_bytes, sha256 = _FIXED.unpack_from(data)
    keys, kind = kind & _KEYS, kind & ~_KEYS
    if magic != _MAGIC or layout != _FORMAT or kind not in KINDS:
        raise ManifestError(
            "manifest: it is not of format 1, and of a kind that is known; sign with this version's tools"
        )
    if kind == SPECIFICATION and (chip, security, size_bytes, sha256) != _NO_IMAGE:
        raise ManifestError("manifest: it is for a specification alone, and tells of an image")
    app, at = _text(data, _FIXED.size, "application")
    version, at = _text(data, at, "version")
    specification_size, specification_sha256, at = _specification(data, at) if kind in _SPECIFIED else (0, b"", at)
    mpy, micropython, at = _bundle(data, at) if kind in BUNDLES else (0, (0, 0, 0), at)
    added, retired, at = _keys(data, at) if keys else ((), (), at)
    if at != len(data):
        raise ManifestError("manifest: it is longer or shorter than it says")
    if sequence == 0:
        raise ManifestError("manifest: its sequence is 0, where 1 is the lowest")
    if parsed(version) is None:
        raise ManifestError("manifest: its version is not semver 2.0.0")
    return Manifest(
        app=app,
        version=version,
        sequence=sequence,
        security_version=security,
        chip=chip,
        size_bytes=size_bytes,
        sha256=sha256,
        kind=kind,
        specification_size_bytes=specification_size,
        specification_sha256=specification_sha256,
        added=added,
        retired=retired,
        mpy=mpy,
        micropython=micropython,
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


def _bundle(data: bytes, at: int) -> tuple[int, MicroPython, int]:
    end = at + _BUNDLE.size
    if end > len(data):
        raise ManifestError("manifest: it is cut short before its bundle's oldest MicroPython")
    mpy, *micropython = _BUNDLE.unpack_from(data, at)
    return mpy, (micropython[0], micropython[1], micropython[2]), end


def _keys(data: bytes, at: int) -> tuple[tuple[bytes, ...], tuple[str, ...], int]:
    added, at = _parts(data, at, KEY_BYTES, "keys to trust")
    retired, at = _parts(data, at, _DIGEST_BYTES, "keys to trust no more")
    if not added and not retired:
        raise ManifestError("manifest: it is of a kind that changes keys, and changes none")
    if not all(modulus[0] & 0x80 and modulus[-1] & 1 for modulus in added):
        raise ManifestError("manifest: a key to trust is no modulus of 3072 bits")
    return tuple(added), tuple(digest.hex() for digest in retired), at


def _parts(data: bytes, at: int, size_bytes: int, what: str) -> tuple[list[bytes], int]:
    """Parts of one size with their number before them; and where they would end if all were there."""
    count = data[at] if at < len(data) else KEYS_LIMIT + 1
    end = at + 1 + count * size_bytes
    if count > KEYS_LIMIT:
        raise ManifestError(f"manifest: it has not 0 to {KEYS_LIMIT} {what}")
    return [data[start : start + size_bytes] for start in range(at + 1, end, size_bytes)], end
