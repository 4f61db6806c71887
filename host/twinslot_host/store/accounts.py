"""Accounts: who owns groups, devices and applications."""

import secrets
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Row

from twinslot_host.errors import NotADataDir
from twinslot_host.store.database import Connection
from twinslot_host.store.rows import all_of, number, one

_SELECT = "SELECT id, name, group_ota, created_at_ms FROM accounts"
_FIRST = "SELECT id FROM accounts WHERE first = 1"


@dataclass(frozen=True)
class Account:
    """One row; `group_ota`: whether it may use IoTaaP's group OTA."""

    id: str
    name: str
    group_ota: bool
    created_at_ms: int


async def ensure_first(db: Connection, now_ms: int) -> str:
    """The id (24 hex digits) of the first account, which now exists."""
    row = await one(db, _FIRST)
    return str(row["id"]) if row is not None else (await _add(db, "", now_ms, first=True)).id


async def first(db: Connection) -> str:
    """The id of the first account, which the server has made before it takes requests."""
    row = await one(db, _FIRST)
    assert row is not None
    return str(row["id"])


async def add(db: Connection, name: str, now_ms: int) -> Account:
    """A new account beside the first, with group OTA."""
    return await _add(db, name, now_ms, first=False)


async def find(db: Connection, account: str) -> Account | None:
    """The account of that id, or None."""
    row = await one(db, f"{_SELECT} WHERE id = ?", (account,))
    return None if row is None else _account(row)


async def get(db: Connection, account: str) -> Account:
    """The account of that id, which the caller has from its token or from another row."""
    found = await find(db, account)
    assert found is not None
    return found


async def name_taken(db: Connection, name: str) -> bool:
    """Whether an account has the name."""
    return await one(db, "SELECT 1 FROM accounts WHERE name = ?", (name,)) is not None


async def update(db: Connection, account: Account) -> None:
    """The account's row says what `account` does."""
    await db.execute(
        "UPDATE accounts SET name = ?, group_ota = ? WHERE id = ?", (account.name, int(account.group_ota), account.id)
    )


async def page(db: Connection, offset: int, limit: int) -> list[Account]:
    """The accounts, the first one first."""
    rows = await all_of(db, f"{_SELECT} ORDER BY first DESC, created_at_ms, id LIMIT ? OFFSET ?", (limit, offset))
    return [_account(row) for row in rows]


async def count(db: Connection) -> int:
    """How many accounts there are."""
    return await number(db, "SELECT COUNT(*) FROM accounts")


async def only(db: Connection) -> str | None:
    """The id of the one account; None when there are more."""
    rows = await all_of(db, "SELECT id FROM accounts LIMIT 2")
    return str(rows[0]["id"]) if len(rows) == 1 else None


def read_first(path: Path) -> str:
    """The id of the first account, read by another process than the server.

    Raises NotADataDir when there is none.
    """
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
            row = db.execute(_FIRST).fetchone()
    except sqlite3.Error:
        row = None
    if row is None:
        raise NotADataDir(f"{path.parent} has no account yet; run `twinslot serve --data {path.parent}` first")
    return str(row[0])


async def _add(db: Connection, name: str, now_ms: int, *, first: bool) -> Account:
    account = Account(secrets.token_hex(12), name, True, now_ms)
    await db.execute(
        "INSERT INTO accounts (id, name, first, group_ota, created_at_ms) VALUES (?, ?, ?, ?, ?)",
        (account.id, account.name, int(first), int(account.group_ota), account.created_at_ms),
    )
    return account


def _account(row: Row) -> Account:
    return Account(row["id"], row["name"], bool(row["group_ota"]), row["created_at_ms"])
