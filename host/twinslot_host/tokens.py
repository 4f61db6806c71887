"""Bearer tokens of the management API: JWT, HS256, signed with a secret of the data directory."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jwt
from jwt.types import Options

from twinslot_host.config import CLOCK_LEEWAY_S, SCOPES
from twinslot_host.datadir import DATABASE, JWT_KEY, existing_secret
from twinslot_host.errors import Invalid
from twinslot_host.store.accounts import read_first

_ALGORITHM = "HS256"
_ISSUER = "twinslot"


@dataclass(frozen=True)
class Caller:
    """Whom a token speaks for."""

    account: str
    scopes: frozenset[str]


def issue(data: Path, scopes: Sequence[str] | None, ttl_s: int, now_s: int) -> str:
    """A token for whoever can read the data directory; every scope when `scopes` is None.

    Raises NotADataDir when no server has been there, Invalid for an unknown scope or a lifetime below one second.
    """
    wanted = SCOPES if scopes is None else tuple(scopes)
    unknown = [scope for scope in wanted if scope not in SCOPES]
    if unknown:
        raise Invalid(f"there is no scope {unknown[0]!r}; the scopes are {', '.join(SCOPES)}")
    if ttl_s < 1:
        raise Invalid("a token lives for at least one second")
    key = existing_secret(data, JWT_KEY)
    claims = {
        "iss": _ISSUER,
        "sub": "local",
        "account": read_first(data / DATABASE),
        "scope": " ".join(wanted),
        "iat": now_s,
        "exp": now_s + ttl_s,
    }
    return jwt.encode(claims, key, _ALGORITHM)


def read(key: bytes, token: str, now_s: int) -> Caller | None:
    """Whom the token speaks for; None when it is not this server's, or has expired.

    The clock of whoever issued it may be a minute ahead.
    """
    options: Options = {"require": ["exp", "iat", "account", "scope"], "verify_iat": False}
    try:
        claims = jwt.decode(token, key, [_ALGORITHM], issuer=_ISSUER, options=options)
    except (jwt.InvalidTokenError, ValueError):
        return None
    account, scope, issued_s = claims["account"], claims["scope"], claims["iat"]
    if not isinstance(account, str) or not isinstance(scope, str) or not isinstance(issued_s, int):
        return None
    if issued_s > now_s + CLOCK_LEEWAY_S:
        return None
    return Caller(account, frozenset(scope.split()))
