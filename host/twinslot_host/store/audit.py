"""The audit: who did what, when, on what. A line is never changed, and outlives what it tells of."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from sqlite3 import Row

from twinslot_host.domain.caller import Caller
from twinslot_host.store.database import Connection
from twinslot_host.store.rows import Value, all_of, number, one, where


@dataclass(frozen=True)
class Line:
    """One row; `actor` is `user:NAME`, `client:ID`, `operator` or `issuer:SUBJECT`."""

    at_ms: int
    actor: str
    action: str
    subject: str
    detail: dict[str, object]


@dataclass(frozen=True)
class Wanted:
    """Which lines are wanted; None: whatever it is."""

    subject: str | None = None
    actor: str | None = None


async def add(
    db: Connection, caller: Caller, action: str, subject: str, now_ms: int, detail: Mapping[str, object] | None = None
) -> None:
    """The line is kept, in the transaction of what it tells of. `detail` is shown to people: nothing secret."""
    await one(
        db,
        "INSERT INTO audit (account_id, actor, action, subject, detail, at_ms) VALUES (?, ?, ?, ?, ?, ?)",
        (caller.account, caller.actor, action, subject, json.dumps(dict(detail or {})), now_ms),
    )


async def page(db: Connection, account: str, wanted: Wanted, offset: int, limit: int) -> list[Line]:
    """The account's lines that are wanted, the newest first."""
    condition, values = _where(account, wanted)
    rows = await all_of(
        db, f"SELECT * FROM audit WHERE {condition} ORDER BY id DESC LIMIT ? OFFSET ?", (*values, limit, offset)
    )
    return [_line(row) for row in rows]


async def count(db: Connection, account: str, wanted: Wanted) -> int:
    """How many such lines the account has."""
    condition, values = _where(account, wanted)
    return await number(db, f"SELECT COUNT(*) FROM audit WHERE {condition}", values)


def _where(account: str, wanted: Wanted) -> tuple[str, list[Value]]:
    return where({"account_id": account, "subject": wanted.subject, "actor": wanted.actor})


def _line(row: Row) -> Line:
    return Line(row["at_ms"], row["actor"], row["action"], row["subject"], json.loads(row["detail"]))
