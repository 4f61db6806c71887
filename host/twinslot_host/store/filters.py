"""Filters: named predicates over an account's devices."""

import json
from sqlite3 import Row

from twinslot_host.domain.filters import Filter, Predicate
from twinslot_host.store.database import Connection
from twinslot_host.store.rows import all_of, number, one

_SELECT = "SELECT f.id, f.name, f.predicate, f.created_at_ms FROM filters f"


async def add(db: Connection, account: str, new: Filter) -> None:
    """The filter exists. The caller has seen that its name is free."""
    await db.execute(
        "INSERT INTO filters (id, account_id, name, predicate, created_at_ms) VALUES (?, ?, ?, ?, ?)",
        (new.id, account, new.name, _stored(new.predicate), new.created_at_ms),
    )


async def update(db: Connection, filter_id: str, name: str, predicate: Predicate) -> None:
    """The filter has that name and predicate. The caller has seen that the name is free."""
    await db.execute("UPDATE filters SET name = ?, predicate = ? WHERE id = ?", (name, _stored(predicate), filter_id))


async def remove(db: Connection, filter_id: str) -> None:
    """The filter is gone. The caller has seen that no release uses it."""
    await db.execute("DELETE FROM filters WHERE id = ?", (filter_id,))


async def find(db: Connection, account: str, filter_id: str) -> Filter | None:
    """The account's filter of that id, or None."""
    row = await one(db, f"{_SELECT} WHERE f.account_id = ? AND f.id = ?", (account, filter_id))
    return None if row is None else _filter(row)


async def named(db: Connection, account: str, name: str) -> Filter | None:
    """The account's filter of that name, or None."""
    row = await one(db, f"{_SELECT} WHERE f.account_id = ? AND f.name = ?", (account, name))
    return None if row is None else _filter(row)


async def page(db: Connection, account: str, offset: int, limit: int) -> list[Filter]:
    """The account's filters by name."""
    rows = await all_of(
        db, f"{_SELECT} WHERE f.account_id = ? ORDER BY f.name LIMIT ? OFFSET ?", (account, limit, offset)
    )
    return [_filter(row) for row in rows]


async def count(db: Connection, account: str) -> int:
    """How many filters the account has."""
    return await number(db, "SELECT COUNT(*) FROM filters WHERE account_id = ?", (account,))


async def of_account(db: Connection, account: str) -> list[Filter]:
    """All of the account's filters."""
    rows = await all_of(db, f"{_SELECT} WHERE f.account_id = ?", (account,))
    return [_filter(row) for row in rows]


async def of_application(db: Connection, application: int) -> list[Filter]:
    """The filters that any release of the application goes out to."""
    rows = await all_of(
        db,
        f"{_SELECT} WHERE f.id IN (SELECT t.filter_id FROM release_filters t JOIN releases r ON r.id = t.release_id"
        " WHERE r.application_id = ?)",
        (application,),
    )
    return [_filter(row) for row in rows]


def _stored(predicate: Predicate) -> str:
    return json.dumps({name: value for name, value in vars(predicate).items() if value is not None})


def _filter(row: Row) -> Filter:
    stored = json.loads(row["predicate"])
    for name in ("groups", "tags"):
        if name in stored:
            stored[name] = tuple(stored[name])
    return Filter(row["id"], row["name"], Predicate(**stored), row["created_at_ms"])
