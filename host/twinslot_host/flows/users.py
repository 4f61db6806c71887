"""Users: made, changed, gone, and proven by their password."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from twinslot_host.domain.caller import Caller
from twinslot_host.domain.scopes import check_grantable, checked_scopes
from twinslot_host.errors import Conflict, NotFound
from twinslot_host.passwords import checked_password
from twinslot_host.services import Services
from twinslot_host.store import audit, setup_links, users
from twinslot_host.store.database import Connection
from twinslot_host.store.users import User

_KEEPER = "user:update"  # every account with users has one who may change them


@dataclass(frozen=True)
class Change:
    """What is new of a user; None: nothing."""

    scopes: Sequence[str] | None
    password: str | None


async def create(services: Services, caller: Caller, name: str, password: str, scopes: Sequence[str]) -> User:
    """The user, durable; a set-up link of the account is void.

    Raises Invalid for the password or an unknown scope, Forbidden for one that the caller lacks, Conflict when the name
    is taken.
    """
    wanted = checked_scopes(scopes)
    check_grantable(caller, wanted)
    hashed = await services.passwords.hashed(checked_password(password))
    async with services.database.write() as db:
        return await add(db, caller, name, hashed, wanted, services.now_ms())


async def add(db: Connection, caller: Caller, name: str, hashed: str, scopes: tuple[str, ...], now_ms: int) -> User:
    """The user, in the transaction of `db`; a set-up link of the account is void. Raises Conflict for a taken name."""
    if await users.of_name(db, name) is not None:
        raise Conflict(f"a user {name!r} exists already on this server; choose another name")
    user = User(secrets.token_hex(12), caller.account, name, hashed, scopes, now_ms)
    await users.add(db, user)
    await setup_links.remove(db, caller.account)
    await audit.add(db, caller, "user.create", f"user:{user.id}", now_ms, {"name": name, "scopes": list(scopes)})
    return user


async def of_account(db: Connection, account: str, user: str) -> User:
    """The account's user of that id. Raises NotFound."""
    found = await users.find(db, user)
    if found is None or found.account != account:
        raise NotFound(f"there is no user {user[:80]!r}")
    return found


async def update(services: Services, caller: Caller, user: str, change: Change) -> User:
    """The user, changed durably; after a new password its tokens are good no more.

    Raises NotFound; Invalid for the password or an unknown scope; Forbidden when the caller lacks scopes that the user
    has or would have; Conflict when it is the account's last user who may change users, and would not be any more.
    """
    wanted = None if change.scopes is None else checked_scopes(change.scopes)
    known = await of_account(services.database.reader, caller.account, user)  # before any work on its password
    hashed = None
    if change.password is not None:
        check_grantable(caller, known.scopes)
        hashed = await services.passwords.hashed(checked_password(change.password))
    async with services.database.write() as db:
        found = await of_account(db, caller.account, user)
        new = replace(found, scopes=wanted or found.scopes, password=hashed or found.password)
        if new != found:
            await _change(db, caller, found, new, services.now_ms())
    return new


async def delete(services: Services, caller: Caller, user: str) -> None:
    """The user is gone, durably, and its tokens with it.

    Raises NotFound, Forbidden when it has scopes that the caller lacks, Conflict when it is the account's last who may
    change users.
    """
    async with services.database.write() as db:
        found = await of_account(db, caller.account, user)
        check_grantable(caller, found.scopes)
        await _check_kept(db, found)
        await users.remove(db, found.id)
        await audit.add(db, caller, "user.delete", f"user:{found.id}", services.now_ms(), {"name": found.name})


async def proven(services: Services, name: str, password: str) -> User | None:
    """The user whose name and password these are; None when they are nobody's, which takes as long to find out.

    Raises TooMany after several wrong passwords in a row for the name, and, which counts as none, while too many
    passwords are being checked.
    """
    user = await users.of_name(services.database.reader, name)
    services.passwords.check_free()
    services.throttle.tried(name, services.now_s())  # and nothing else runs before the password's turn is taken
    if not await services.passwords.verified(None if user is None else user.password, password):
        return None
    services.throttle.was_right(name)
    return user


async def _change(db: Connection, caller: Caller, old: User, new: User, now_ms: int) -> None:
    for each in (old, new):
        check_grantable(caller, each.scopes)
    if _KEEPER not in new.scopes:
        await _check_kept(db, old)
    await users.update(db, new)
    told = {"scopes": list(new.scopes), "password": "kept" if new.password == old.password else "changed"}
    await audit.add(db, caller, "user.update", f"user:{old.id}", now_ms, told)


async def _check_kept(db: Connection, user: User) -> None:
    if _KEEPER in user.scopes and not any(_KEEPER in other.scopes for other in await users.others(db, user)):
        raise Conflict(f"{user.name!r} is the last user of the account with {_KEEPER}; give it to another one first")
