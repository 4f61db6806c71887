"""The manifest, the bytes that a release's signature vouches for (docs/protocol.md, "Manifest")."""

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass

from twinslot_tools.errors import BadFile
from twinslot_tools.signing import KEY_BITS, SPECIFICATION_LIMIT_BYTES, ImageFacts

_HEAD = struct.Struct("<4sBBHIII32s")
_SPECIFICATION = struct.Struct("<H32s")
_IMAGE_KIND, _SPECIFICATION_KIND, _BOTH_KIND = 0, 1, 2
_KEYS = 4
KEYS_LIMIT = 3
_NAME_LIMIT_BYTES = 64
_NO_IMAGE = ImageFacts(0xFFFF, 0, 0, bytes(32))
_WHAT = ("an image", "a specification", "an image and a specification")


@dataclass(frozen=True)
class KeyChange:
    """The moduli that devices are to trust, and those that they are to trust no more, once the release is confirmed."""

    added: tuple[bytes, ...] = ()
    retired: tuple[bytes, ...] = ()


NO_CHANGE = KeyChange()


def encoded(
    facts: ImageFacts | None,
    specification: bytes | None,
    *,
    app: str,
    version: str,
    sequence: int,
    keys: KeyChange = NO_CHANGE,
) -> bytes:
    """The bytes to sign, for an image, a specification or both."""
    image = facts or _NO_IMAGE
    kind = _IMAGE_KIND if specification is None else _BOTH_KIND if facts else _SPECIFICATION_KIND
    kind |= 0 if keys == NO_CHANGE else _KEYS
    names = (app.encode(), version.encode())
    data = _HEAD.pack(b"TWSM", 1, kind, image.chip, sequence, image.security_version, image.size_bytes, image.sha256)
    data += b"".join(bytes([len(name)]) + name for name in names)
    if specification is not None:
        data += _SPECIFICATION.pack(len(specification), hashlib.sha256(specification).digest())
    if keys != NO_CHANGE:
        digests = [hashlib.sha256(modulus).digest() for modulus in keys.retired]
        data += b"".join(bytes([len(parts)]) + b"".join(parts) for parts in (keys.added, digests))
    return data


def told(data: bytes) -> dict[str, object]:
    """What the manifest says, for people and programs; digests are hex. Raises `BadFile` when it is none."""
    rest = memoryview(data)

    def take(count: int) -> bytes:
        nonlocal rest
        if count > len(rest):
            raise ValueError("cut short")
        part, rest = bytes(rest[:count]), rest[count:]
        return part

    try:
        facts = _told(take)
        if rest:
            raise ValueError("longer than it says")
    except ValueError as error:
        raise BadFile(f"that is no manifest: {error}") from error
    return facts


def _told(take: Callable[[int], bytes]) -> dict[str, object]:
    magic, layout, kind, chip, sequence, security, size_bytes, sha256 = _HEAD.unpack(take(_HEAD.size))
    keys, kind = kind & _KEYS, kind & ~_KEYS
    if (magic, layout) != (b"TWSM", 1) or kind > _BOTH_KIND or not sequence:
        raise ValueError("not of format 1")
    image = ImageFacts(chip, security, size_bytes, sha256)
    if kind == _SPECIFICATION_KIND and image != _NO_IMAGE:
        raise ValueError("of a specification alone, with something of an image")
    facts: dict[str, object] = {"carries": _WHAT[kind], "app": _name(take), "version": _name(take)}
    facts["sequence"] = sequence
    if kind != _SPECIFICATION_KIND:
        facts |= {"chip": chip, "security_version": security, "size": size_bytes, "sha256": sha256.hex()}
    if kind != _IMAGE_KIND:
        size_bytes, sha256 = _SPECIFICATION.unpack(take(_SPECIFICATION.size))
        if not 1 <= size_bytes <= SPECIFICATION_LIMIT_BYTES:
            raise ValueError(f"of a specification of {size_bytes} bytes")
        facts |= {"specification_size": size_bytes, "specification_sha256": sha256.hex()}
    if keys:
        added = [hashlib.sha256(modulus).hexdigest() for modulus in _parts(take, KEY_BITS // 8)]
        retired = [digest.hex() for digest in _parts(take, 32)]
        if not added and not retired:
            raise ValueError("of a change of keys, without any")
        facts |= {"keys_added": added, "keys_retired": retired}
    return facts


def _name(take: Callable[[int], bytes]) -> str:
    length = take(1)[0]
    if not 1 <= length <= _NAME_LIMIT_BYTES:
        raise ValueError(f"a name of {length} bytes")
    return take(length).decode()


def _parts(take: Callable[[int], bytes], size_bytes: int) -> list[bytes]:
    count = take(1)[0]
    if count > KEYS_LIMIT:
        raise ValueError(f"{count} keys")
    return [take(size_bytes) for _ in range(count)]
