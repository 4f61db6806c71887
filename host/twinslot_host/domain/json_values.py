"""JSON of a caller's own: specifications, metadata, attributes; such that every reader of it reads the same."""

import json
import math

from twinslot_host.errors import Invalid

SPECIFICATION_LIMIT_BYTES = 2048
METADATA_LIMIT_BYTES = 16 * 1024

_DEPTH_LIMIT = 32
_INTEGER_LIMIT = 1 << 63
_WHITE = b" \t\r\n"


def checked(what: str, value: object, limit_bytes: int) -> bytes:
    """The value, out of a JSON document, as compact JSON in UTF-8.

    Raises Invalid, naming `what`, for what some reader could not take: NaN and infinities (also as 1e999), integers
    beyond 64 bits, NUL and lone surrogates in a text, more than 32 levels, or more bytes than the limit.
    """
    _check(what, value, _DEPTH_LIMIT)
    encoded = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    if len(encoded) > limit_bytes:
        raise Invalid(f"{what}: larger than {limit_bytes} bytes as compact JSON")
    return encoded


def checked_bytes(what: str, data: bytes, limit_bytes: int) -> bytes:
    """The bytes, which are a JSON document in UTF-8 that `checked` would take. Raises Invalid, naming `what`."""
    if len(data) > limit_bytes:
        raise Invalid(f"{what}: larger than {limit_bytes} bytes")
    try:
        value = json.loads(data.decode())
    except (ValueError, RecursionError):  # ValueError: of its form, its encoding, or an integer too long to read
        raise Invalid(f"{what}: this is no JSON document in UTF-8") from None
    _check(what, value, _DEPTH_LIMIT)
    return data


def is_object(data: bytes) -> bool:
    """Whether the JSON document, known to be good, is an object."""
    return data.lstrip(_WHITE).startswith(b"{")


def _check(what: str, value: object, depth: int) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise Invalid(f"{what}: it holds a number that is not finite")
    if isinstance(value, int) and not -_INTEGER_LIMIT <= value < _INTEGER_LIMIT:
        raise Invalid(f"{what}: it holds an integer beyond 64 bits")
    if isinstance(value, str) and ("\0" in value or any("\ud800" <= sign <= "\udfff" for sign in value)):
        raise Invalid(f"{what}: it holds a text with NUL or half of a surrogate pair")
    if not isinstance(value, dict | list):
        return
    if depth == 0:
        raise Invalid(f"{what}: nested deeper than {_DEPTH_LIMIT} levels")
    for each in [*value, *value.values()] if isinstance(value, dict) else value:
        _check(what, each, depth - 1)
