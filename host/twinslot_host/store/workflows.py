"""Workflows (SocketXP): commands with a name, kept to be submitted again and again."""

from dataclasses import dataclass
from sqlite3 import Row

from twinslot_host.store.database import Connection
from twinslot_host.store.rows import all_of, number, one


@dataclass(frozen=True)
class Workflow:
    """One row; `created_at_ms` orders an account's."""

    id: str
    name: str
    command: str
    created_at_ms: int


async def add(db: Connection, account: str, new: Workflow) -> None:
    """The workflow exists. The caller has seen that it is later than the account's others."""
    await db.execute(
        "INSERT INTO workflows (id, account_id, name, command, created_at_ms) VALUES (?, ?, ?, ?, ?)",
        (new.id, account, new.name, new.command, new.created_at_ms),
    )


async def remove(db: Connection, workflow: str) -> None:
    """The workflow is gone; the jobs that it was submitted as keep its command."""
    await db.execute("DELETE FROM workflows WHERE id = ?", (workflow,))


async def find(db: Connection, account: str, workflow: str) -> Workflow | None:
    """The account's workflow of that id, or None."""
    row = await one(db, "SELECT * FROM workflows WHERE account_id = ? AND id = ?", (account, workflow))
    return None if row is None else _workflow(row)


async def page(db: Connection, account: str, offset: int, limit: int) -> list[Workflow]:
    """The account's workflows, in the order in which they were made."""
    rows = await all_of(
        db,
        "SELECT * FROM workflows WHERE account_id = ? ORDER BY created_at_ms LIMIT ? OFFSET ?",
        (account, limit, offset),
    )
    return [_workflow(row) for row in rows]


async def after(db: Connection, account: str, at_ms: int, limit: int) -> list[Workflow]:
    """The first of the account's workflows that were made after that."""
    rows = await all_of(
        db,
        "SELECT * FROM workflows WHERE account_id = ? AND created_at_ms > ? ORDER BY created_at_ms LIMIT ?",
        (account, at_ms, limit),
    )
    return [_workflow(row) for row in rows]


async def count(db: Connection, account: str) -> int:
    """How many workflows the account has."""
    return await number(db, "SELECT COUNT(*) FROM workflows WHERE account_id = ?", (account,))


async def last_ms(db: Connection, account: str) -> int:
    """When the account's last workflow was made, or 0."""
    return await number(db, "SELECT MAX(created_at_ms) FROM workflows WHERE account_id = ?", (account,))


def _workflow(row: Row) -> Workflow:
    return Workflow(row["id"], row["name"], row["command"], row["created_at_ms"])
