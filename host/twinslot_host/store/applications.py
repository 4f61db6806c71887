"""Applications: what a group's devices run, and the last sequence that was signed for each."""

from dataclasses import dataclass

from twinslot_host.store.database import Connection
from twinslot_host.store.rows import one


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


async def set_last_sequence(db: Connection, application: int, sequence: int) -> None:
    """Later signatures of the application are higher than `sequence`."""
    await db.execute("UPDATE applications SET last_sequence = ? WHERE id = ?", (sequence, application))
