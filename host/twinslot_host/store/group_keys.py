"""The publishers' public keys that a group's devices trust, and those that they are to trust no more."""

from dataclasses import dataclass

from twinslot_host.store.database import Connection
from twinslot_host.store.rows import all_of


@dataclass(frozen=True)
class Known:
    """A key that the group trusts, or has trusted until `retired_at_ms`; `by_release`: it was not made with it."""

    fingerprint: str
    retired_at_ms: int | None
    by_release: bool


async def add(
    db: Connection, account: str, group: str, fingerprint: str, modulus: bytes, *, by_release: bool = False
) -> None:
    """The group trusts the key, even if that was retired; adding it twice changes nothing."""
    await db.execute(
        "INSERT INTO group_keys (account_id, group_id, fingerprint, modulus, by_release) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (group_id, fingerprint) DO UPDATE SET retired_at_ms = NULL",
        (account, group, fingerprint, modulus, int(by_release)),
    )


async def retire(db: Connection, group: str, fingerprint: str, now_ms: int) -> None:
    """The key, if the group trusts it, is retired."""
    await db.execute(
        "UPDATE group_keys SET retired_at_ms = ? WHERE group_id = ? AND fingerprint = ? AND retired_at_ms IS NULL",
        (now_ms, group, fingerprint),
    )


async def of_group(db: Connection, group: str) -> dict[str, bytes]:
    """The group's keys: fingerprint to modulus."""
    rows = await all_of(
        db,
        "SELECT fingerprint, modulus FROM group_keys WHERE group_id = ? AND retired_at_ms IS NULL ORDER BY fingerprint",
        (group,),
    )
    return {row["fingerprint"]: row["modulus"] for row in rows}


async def known(db: Connection, group: str) -> list[Known]:
    """The keys that the group trusts, and those that it trusted."""
    rows = await all_of(
        db, "SELECT fingerprint, retired_at_ms, by_release FROM group_keys WHERE group_id = ?", (group,)
    )
    return [Known(row["fingerprint"], row["retired_at_ms"], bool(row["by_release"])) for row in rows]


async def remove_all(db: Connection, group: str) -> None:
    """The group trusts no key."""
    await db.execute("DELETE FROM group_keys WHERE group_id = ?", (group,))


async def of_application(db: Connection, application: int) -> dict[str, bytes]:
    """The keys that any group of the application trusts: fingerprint to modulus."""
    rows = await all_of(
        db,
        "SELECT DISTINCT k.fingerprint, k.modulus FROM group_keys k JOIN groups g ON g.id = k.group_id"
        " WHERE g.application_id = ? AND k.retired_at_ms IS NULL ORDER BY k.fingerprint",
        (application,),
    )
    return {row["fingerprint"]: row["modulus"] for row in rows}
