"""Whom a bearer token speaks for, as things stand now."""

import hashlib

from twinslot_host import issuer, tokens
from twinslot_host.config import TOKEN_LIFE_S
from twinslot_host.domain.caller import Caller
from twinslot_host.errors import Unauthorized
from twinslot_host.services import Services
from twinslot_host.store import accounts, clients, users
from twinslot_host.store.clients import Client
from twinslot_host.store.database import Connection
from twinslot_host.store.users import User


async def caller(services: Services, token: str) -> Caller | None:
    """Whom the token speaks for; None when it is not good, or its user, client or account is gone.

    With an external issuer its tokens count, and of this server's own the operator's alone. Raises Unavailable when
    the issuer's keys can't be had, Unauthorized when a good token of its has to name an account and does not.
    """
    db = services.database.reader
    own = tokens.read(services.jwt_key, token, services.now_s())
    if own is not None:
        if services.issuer is not None and own.kind != tokens.OPERATOR:
            return None
        return await _of_own(db, own)
    if services.issuer is None:
        return None
    claims = await services.issuer.read(token)
    return None if claims is None else await _of_issuer(db, claims)


def user_token(services: Services, user: User) -> str:
    """A token for a user whose password was right."""
    claims = tokens.Claims(user.account, tokens.USER, user.id, frozenset(user.scopes), _stamp(user))
    return tokens.make(services.jwt_key, claims, TOKEN_LIFE_S, services.now_s())


def client_token(services: Services, client: Client, scopes: frozenset[str]) -> str:
    """A token for a client whose secret was right, for some of its scopes."""
    claims = tokens.Claims(client.account, tokens.CLIENT, client.id, scopes)
    return tokens.make(services.jwt_key, claims, TOKEN_LIFE_S, services.now_s())


async def _of_own(db: Connection, claims: tokens.Claims) -> Caller | None:
    if claims.kind == tokens.OPERATOR:
        known = await accounts.find(db, claims.account) is not None
        return Caller(claims.account, "operator", claims.scopes) if known else None
    if claims.kind == tokens.CLIENT:
        client = await clients.find(db, claims.id)
        if client is None or client.account != claims.account:
            return None
        return Caller(client.account, f"client:{client.id}", claims.scopes & frozenset(client.scopes))
    user = await users.find(db, claims.id) if claims.kind == tokens.USER else None
    if user is None or user.account != claims.account or claims.stamp != _stamp(user):
        return None
    return Caller(user.account, f"user:{user.name}", claims.scopes & frozenset(user.scopes))


async def _of_issuer(db: Connection, claims: issuer.Claims) -> Caller | None:
    if claims.account is None:
        account = await accounts.only(db)
        if account is None:
            raise Unauthorized("the token lacks the claim `account`; this server has several, so name one", "Bearer")
    else:
        account = claims.account if await accounts.find(db, claims.account) is not None else None
    return None if account is None else Caller(account, f"issuer:{claims.subject}", claims.scopes)


def _stamp(user: User) -> str:
    """What changes with the user's password, and tells nothing of it: the hash that goes in is salted."""
    return hashlib.sha256(user.password.encode()).hexdigest()[:16]
