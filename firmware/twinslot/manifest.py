"""The manifest, and the rules by which a device takes an offer or refuses it. Pure; see docs/protocol.md."""

import struct
from hashlib import sha256

from . import rsa
from .errors import Refused
from .specification import BOTH, BUNDLE, IMAGE, MAX_BYTES, SPECIFICATION, decode, has_image, has_specification

_HEAD = "<4sBBHIII32s"
_HEAD_BYTES = 52
_TAIL = "<H32s"
_TAIL_BYTES = 34
_NEEDS = "<HBBB"
_NEEDS_BYTES = 5
_MAGIC = b"TWSM"
_FORMAT = 1
_NO_IMAGE = (0xFFFF, 0, 0, bytes(32))
_KINDS = (IMAGE, SPECIFICATION, BOTH, BUNDLE, BUNDLE | BOTH)
_KEYS = 4  # of the kind's byte: the release changes the trusted keys
_LIST_MAX_BYTES = 8192  # listing.py, which is loaded later, has the same
_ANY_CHIP = 0xFFFF
_ADDED_MAX = 3
_TRUSTED_MAX = 4


class Manifest:
    """What was signed. `sha256` is the image's, or that of the bundle's list, raw bytes; sizes are bytes;
    `specification_size` is 0 for none; `mpy` and `micropython` are what a bundle needs, 0 and (0, 0, 0) for anything;
    `added` are moduli, `retired` the SHA-256 of moduli."""

    def __init__(self, data: bytes) -> None:
        """Raises Refused("format") when `data` is no manifest of this format, to the last byte."""
        if len(data) < _HEAD_BYTES:
            raise Refused("format", "too short")
        magic, format_, self.kind, self.chip, self.sequence, self.security, self.size, self.sha256 = struct.unpack_from(
            _HEAD, data
        )
        keys = self.kind & _KEYS
        self.kind -= keys
        if magic != _MAGIC or format_ != _FORMAT or self.kind not in _KINDS or not self.sequence:
            raise Refused("format", "not a manifest of format 1")
        if self.kind == SPECIFICATION and (self.chip, self.security, self.size, self.sha256) != _NO_IMAGE:
            raise Refused("format", "an image with a specification that comes alone")
        self.app, at = _text(data, _HEAD_BYTES)
        self.version, at = _text(data, at)
        self.specification_size, self.specification_sha256 = 0, b""
        if has_specification(self.kind):
            if len(data) - at < _TAIL_BYTES:
                raise Refused("format", "too short")
            self.specification_size, self.specification_sha256 = struct.unpack_from(_TAIL, data, at)
            if not 1 <= self.specification_size <= MAX_BYTES:
                raise Refused("format", "a specification of {} bytes".format(self.specification_size))
            at += _TAIL_BYTES
        self.mpy, self.micropython = 0, (0, 0, 0)
        if self.kind & BUNDLE:
            if len(data) - at < _NEEDS_BYTES:
                raise Refused("format", "too short")
            self.mpy, *oldest = struct.unpack_from(_NEEDS, data, at)
            self.micropython = tuple(oldest)
            at += _NEEDS_BYTES
        self.added, self.retired = [], []
        if keys:
            self.added, at = _parts(data, at, rsa.SIZE_BYTES)
            self.retired, at = _parts(data, at, 32)
        if at != len(data) or keys and not self.added + self.retired:
            raise Refused("format", "wrong length")

    def names(self, data: bytes) -> bool:
        """Whether `data` is the specification that was signed, and JSON."""
        if len(data) != self.specification_size or sha256(data).digest() != self.specification_sha256:
            return False
        try:
            decode(data)
        except ValueError:
            return False
        return True

    def trusted(self, before: "list[bytes]") -> "list[bytes]":
        """What a board trusts that has trusted the keys `before` and confirms this release."""
        after = [key for key in before if sha256(key).digest() not in self.retired]
        for key in self.added:
            if key not in after:
                after.append(key)
        return after


def _parts(data: bytes, at: int, size: int) -> "tuple[list[bytes], int]":
    """Up to three parts of `size` bytes each, their number before them; and where they would end if all were there."""
    count = data[at] if at < len(data) else _ADDED_MAX + 1
    end = at + 1 + count * size
    if count > _ADDED_MAX:
        raise Refused("format", "not up to {} keys".format(_ADDED_MAX))
    return [data[start : start + size] for start in range(at + 1, end, size)], end


def _text(data: bytes, at: int) -> "tuple[str, int]":
    if at >= len(data):
        raise Refused("format", "too short")
    end = at + 1 + data[at]
    if not 1 <= data[at] <= 64 or end > len(data):
        raise Refused("format", "a name of {} bytes".format(data[at]))
    try:
        return str(data[at + 1 : end], "utf-8"), end
    except (UnicodeError, ValueError):
        raise Refused("format", "a name that is not UTF-8")


def loads_mpy(has: int, needs: int) -> bool:
    """Whether what loads `.mpy` files of the format `has` loads those of the format `needs`, 0 for any."""
    native = needs >> 10
    return not needs or (has ^ needs) & (0xFFFF if native else 0xFF) == 0


class Rules:
    """What this device accepts: fixed by provisioning, by the chip, by its MicroPython, and by what it has confirmed
    and seen fail. `slot_size` is 0 without a second slot."""

    def __init__(
        self,
        trusted: "list[bytes]",
        app: str,
        chip: int,
        slot_size: int,
        mpy: int,
        micropython: "tuple[int, ...]",
        confirmed_sequence: int,
        confirmed_security: int,
        failed_sequence: int,
    ) -> None:
        self.trusted = trusted
        self.app = app
        self.chip = chip
        self.slot_size = slot_size
        self.mpy = mpy
        self.micropython = micropython
        self.confirmed_sequence = confirmed_sequence
        self.confirmed_security = confirmed_security
        self.failed_sequence = failed_sequence

    async def check(self, data: bytes, signature: bytes, specification: bytes = b"") -> Manifest:
        """The manifest, when this device may install what it names, `specification` being what the offer brought;
        else raises Refused with the first reason."""
        for modulus in self.trusted:
            if await rsa.verify(modulus, data, signature):
                break
        else:
            raise Refused("signature", "no trusted key made it")
        m = Manifest(data)
        image, bundle, content = has_image(m.kind), m.kind & BUNDLE, m.kind != SPECIFICATION
        for refused, reason, detail in (
            (m.app != self.app, "application", m.app),
            (image and not self.slot_size, "slot", "this board's partition table has no second app slot"),
            (content and m.chip != self.chip and not (bundle and m.chip == _ANY_CHIP), "chip", m.chip),
            (bundle and not loads_mpy(self.mpy, m.mpy), "mpy", m.mpy),
            (bundle and self.micropython < m.micropython, "micropython", m.micropython),
            (m.sequence <= self.confirmed_sequence, "sequence", m.sequence),
            (content and m.security < self.confirmed_security, "security_version", m.security),
            (m.sequence <= self.failed_sequence, "failed_before", m.sequence),
            (content and not 0 < m.size <= (_LIST_MAX_BYTES if bundle else self.slot_size), "size", m.size),
            (has_specification(m.kind) and not m.names(specification), "specification", "not what was signed"),
            (
                m.added + m.retired and not 1 <= len(m.trusted(self.trusted)) <= _TRUSTED_MAX,
                "keys",
                "none or too many would be trusted",
            ),
        ):
            if refused:
                raise Refused(reason, str(detail))
        return m
