"""Group tokens: a group may have several, each until it is revoked or expires.

A token is kept as it is, not hashed: it is the HMAC key from which devices' keys are derived.
"""

from dataclasses import dataclass, field
from sqlite3 import Row

from twinslot_host.store.database import Connection
from twinslot_host.store.rows import all_of, number, one

_SELECT = "SELECT t.id, t.token, t.created_at_ms, t.expires_at_ms, t.revoked_at_ms FROM group_tokens t"
_VALID = "t.revoked_at_ms IS NULL AND (t.expires_at_ms IS NULL OR t.expires_at_ms > ?)"


@dataclass(frozen=True)
class Token:
    """One row."""

    id: int
    token: str = field(repr=False)
    created_at_ms: int
    expires_at_ms: int | None
    revoked_at_ms: int | None


async def add(db: Connection, account: str, group: str, token: str, now_ms: int) -> Token:
    """The token, which is valid for the group from now on."""
    row = await one(
        db,
        "INSERT INTO group_tokens (account_id, group_id, token, created_at_ms) VALUES (?, ?, ?, ?) RETURNING id",
        (account, group, token, now_ms),
    )
    assert row is not None
    return Token(row["id"], token, now_ms, None, None)


async def valid(db: Connection, group: str, now_ms: int) -> list[Token]:
    """The group's tokens that were not revoked and have not expired, the newest first."""
    rows = await all_of(db, f"{_SELECT} WHERE t.group_id = ? AND {_VALID} ORDER BY t.id DESC", (group, now_ms))
    return [_token(row) for row in rows]


async def page(db: Connection, group: str, offset: int, limit: int) -> list[tuple[Token, int]]:
    """The group's tokens, the newest first, each with how many devices last proved themselves with it."""
    rows = await all_of(
        db,
        _SELECT.replace(" FROM ", ", (SELECT COUNT(*) FROM devices d WHERE d.token_id = t.id) AS devices FROM ", 1)
        + " WHERE t.group_id = ? ORDER BY t.id DESC LIMIT ? OFFSET ?",
        (group, limit, offset),
    )
    return [(_token(row), row["devices"]) for row in rows]


async def count(db: Connection, group: str) -> int:
    """How many tokens the group has and had."""
    return await number(db, "SELECT COUNT(*) FROM group_tokens WHERE group_id = ?", (group,))


async def expire(db: Connection, group: str, at_ms: int) -> None:
    """The group's tokens are valid no longer than until then; an earlier expiry stays."""
    await db.execute(
        "UPDATE group_tokens SET expires_at_ms = ?1 WHERE group_id = ?2 AND revoked_at_ms IS NULL"
        " AND (expires_at_ms IS NULL OR expires_at_ms > ?1)",
        (at_ms, group),
    )


async def revoke(db: Connection, group: str, token: int, now_ms: int) -> bool:
    """Whether the group has such a token; it is not valid any more, since its first revocation."""
    cursor = await db.execute(
        "UPDATE group_tokens SET revoked_at_ms = COALESCE(revoked_at_ms, ?) WHERE group_id = ? AND id = ?",
        (now_ms, group, token),
    )
    return cursor.rowcount == 1


async def remove_all(db: Connection, group: str) -> None:
    """The group has and had no token. The caller has seen that no device proves itself with one."""
    await db.execute("DELETE FROM group_tokens WHERE group_id = ?", (group,))


def _token(row: Row) -> Token:
    return Token(row["id"], row["token"], row["created_at_ms"], row["expires_at_ms"], row["revoked_at_ms"])
