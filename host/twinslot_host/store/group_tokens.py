"""Group tokens: a group may have several, each until it is revoked.

A token is kept as it is, not hashed: it is the HMAC key from which devices' keys are derived.
"""

from twinslot_host.store.database import Connection
from twinslot_host.store.rows import all_of


async def add(db: Connection, account: str, group: str, token: str, now_ms: int) -> None:
    """The token is valid for the group."""
    await db.execute(
        "INSERT INTO group_tokens (account_id, group_id, token, created_at_ms) VALUES (?, ?, ?, ?)",
        (account, group, token, now_ms),
    )


async def valid(db: Connection, group: str) -> list[str]:
    """The group's tokens that were not revoked, the newest first."""
    rows = await all_of(
        db, "SELECT token FROM group_tokens WHERE group_id = ? AND revoked_at_ms IS NULL ORDER BY id DESC", (group,)
    )
    return [row["token"] for row in rows]
