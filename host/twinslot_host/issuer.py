"""An external issuer's tokens: JWTs that its published keys (RFC 7517) vouch for."""

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import jwt

from twinslot_host.config import JWKS_AGAIN_S, JWKS_FAILED_S, JWKS_LIFE_S, JWKS_LIMIT_BYTES, JWKS_TIMEOUT_S, SCOPES
from twinslot_host.domain.names import printable
from twinslot_host.domain.token_dates import in_time
from twinslot_host.errors import Unavailable

_LOG = logging.getLogger("twinslot")

# By what the key is, never by what the token says: a public key is no HMAC secret.
_ALGORITHMS = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("EdDSA",),
}
_RSA_LEAST_BITS = 2048
_SUBJECT_LIMIT = 200


@dataclass(frozen=True)
class Trusted:
    """Whose tokens are taken: `iss` and `aud` as they must stand in a token, and the address of the keys."""

    url: str
    audience: str
    jwks_url: str


@dataclass(frozen=True)
class Claims:
    """What a good token says; `account` is None when it names none."""

    subject: str
    account: str | None
    scopes: frozenset[str]


@dataclass(frozen=True)
class Key:
    """A public key, and the algorithms whose signatures by it count."""

    kid: str | None
    key: Any
    algorithms: list[str]


@dataclass(frozen=True)
class _Keys:
    keys: tuple[Key, ...]
    fetched_s: int

    def find(self, kid: object) -> Key | None:
        if kid is None:
            return self.keys[0] if len(self.keys) == 1 else None
        return next((key for key in self.keys if key.kid == kid), None)


class Issuer:
    """Reads tokens; fetches the keys when they are first needed, are old, or one of them is not known."""

    def __init__(self, trusted: Trusted, clock_us: Callable[[], int]) -> None:
        self.trusted = trusted
        self._clock_us = clock_us
        self._keys: _Keys | None = None
        self._failed_s: int | None = None
        self._fetching = asyncio.Lock()

    async def read(self, token: str) -> Claims | None:
        """What the token says; None when it is not a good one of this issuer's.

        Raises Unavailable when the keys can't be had, so that nobody can say whether it is.
        """
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError):
            return None
        if not any(header.get("alg") in names for names in _ALGORITHMS.values()):
            return None
        key = await self._key(header.get("kid"))
        return None if key is None else self._claims(token, key)

    def _now_s(self) -> int:
        return self._clock_us() // 1_000_000

    def _claims(self, token: str, key: Key) -> Claims | None:
        try:
            claims = jwt.decode(
                token,
                key.key,
                key.algorithms,
                issuer=self.trusted.url,
                audience=self.trusted.audience,
                options={
                    "require": ["exp", "sub", "iss", "aud"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except (jwt.PyJWTError, ValueError, RecursionError):
            return None
        return _understood(claims) if in_time(claims, self._now_s()) else None

    async def _key(self, kid: object) -> Key | None:
        keys = self._fresh(JWKS_LIFE_S)
        found = None if keys is None else keys.find(kid)
        if found is not None:
            return found
        async with self._fetching:
            keys = self._fresh(JWKS_AGAIN_S)
            if keys is None:
                keys = await self._fetch()
            return keys.find(kid)

    def _fresh(self, life_s: int) -> _Keys | None:
        keys = self._keys
        return keys if keys is not None and abs(self._now_s() - keys.fetched_s) < life_s else None

    async def _fetch(self) -> _Keys:
        """The issuer's keys as they are now. Raises Unavailable, at once while the last fetch has just failed."""
        if self._failed_s is not None and abs(self._now_s() - self._failed_s) < JWKS_FAILED_S:
            raise _unavailable(self.trusted)
        try:
            document = await _fetched(self.trusted.jwks_url)
            self._keys = _Keys(usable_keys(document), self._now_s())
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, RecursionError) as error:
            self._failed_s = self._now_s()
            told = printable(str(error) or type(error).__name__)
            _LOG.warning("the keys of the token issuer can't be had from %s: %s", self.trusted.jwks_url, told)
            raise _unavailable(self.trusted) from error
        return self._keys


def usable_keys(document: bytes) -> tuple[Key, ...]:
    """The keys of a JWK set that can vouch for tokens; others are passed over. Raises ValueError for no JWK set."""
    given = json.loads(document)
    if not isinstance(given, dict) or not isinstance(given.get("keys"), list):
        raise ValueError("the answer is no JWK set")
    return tuple(key for each in given["keys"] if (key := _usable(each)) is not None)


def _usable(given: Any) -> Key | None:
    if not isinstance(given, dict) or given.get("use", "sig") != "sig":
        return None
    stated = given.get("alg")
    algorithms = [name for name in _ALGORITHMS.get(str(given.get("kty")), ()) if stated in (None, name)]
    if not algorithms:
        return None
    try:
        key = jwt.PyJWK(given)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    if key.key_type == "RSA" and key.key.key_size < _RSA_LEAST_BITS:
        return None
    return Key(key.key_id, key.key, algorithms)


async def _fetched(url: str) -> bytes:
    """The document at the address. Raises ClientError, TimeoutError, OSError, or ValueError for no good answer."""
    timeout = aiohttp.ClientTimeout(total=JWKS_TIMEOUT_S)
    async with (
        aiohttp.ClientSession(timeout=timeout) as http,
        http.get(url, allow_redirects=False, headers={"Accept": "application/json"}) as answer,
    ):
        if answer.status != 200:
            raise ValueError(f"it answers {answer.status}")
        body = bytearray()
        async for chunk in answer.content.iter_any():
            body += chunk
            if len(body) > JWKS_LIMIT_BYTES:
                raise ValueError(f"its answer is larger than {JWKS_LIMIT_BYTES} bytes")
        return bytes(body)


def _unavailable(trusted: Trusted) -> Unavailable:
    return Unavailable(f"the keys of {trusted.url}, which tokens are checked with, can't be had now; try again later")


def _understood(claims: dict[str, Any]) -> Claims | None:
    subject, account, given = claims["sub"], claims.get("account"), claims.get("scope", claims.get("scp", ""))
    scopes = given.split() if isinstance(given, str) else given
    if not isinstance(subject, str) or not isinstance(account, str | None) or not isinstance(scopes, list):
        return None
    known = frozenset(name for name in SCOPES if name in scopes)
    return Claims(printable(subject)[:_SUBJECT_LIMIT], account, known)
