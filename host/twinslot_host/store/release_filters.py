"""Which filters each release goes out to, and from when; `store.releases` reads them with their release."""

from collections.abc import Sequence

from twinslot_host.domain.release import Targeting
from twinslot_host.store.database import Connection
from twinslot_host.store.rows import all_of, one


async def replace(db: Connection, account: str, release: int, filters: Sequence[Targeting]) -> None:
    """The release goes out to these filters, in this order, and no other."""
    await db.execute("DELETE FROM release_filters WHERE release_id = ?", (release,))
    await db.executemany(
        "INSERT INTO release_filters (release_id, filter_id, account_id, rollout_at_ms, place) VALUES (?, ?, ?, ?, ?)",
        [(release, each.filter_id, account, each.rollout_at_ms, place) for place, each in enumerate(filters)],
    )


async def let_through(db: Connection, after_ms: int, until_ms: int) -> list[str]:
    """The accounts with a release that a filter lets through since a date behind `after_ms`, and up to `until_ms`."""
    rows = await all_of(
        db,
        "SELECT DISTINCT account_id FROM release_filters WHERE rollout_at_ms > ? AND rollout_at_ms <= ?",
        (after_ms, until_ms),
    )
    return [row["account_id"] for row in rows]


async def user_of(db: Connection, filter_id: str) -> str | None:
    """A release that goes out to the filter, as `APP VERSION`, or None."""
    row = await one(
        db,
        "SELECT a.name, r.version FROM release_filters t JOIN releases r ON r.id = t.release_id"
        " JOIN applications a ON a.id = r.application_id WHERE t.filter_id = ? ORDER BY r.id LIMIT 1",
        (filter_id,),
    )
    return None if row is None else f"{row['name']} {row['version']}"
