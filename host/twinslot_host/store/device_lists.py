"""Lists of devices: some of an account's, in an order, a page at a time."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from twinslot_host.domain.filters import Subject
from twinslot_host.store import device_tags
from twinslot_host.store.database import Connection
from twinslot_host.store.devices import SELECT, Device, of_row
from twinslot_host.store.rows import Value, all_of, containing, number, where

_COUNT = "SELECT COUNT(*) FROM devices d JOIN groups g ON g.id = d.group_id"
_TAGGED = "EXISTS (SELECT 1 FROM device_tags t WHERE t.device_id = d.id AND "
_SEARCHED = ("d.device", "d.version", "d.app", "g.name")
_COLUMNS = {
    "id": "d.device",
    "version": "d.version",
    "app": "d.app",
    "group": "g.name",
    "last_seen_at": "d.last_seen_at_ms",
    "created_at": "d.created_at_ms",
}


@dataclass(frozen=True)
class Wanted:
    """Which devices a list holds, and in which order.

    None: whatever it is. `search` is a part of the id, version, application, group's name or a tag, in whatever case.
    `sort` is one of `_COLUMNS`, with `-` before it to have the last first; what is not known yet comes at the end.
    """

    search: str | None = None
    group: str | None = None
    tag: str | None = None
    state: str | None = None
    sort: str = "id"


async def page(db: Connection, account: str, wanted: Wanted, offset: int, limit: int) -> list[Device]:
    """The account's devices that are wanted, in their order; equal ones by id."""
    condition, values = _where(account, wanted)
    column = _COLUMNS[wanted.sort.removeprefix("-")]
    direction = "DESC" if wanted.sort.startswith("-") else "ASC"
    rows = await all_of(
        db,
        f"{SELECT} WHERE {condition} ORDER BY {column} IS NULL, {column} {direction}, d.device LIMIT ? OFFSET ?",
        (*values, limit, offset),
    )
    return [of_row(row) for row in rows]


async def count(db: Connection, account: str, wanted: Wanted) -> int:
    """How many of the account's devices are wanted."""
    condition, values = _where(account, wanted)
    return await number(db, f"{_COUNT} WHERE {condition}", values)


async def named(db: Connection, account: str, names: Sequence[str]) -> list[Device]:
    """Those of the account's devices, by id."""
    marks = ", ".join("?" * len(names))
    condition = f"d.account_id = ? AND d.device IN ({marks})"
    return [of_row(row) for row in await all_of(db, f"{SELECT} WHERE {condition} ORDER BY d.device", (account, *names))]


async def of_rows(db: Connection, rows: Sequence[int]) -> list[Device]:
    """The devices with those rows, as far as they are there."""
    marks = ", ".join("?" * len(rows))
    return [of_row(row) for row in await all_of(db, f"{SELECT} WHERE d.id IN ({marks})", rows)]


async def subjects(db: Connection, account: str) -> list[Subject]:
    """What filters see of each of the account's devices, by id."""
    tags = await device_tags.of_account(db, account)
    rows = await all_of(
        db, "SELECT id, device, group_id, attributes FROM devices WHERE account_id = ? ORDER BY device", (account,)
    )
    return [
        Subject(row["device"], row["group_id"], frozenset(tags.get(row["id"], ())), json.loads(row["attributes"]))
        for row in rows
    ]


def _where(account: str, wanted: Wanted) -> tuple[str, list[Value]]:
    condition, values = where({"d.account_id": account, "d.group_id": wanted.group, "d.state": wanted.state})
    if wanted.tag is not None:
        condition += f" AND {_TAGGED}t.tag = ?)"
        values.append(wanted.tag)
    if wanted.search is not None:
        places = [f"lower({column}) LIKE ? ESCAPE '!'" for column in _SEARCHED]
        places.append(f"{_TAGGED}lower(t.tag) LIKE ? ESCAPE '!')")
        condition += f" AND ({' OR '.join(places)})"
        values += [containing(wanted.search.lower())] * len(places)
    return condition, values
