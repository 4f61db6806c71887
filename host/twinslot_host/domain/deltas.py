"""Deltas, transfers against the image that a device runs: which pairs of images are worth one, and for how long.

They save bytes, and nothing depends on them: whoever has a device's key can ask for no more than these rules let
through, and what one account asks for costs the others none of theirs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twinslot_host.config import DELTA_ACCOUNT_BYTES, DELTA_AGAIN_S, DELTA_BASES, DELTA_SPARED_S


@dataclass(frozen=True)
class Pair:
    """An account's image, and the base that its transfer is against, empty without one; both hex digests."""

    account: str
    image: str
    base: str = ""


@dataclass(frozen=True)
class Kept:
    """A delta that has a file, of that hex digest; it was last offered at `at_ms`, or made then."""

    pair: Pair
    sha256: str
    size_bytes: int
    at_ms: int


def is_due(failures: int, at_ms: int, now_ms: int) -> bool:
    """Whether a pair is to be tried again that came to nothing so many times in a row, the last time at `at_ms`."""
    return failures > 0 and now_ms >= at_ms + (int(DELTA_AGAIN_S * 1000) << (failures - 1))


def is_common(base: str, devices: Mapping[str, int]) -> bool:
    """Whether the base is among those that most devices run; `devices` counts them by base."""
    ranked = sorted(devices, key=lambda each: (-devices[each], each))
    return base in ranked[:DELTA_BASES]


def making_room(kept: Sequence[Kept], size_bytes: int, now_ms: int) -> list[Kept] | None:
    """Which of an account's deltas are to go so that one of so many bytes has room; None: there is none for it, since
    the others are in use."""
    excess = sum(each.size_bytes for each in kept) + size_bytes - DELTA_ACCOUNT_BYTES
    going = []
    for each in sorted(kept, key=lambda each: each.at_ms):
        if excess <= 0 or each.at_ms > now_ms - DELTA_SPARED_S * 1000:
            break
        going.append(each)
        excess -= each.size_bytes
    return going if excess <= 0 else None
