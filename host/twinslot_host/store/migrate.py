"""The schema brought up to date: a migration is committed with its number, so it is done wholly or not at all."""

import aiosqlite

from twinslot_host.errors import NotADataDir
from twinslot_host.store.migrations import MIGRATIONS


async def check_ours(db: aiosqlite.Connection) -> None:
    """The database is empty, or a server's; nothing was changed. Raises NotADataDir for another program's."""
    cursor = await db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    tables = [row[0] for row in await cursor.fetchall()]
    if tables and "migrations" not in tables:
        raise NotADataDir("the database is another program's; restore the server's own from a backup")


async def migrate(db: aiosqlite.Connection, now_ms: int) -> None:
    """The schema is this server's. Raises NotADataDir when a newer server has written it."""
    await db.execute(
        "CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL) STRICT"
    )
    cursor = await db.execute("SELECT COALESCE(MAX(number), 0) FROM migrations")
    row = await cursor.fetchone()
    done: int = row[0] if row is not None else 0
    if done > len(MIGRATIONS):
        raise NotADataDir("the data directory was written by a newer version of twinslot; run that version")
    for number, statements in enumerate(MIGRATIONS[done:], start=done + 1):
        await _apply(db, number, statements, now_ms)


async def _apply(db: aiosqlite.Connection, number: int, statements: tuple[str, ...], now_ms: int) -> None:
    try:
        await db.execute("BEGIN IMMEDIATE")
        for statement in statements:
            await db.execute(statement)
        await db.execute("INSERT INTO migrations (number, at_ms) VALUES (?, ?)", (number, now_ms))
        await db.commit()
    except BaseException:
        await db.rollback()
        raise
