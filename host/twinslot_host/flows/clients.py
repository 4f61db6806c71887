"""API clients: made, gone, and proven by their secret."""

import hmac
import secrets
from collections.abc import Iterable

from twinslot_host.digests import digest
from twinslot_host.domain.caller import Caller
from twinslot_host.domain.scopes import check_grantable, checked_scopes
from twinslot_host.errors import Conflict, NotFound
from twinslot_host.services import Services
from twinslot_host.store import audit, clients
from twinslot_host.store.clients import Client
from twinslot_host.store.database import Connection

_SECRET_BYTES = 32


async def create(services: Services, caller: Caller, name: str, scopes: Iterable[str]) -> tuple[Client, str]:
    """The client, durable, and its secret.

    Raises Invalid for an unknown scope, Forbidden for one that the caller lacks, Conflict when the name is taken.
    """
    wanted = checked_scopes(scopes)
    check_grantable(caller, wanted)
    async with services.database.write() as db:
        return await add(db, caller, name, wanted, services.now_ms())


async def add(db: Connection, caller: Caller, name: str, scopes: tuple[str, ...], now_ms: int) -> tuple[Client, str]:
    """The client and its secret, in the transaction of `db`. Raises Conflict when the name is taken."""
    if await clients.name_taken(db, caller.account, name):
        raise Conflict(f"a client {name!r} exists already; choose another name")
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    client = Client(secrets.token_hex(12), caller.account, name, digest(secret), scopes, now_ms)
    await clients.add(db, client)
    await audit.add(db, caller, "client.create", f"client:{client.id}", now_ms, {"name": name, "scopes": list(scopes)})
    return client, secret


async def of_account(db: Connection, account: str, client: str) -> Client:
    """The account's client of that id. Raises NotFound."""
    found = await clients.find(db, client)
    if found is None or found.account != account:
        raise NotFound(f"there is no client {client[:80]!r}")
    return found


async def delete(services: Services, caller: Caller, client: str) -> None:
    """The client is gone, durably, and its tokens with it.

    Raises NotFound, Forbidden when it has scopes that the caller lacks.
    """
    async with services.database.write() as db:
        found = await of_account(db, caller.account, client)
        check_grantable(caller, found.scopes)
        await clients.remove(db, found.id)
        await audit.add(db, caller, "client.delete", f"client:{found.id}", services.now_ms(), {"name": found.name})


async def proven(db: Connection, client: str, secret: str) -> Client | None:
    """The client whose id and secret these are, whichever account's; None when they are nobody's."""
    found = await clients.find(db, client)
    right = hmac.compare_digest(digest(secret), digest("") if found is None else found.digest)
    return found if right else None
