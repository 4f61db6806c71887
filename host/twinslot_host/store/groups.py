"""Groups: devices that run one application under one policy."""

from dataclasses import dataclass
from sqlite3 import Row

from twinslot_host.domain.release import Trust
from twinslot_host.store.database import Connection
from twinslot_host.store.rows import all_of, number, one

_SELECT = (
    "SELECT g.id, g.account_id, g.application_id, g.name, a.name AS app, g.trust, g.poll_s, g.created_at_ms,"
    " g.target_release_id, r.version AS target FROM groups g JOIN applications a ON a.id = g.application_id"
    " LEFT JOIN releases r ON r.id = g.target_release_id"
)
_DEVICES = ", (SELECT COUNT(*) FROM devices d WHERE d.group_id = g.id) AS devices FROM groups "


@dataclass(frozen=True)
class Group:
    """One row, with its application's name; `target` is the version of the release that it is held at, or None."""

    id: str
    account: str
    application: int
    name: str
    app: str
    trust: Trust
    poll_s: int
    created_at_ms: int
    target_release: int | None
    target: str | None


async def find(db: Connection, group: str) -> Group | None:
    """The group of that id, whichever account's it is, or None."""
    row = await one(db, f"{_SELECT} WHERE g.id = ?", (group,))
    return None if row is None else _group(row)


async def find_in(db: Connection, account: str, group: str) -> Group | None:
    """The account's group of that id, or None."""
    found = await find(db, group)
    return found if found is not None and found.account == account else None


async def named(db: Connection, account: str, name: str) -> Group | None:
    """The account's group of that name, or None."""
    row = await one(db, f"{_SELECT} WHERE g.account_id = ? AND g.name = ?", (account, name))
    return None if row is None else _group(row)


async def name_taken(db: Connection, account: str, name: str) -> bool:
    """Whether the account has a group of that name."""
    return await one(db, "SELECT 1 FROM groups WHERE account_id = ? AND name = ?", (account, name)) is not None


async def add(db: Connection, account: str, group: str, application: int, name: str, trust: str, now_ms: int) -> None:
    """The group exists. The caller has seen that its name is free."""
    await db.execute(
        "INSERT INTO groups (id, account_id, application_id, name, trust, created_at_ms) VALUES (?, ?, ?, ?, ?, ?)",
        (group, account, application, name, trust, now_ms),
    )


async def update(db: Connection, group: str, name: str, poll_s: int) -> None:
    """The group has that name and check-in interval. The caller has seen that the name is free."""
    await db.execute("UPDATE groups SET name = ?, poll_s = ? WHERE id = ?", (name, poll_s, group))


async def set_target(db: Connection, group: str, release: int | None) -> None:
    """The group is held at exactly that release of its application; None: at none."""
    await db.execute("UPDATE groups SET target_release_id = ? WHERE id = ?", (release, group))


async def remove(db: Connection, group: str) -> None:
    """The group is gone. The caller has removed what is its own, and seen that nothing needs it."""
    await db.execute("DELETE FROM groups WHERE id = ?", (group,))


async def page(db: Connection, account: str, offset: int, limit: int) -> list[tuple[Group, int]]:
    """The account's groups by name, each with its number of devices."""
    rows = await all_of(
        db,
        _SELECT.replace(" FROM groups ", _DEVICES) + " WHERE g.account_id = ? ORDER BY g.name LIMIT ? OFFSET ?",
        (account, limit, offset),
    )
    return [(_group(row), row["devices"]) for row in rows]


async def count(db: Connection, account: str) -> int:
    """How many groups the account has."""
    return await number(db, "SELECT COUNT(*) FROM groups WHERE account_id = ?", (account,))


async def of_application(db: Connection, application: int) -> list[Group]:
    """The groups whose devices run the application."""
    return [_group(row) for row in await all_of(db, f"{_SELECT} WHERE g.application_id = ?", (application,))]


def _group(row: Row) -> Group:
    return Group(
        row["id"],
        row["account_id"],
        row["application_id"],
        row["name"],
        row["app"],
        row["trust"],
        row["poll_s"],
        row["created_at_ms"],
        row["target_release_id"],
        row["target"],
    )
