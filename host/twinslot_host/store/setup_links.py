"""Set-up links: an account without a user has at most one; its token is kept as a digest alone."""

from twinslot_host.store.database import Connection
from twinslot_host.store.rows import one


async def replace(db: Connection, account: str, digest: str, now_ms: int) -> None:
    """The account's link is the one of that digest, and no other."""
    await db.execute(
        "INSERT INTO setup_links (account_id, digest, created_at_ms) VALUES (?1, ?2, ?3)"
        " ON CONFLICT (account_id) DO UPDATE SET digest = ?2, created_at_ms = ?3",
        (account, digest, now_ms),
    )


async def account_of(db: Connection, digest: str) -> str | None:
    """The account that the link of that digest sets up; None when there is no such link."""
    row = await one(db, "SELECT account_id FROM setup_links WHERE digest = ?", (digest,))
    return None if row is None else str(row["account_id"])


async def remove(db: Connection, account: str) -> None:
    """The account has no link."""
    await db.execute("DELETE FROM setup_links WHERE account_id = ?", (account,))
