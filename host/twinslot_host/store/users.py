"""Users: people who log in with a name and a password, of which a slow hash alone is kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from sqlite3 import Row

from twinslot_host.store.database import Connection
from twinslot_host.store.rows import all_of, number, one

_SELECT = "SELECT id, account_id, name, password, scopes, created_at_ms FROM users"


@dataclass(frozen=True)
class User:
    """One row; `password` is its Argon2 hash."""

    id: str
    account: str
    name: str
    password: str = field(repr=False)
    scopes: tuple[str, ...]
    created_at_ms: int


async def add(db: Connection, user: User) -> None:
    """The user exists. The caller has seen that the name is free."""
    await db.execute(
        "INSERT INTO users (id, account_id, name, password, scopes, created_at_ms) VALUES (?, ?, ?, ?, ?, ?)",
        (user.id, user.account, user.name, user.password, " ".join(user.scopes), user.created_at_ms),
    )


async def find(db: Connection, user: str) -> User | None:
    """The user of that id, whichever account's, or None."""
    row = await one(db, f"{_SELECT} WHERE id = ?", (user,))
    return None if row is None else _user(row)


async def of_name(db: Connection, name: str) -> User | None:
    """The user of that name, whichever account's, or None."""
    row = await one(db, f"{_SELECT} WHERE name = ?", (name,))
    return None if row is None else _user(row)


async def page(db: Connection, account: str, offset: int, limit: int) -> list[User]:
    """The account's users by name."""
    rows = await all_of(db, f"{_SELECT} WHERE account_id = ? ORDER BY name LIMIT ? OFFSET ?", (account, limit, offset))
    return [_user(row) for row in rows]


async def count(db: Connection, account: str) -> int:
    """How many users the account has."""
    return await number(db, "SELECT COUNT(*) FROM users WHERE account_id = ?", (account,))


async def others(db: Connection, user: User) -> Sequence[User]:
    """The other users of the user's account."""
    rows = await all_of(db, f"{_SELECT} WHERE account_id = ? AND id <> ?", (user.account, user.id))
    return [_user(row) for row in rows]


async def update(db: Connection, user: User) -> None:
    """The user's row has the password and the scopes of `user`."""
    await db.execute(
        "UPDATE users SET password = ?, scopes = ? WHERE id = ?", (user.password, " ".join(user.scopes), user.id)
    )


async def remove(db: Connection, user: str) -> None:
    """There is no such user."""
    await db.execute("DELETE FROM users WHERE id = ?", (user,))


def _user(row: Row) -> User:
    return User(
        row["id"],
        row["account_id"],
        row["name"],
        row["password"],
        tuple(row["scopes"].split()),
        row["created_at_ms"],
    )
