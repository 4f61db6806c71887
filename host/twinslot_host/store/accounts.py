"""Accounts: who owns groups, devices and applications."""

import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

from twinslot_host.errors import NotADataDir
from twinslot_host.store.database import Connection
from twinslot_host.store.rows import one

_FIRST = "SELECT id FROM accounts ORDER BY created_at_ms, id LIMIT 1"


async def ensure_first(db: Connection, now_ms: int) -> str:
    """The id (24 hex digits) of the first account, which now exists."""
    row = await one(db, _FIRST)
    if row is not None:
        return str(row["id"])
    account = secrets.token_hex(12)
    await db.execute("INSERT INTO accounts (id, created_at_ms) VALUES (?, ?)", (account, now_ms))
    return account


async def exists(db: Connection, account: str) -> bool:
    """Whether there is such an account."""
    return await one(db, "SELECT 1 FROM accounts WHERE id = ?", (account,)) is not None


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
