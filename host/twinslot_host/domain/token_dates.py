"""The dates in a token (RFC 7519 section 4.1)."""

from collections.abc import Mapping
from typing import TypeGuard

from twinslot_host.config import CLOCK_LEEWAY_S


def in_time(claims: Mapping[str, object], now_s: int) -> bool:
    """Whether the token is good now: not expired, and neither issued nor begun later than a minute from now.

    `exp` must be there. The clock of whoever issued it may be a minute ahead.
    """
    expires_s = claims.get("exp")
    if not _is_date(expires_s) or not now_s < expires_s:
        return False
    begun = [claims[name] for name in ("nbf", "iat") if name in claims]
    return all(_is_date(each) and each <= now_s + CLOCK_LEEWAY_S for each in begun)


def _is_date(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1 << 53
