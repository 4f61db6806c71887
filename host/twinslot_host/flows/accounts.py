"""Accounts beside the first one, which that one's tokens alone may make and change."""

from dataclasses import dataclass, replace

from twinslot_host.domain.caller import Caller
from twinslot_host.errors import Conflict, Forbidden, NotFound
from twinslot_host.flows import setup
from twinslot_host.services import Services
from twinslot_host.store import accounts, audit, users
from twinslot_host.store.accounts import Account
from twinslot_host.store.database import Connection


@dataclass(frozen=True)
class Change:
    """What is new of an account; None: nothing."""

    name: str | None
    group_ota: bool | None


async def check_first(db: Connection, caller: Caller) -> None:
    """The caller is of the first account. Raises Forbidden."""
    if caller.account != await accounts.first(db):
        raise Forbidden("only the server's first account makes and sees accounts")


async def create(services: Services, caller: Caller, name: str) -> tuple[Account, str | None]:
    """The account, durable, and the path of its set-up link; None when an external issuer says who comes in.

    Raises Forbidden, Conflict when the name is taken.
    """
    async with services.database.write() as db:
        await check_first(db, caller)
        await _check_free(db, name)
        now_ms = services.now_ms()
        account = await accounts.add(db, name, now_ms)
        link = None if services.issuer is not None else await setup.renew(db, account.id, now_ms)
        await audit.add(db, caller, "account.create", f"account:{account.id}", now_ms, {"name": name})
    return account, link


async def update(services: Services, caller: Caller, account: str, change: Change) -> Account:
    """The account, changed durably. Raises Forbidden, NotFound, Conflict when the name is taken."""
    async with services.database.write() as db:
        found = await _found(db, caller, account)
        given = {name: value for name, value in vars(change).items() if value is not None}
        new = replace(found, **given)
        if new.name != found.name:
            await _check_free(db, new.name)
        if new != found:
            await accounts.update(db, new)
            await audit.add(db, caller, "account.update", f"account:{account}", services.now_ms(), given)
    return new


async def renew_link(services: Services, caller: Caller, account: str) -> tuple[Account, str | None]:
    """The account and the path of a new set-up link, durable; the one before is void.

    Raises Forbidden, NotFound, Conflict when the account has a user.
    """
    async with services.database.write() as db:
        found = await _found(db, caller, account)
        if await users.count(db, found.id):
            raise Conflict("the account has a user, so it is set up; that user makes others")
        now_ms = services.now_ms()
        link = None if services.issuer is not None else await setup.renew(db, found.id, now_ms)
        await audit.add(db, caller, "account.link", f"account:{account}", now_ms)
    return found, link


async def _found(db: Connection, caller: Caller, account: str) -> Account:
    await check_first(db, caller)
    found = await accounts.find(db, account)
    if found is None:
        raise NotFound(f"there is no account {account[:80]!r}")
    return found


async def _check_free(db: Connection, name: str) -> None:
    if await accounts.name_taken(db, name):
        raise Conflict(f"an account {name!r} exists already; choose another name")
