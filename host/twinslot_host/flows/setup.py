"""Set-up links: whoever has an account's link makes its first user and its first API client, once."""

import secrets
from dataclasses import dataclass

from twinslot_host.config import SCOPES
from twinslot_host.digests import digest
from twinslot_host.domain.caller import Caller
from twinslot_host.domain.names import checked_name
from twinslot_host.errors import Forbidden
from twinslot_host.flows import clients
from twinslot_host.flows import users as user_flow
from twinslot_host.passwords import checked_password
from twinslot_host.services import Services
from twinslot_host.store import accounts, audit, setup_links, users
from twinslot_host.store import clients as client_rows
from twinslot_host.store.clients import Client
from twinslot_host.store.database import Connection
from twinslot_host.store.users import User

FIRST_CLIENT = "first"
PATH = "/setup"

_TOKEN_BYTES = 32


@dataclass(frozen=True)
class Done:
    """What a set-up has made; `secret` is the client's."""

    user: User
    client: Client
    secret: str


async def renew_first(services: Services) -> str | None:
    """The path of a new link for the first account, durable; older ones are void.

    None when it has a user, or when an external issuer says who comes in.
    """
    if services.issuer is not None:
        return None
    async with services.database.write() as db:
        account = await accounts.first(db)
        return None if await users.count(db, account) else await renew(db, account, services.now_ms())


async def renew(db: Connection, account: str, now_ms: int) -> str:
    """The path of a new link for an account that has no user, in the transaction of `db`; older ones are void."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    await setup_links.replace(db, account, digest(token), now_ms)
    return f"{PATH}?token={token}"


async def account_of(services: Services, db: Connection, token: str) -> str:
    """The account that the link sets up. Raises Forbidden, saying what to do instead."""
    if services.issuer is not None:
        raise Forbidden(f"this server takes the tokens of {services.issuer.trusted.url}; log in there")
    account = await setup_links.account_of(db, digest(token))
    if account is None:
        raise Forbidden(
            "this set-up link is wrong, was replaced or was used; for another one restart the server, which prints it,"
            " or ask whoever made the account"
        )
    return account


async def finish(services: Services, token: str, name: str, password: str) -> Done:
    """The account's first user and client, both with every scope, durable; the link is void.

    Raises Invalid for the name or the password, Forbidden for the link, Conflict when the name is taken; then the link
    is as good as it was.
    """
    await account_of(services, services.database.reader, token)  # before any work on the password
    name, hashed = checked_name("name", name), await services.passwords.hashed(checked_password(password))
    async with services.database.write() as db:
        account, now_ms = await account_of(services, db, token), services.now_ms()
        caller = Caller(account, f"user:{name}", frozenset(SCOPES))
        await audit.add(db, caller, "account.setup", f"account:{account}", now_ms)
        user = await user_flow.add(db, caller, name, hashed, SCOPES, now_ms)
        taken = await client_rows.name_taken(db, account, FIRST_CLIENT)
        client_name = f"{FIRST_CLIENT} of {user.id}" if taken else FIRST_CLIENT
        client, secret = await clients.add(db, caller, client_name, SCOPES, now_ms)
    return Done(user, client, secret)
