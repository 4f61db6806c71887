"""Group tokens: a group may have several, each until it is revoked.

A token is kept as it is, not hashed: it is the HMAC key from which devices' keys are derived.
"""

from dataclasses import dataclass, field
from sqlite3 import Row

from twinslot_host.store.database import Connection
from twinslot_host.store.rows import all_of, number, one

_SELECT = "SELECT id, token, created_at_ms, revoked_at_ms FROM group_tokens"


@dataclass(frozen=True)
class Token:
    """One row."""

    id: int
    token: str = field(repr=False)
    created_at_ms: int
    revoked_at_ms: int | None


async def add(db: Connection, account: str, group: str, token: str, now_ms: int) -> Token:
    """The token, which is valid for the group from now on."""
    row = await one(
        db,
        "INSERT INTO group_tokens (account_id, group_id, token, created_at_ms) VALUES (?, ?, ?, ?) RETURNING id",
        (account, group, token, now_ms),
    )
    assert row is not None
    return Token(row["id"], token, now_ms, None)


async def valid(db: Connection, group: str) -> list[str]:
    """The group's tokens that were not revoked, the newest first."""
    rows = await all_of(db, f"{_SELECT} WHERE group_id = ? AND revoked_at_ms IS NULL ORDER BY id DESC", (group,))
    return [row["token"] for row in rows]


async def page(db: Connection, group: str, offset: int, limit: int) -> list[Token]:
    """The group's tokens, the newest first."""
    rows = await all_of(db, f"{_SELECT} WHERE group_id = ? ORDER BY id DESC LIMIT ? OFFSET ?", (group, limit, offset))
    return [_token(row) for row in rows]


async def count(db: Connection, group: str) -> int:
    """How many tokens the group has and had."""
    return await number(db, "SELECT COUNT(*) FROM group_tokens WHERE group_id = ?", (group,))


async def revoke(db: Connection, group: str, token: int, now_ms: int) -> bool:
    """Whether the group has such a token; it is not valid any more, since its first revocation."""
    cursor = await db.execute(
        "UPDATE group_tokens SET revoked_at_ms = COALESCE(revoked_at_ms, ?) WHERE group_id = ? AND id = ?",
        (now_ms, group, token),
    )
    return cursor.rowcount == 1


def _token(row: Row) -> Token:
    return Token(row["id"], row["token"], row["created_at_ms"], row["revoked_at_ms"])
