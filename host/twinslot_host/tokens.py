"""The server's own bearer tokens: JWT, HS256, signed with a secret of the data directory."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import jwt

from twinslot_host.config import OPERATOR_TOKEN_LIFE_LIMIT_S, SCOPES
from twinslot_host.datadir import DATABASE, JWT_KEY, existing_secret
from twinslot_host.domain.token_dates import in_time
from twinslot_host.errors import Invalid
from twinslot_host.store.accounts import read_first

OPERATOR = "local"
USER = "user"
CLIENT = "client"

_ALGORITHM = "HS256"
_ISSUER = "twinslot"
_AUDIENCE = "twinslot"


@dataclass(frozen=True)
class Claims:
    """What a token says. `kind` is OPERATOR, USER or CLIENT; `id` is the user's or client's, empty for the operator.

    `stamp` ties a user's token to the password that it was given for; empty for others.
    """

    account: str
    kind: str
    id: str
    scopes: frozenset[str]
    stamp: str = ""


def issue(data: Path, scopes: Sequence[str] | None, ttl_s: int, now_s: int) -> str:
    """A token for whoever can read the data directory; every scope when `scopes` is None.

    Raises NotADataDir when no server has been there, Invalid for an unknown scope, or a lifetime below one second or
    over ten years.
    """
    wanted = SCOPES if scopes is None else tuple(scopes)
    unknown = [scope for scope in wanted if scope not in SCOPES]
    if unknown:
        raise Invalid(f"there is no scope {unknown[0]!r}; the scopes are {', '.join(SCOPES)}")
    if not 1 <= ttl_s <= OPERATOR_TOKEN_LIFE_LIMIT_S:
        raise Invalid("a token lives for at least one second and at most ten years")
    key = existing_secret(data, JWT_KEY)
    return make(key, Claims(read_first(data / DATABASE), OPERATOR, "", frozenset(wanted)), ttl_s, now_s)


def make(key: bytes, claims: Claims, ttl_s: int, now_s: int) -> str:
    """A token that says so, good for the next `ttl_s` seconds."""
    said = {
        "iss": _ISSUER,
        "aud": _AUDIENCE,
        "sub": f"{claims.kind}:{claims.id}" if claims.id else claims.kind,
        "account": claims.account,
        "scope": scope_text(claims.scopes),
        "stamp": claims.stamp,
        "iat": now_s,
        "exp": now_s + ttl_s,
    }
    return jwt.encode(said, key, _ALGORITHM)


def read(key: bytes, token: str, now_s: int) -> Claims | None:
    """What the token says; None when it is not this server's, or is not good now."""
    try:
        said = jwt.decode(
            token,
            key,
            [_ALGORITHM],
            issuer=_ISSUER,
            audience=_AUDIENCE,
            options={
                "require": ["iss", "aud", "sub", "account", "scope", "iat", "exp"],
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None
    account, scope, subject, stamp = said["account"], said["scope"], said["sub"], said.get("stamp", "")
    if not all(isinstance(each, str) for each in (account, scope, subject, stamp)) or not in_time(said, now_s):
        return None
    kind, _, name = subject.partition(":")
    return Claims(account, kind, name, frozenset(scope.split()), stamp)


def scope_text(scopes: Iterable[str]) -> str:
    """The scopes as a token and an answer tell them: in one order, with spaces between."""
    wanted = frozenset(scopes)
    return " ".join(scope for scope in SCOPES if scope in wanted)
