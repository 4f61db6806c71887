"""Small helpers that every table's file uses."""

from collections.abc import Sequence
from sqlite3 import Row

from twinslot_host.store.database import Connection

Value = str | int | bytes | None


async def one(db: Connection, sql: str, values: Sequence[Value] = ()) -> Row | None:
    """The first row, or None."""
    async with db.execute(sql, values) as cursor:
        return await cursor.fetchone()


async def all_of(db: Connection, sql: str, values: Sequence[Value] = ()) -> list[Row]:
    """Every row."""
    async with db.execute(sql, values) as cursor:
        return list(await cursor.fetchall())


async def number(db: Connection, sql: str, values: Sequence[Value] = ()) -> int:
    """The first row's only column; 0 when it is null or there is none."""
    row = await one(db, sql, values)
    return int(row[0]) if row is not None and row[0] is not None else 0
