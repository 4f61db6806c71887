"""Applications: what a group's devices run, and the last sequence that was signed for each."""

from dataclasses import dataclass

from twinslot_host.store.database import Connection
from twinslot_host.store.rows import all_of, number, one


@dataclass(frozen=True)
class Application:
    """One row."""

    id: int
    name: str
    last_sequence: int


async def find(db: Connection, account: str, name: str) -> Application | None:
    """The account's application of that name, or None."""
    row = await one(
        db, "SELECT id, name, last_sequence FROM applications WHERE account_id = ? AND name = ?", (account, name)
    )
    return None if row is None else Application(row["id"], row["name"], row["last_sequence"])


@dataclass(frozen=True)
class Counted:
    """An application, and how many releases and groups it has."""

    name: str
    releases: int
    groups: int
    created_at_ms: int


async def page(db: Connection, account: str, offset: int, limit: int) -> list[Counted]:
    """The account's applications by name."""
    rows = await all_of(
        db,
        "SELECT a.name, a.created_at_ms, (SELECT COUNT(*) FROM releases r WHERE r.application_id = a.id) AS releases,"
        " (SELECT COUNT(*) FROM groups g WHERE g.application_id = a.id) AS groups FROM applications a"
        " WHERE a.account_id = ? ORDER BY a.name LIMIT ? OFFSET ?",
        (account, limit, offset),
    )
    return [Counted(row["name"], row["releases"], row["groups"], row["created_at_ms"]) for row in rows]


async def count(db: Connection, account: str) -> int:
    """How many applications the account has."""
    return await number(db, "SELECT COUNT(*) FROM applications WHERE account_id = ?", (account,))


async def get(db: Connection, application: int) -> Application:
    """The application of that id, which the caller has from another row."""
    row = await one(db, "SELECT id, name, last_sequence FROM applications WHERE id = ?", (application,))
    assert row is not None
    return Application(row["id"], row["name"], row["last_sequence"])


async def ensure(db: Connection, account: str, name: str, now_ms: int) -> Application:
    """The account's application of that name, which now exists."""
    await db.execute(
        "INSERT INTO applications (account_id, name, last_sequence, created_at_ms) VALUES (?, ?, 0, ?)"
        " ON CONFLICT (account_id, name) DO NOTHING",
        (account, name, now_ms),
    )
    row = await find(db, account, name)
    assert row is not None
    return row


async def remove(db: Connection, application: int) -> None:
    """The application is gone. The caller has seen that it has no groups and no releases."""
    await db.execute("DELETE FROM applications WHERE id = ?", (application,))


async def set_last_sequence(db: Connection, application: int, sequence: int) -> None:
    """Later signatures of the application are higher than `sequence`."""
    await db.execute("UPDATE applications SET last_sequence = ? WHERE id = ?", (sequence, application))
