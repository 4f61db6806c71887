"""Signatures: every manifest that was signed for a release. Of those that are not void, the one of the highest
sequence is current; one is void when the release's content is another by now, and is never offered again."""

from dataclasses import dataclass

from twinslot_host.store.database import Connection
from twinslot_host.store.rows import one


@dataclass(frozen=True)
class Signed:
    """A manifest and its signature, as devices get them."""

    sequence: int
    manifest: bytes
    signature: bytes


async def add(
    db: Connection,
    account: str,
    application: int,
    release: int,
    signed: Signed,
    now_ms: int,
    *,
    changes_keys: bool = False,
) -> None:
    """The signature belongs to the release. The caller has seen that its sequence is higher than all before, and
    whether its manifest changes the keys that devices trust."""
    await db.execute(
        "INSERT INTO signatures (account_id, application_id, sequence, release_id, manifest, signature, created_at_ms,"
        " changes_keys) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            account,
            application,
            signed.sequence,
            release,
            signed.manifest,
            signed.signature,
            now_ms,
            int(changes_keys),
        ),
    )


async def find(db: Connection, application: int, sequence: int) -> Signed | None:
    """The application's signature of that sequence, or None."""
    sql = "SELECT sequence, manifest, signature FROM signatures WHERE application_id = ? AND sequence = ?"
    row = await one(db, sql, (application, sequence))
    return None if row is None else Signed(row["sequence"], row["manifest"], row["signature"])
