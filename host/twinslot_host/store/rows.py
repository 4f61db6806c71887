"""Small helpers that every table's file uses."""

from collections.abc import Mapping, Sequence
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


def where(wanted: Mapping[str, Value]) -> tuple[str, list[Value]]:
    """The condition that each column has its value, and its values; None: whatever it is. One at least is given."""
    given = {column: value for column, value in wanted.items() if value is not None}
    return " AND ".join(f"{column} = ?" for column in given), list(given.values())


def containing(text: str) -> str:
    """The pattern for `LIKE ? ESCAPE '!'` of what has this very text in it."""
    for sign in "!%_":
        text = text.replace(sign, f"!{sign}")
    return f"%{text}%"
