"""Group updates (IoTaaP): each upload of a version that a whole group is to run exactly; history is kept."""

from dataclasses import dataclass
from sqlite3 import Row

from twinslot_host.store.database import Connection
from twinslot_host.store.rows import all_of, containing, number

_NEWEST = (
    " FROM group_updates u WHERE u.account_id = ?"
    " AND u.place = (SELECT MAX(n.place) FROM group_updates n WHERE n.group_id = u.group_id)"
    " AND u.path LIKE ? ESCAPE '!'"
)


@dataclass(frozen=True)
class GroupUpdate:
    """One row; `id` is of 24 hex digits."""

    id: str
    group: str
    path: str
    version: str
    created_at_ms: int


async def add(db: Connection, account: str, new: GroupUpdate) -> None:
    """The update is its group's newest."""
    await db.execute(
        "INSERT INTO group_updates (id, account_id, group_id, path, version, place, created_at_ms) SELECT ?1, ?2, ?3,"
        " ?4, ?5, COALESCE(MAX(place), 0) + 1, ?6 FROM group_updates WHERE group_id = ?3",
        (new.id, account, new.group, new.path, new.version, new.created_at_ms),
    )


async def page(
    db: Connection, account: str, search: str, offset: int, limit: int, *, newest_first: bool
) -> list[GroupUpdate]:
    """Of the newest update of each of the account's groups: those whose path has `search` in it, by date."""
    way = "DESC" if newest_first else "ASC"
    rows = await all_of(
        db,
        f"SELECT u.*{_NEWEST} ORDER BY u.created_at_ms {way}, u.group_id {way} LIMIT ? OFFSET ?",
        (account, containing(search), limit, offset),
    )
    return [_update(row) for row in rows]


async def count(db: Connection, account: str, search: str) -> int:
    """How many those are."""
    return await number(db, f"SELECT COUNT(*){_NEWEST}", (account, containing(search)))


async def remove_all(db: Connection, group: str) -> None:
    """The group has and had no update."""
    await db.execute("DELETE FROM group_updates WHERE group_id = ?", (group,))


def _update(row: Row) -> GroupUpdate:
    return GroupUpdate(row["id"], row["group_id"], row["path"], row["version"], row["created_at_ms"])
