"""Signatures: every manifest that was signed for a release. Of those that are not void, the one of the highest
sequence is current; one is void when the release's content is another by now, and is never offered again."""

from dataclasses import dataclass

from twinslot_host.store.database import Connection
from twinslot_host.store.rows import one

_SELECT = "SELECT s.sequence, s.manifest, s.signature FROM signatures s"
_OF_AN_IMAGE = "substr(s.manifest, 6, 1) <> x'01'"  # its kind is not 1, a specification alone


@dataclass(frozen=True)
class Signed:
    """A manifest and its signature, as devices get them."""

    sequence: int
    manifest: bytes
    signature: bytes


async def add(db: Connection, account: str, application: int, release: int, signed: Signed, now_ms: int) -> None:
    """The signature belongs to the release. The caller has seen that its sequence is higher than all before."""
    await db.execute(
        "INSERT INTO signatures (account_id, application_id, sequence, release_id, manifest, signature, created_at_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (account, application, signed.sequence, release, signed.manifest, signed.signature, now_ms),
    )


async def find(db: Connection, application: int, sequence: int) -> Signed | None:
    """The application's signature of that sequence, or None."""
    row = await one(db, f"{_SELECT} WHERE s.application_id = ? AND s.sequence = ?", (application, sequence))
    return None if row is None else Signed(row["sequence"], row["manifest"], row["signature"])


async def of_confirmed_image(db: Connection, application: int, device: int, sequence: int) -> Signed | None:
    """The signature under which the device, whose confirmed sequence is given, got the image that it runs.

    It is another than that sequence's when a specification alone was confirmed since. None when nobody knows.
    """
    row = await one(
        db,
        f"{_SELECT} WHERE s.application_id = ?1 AND s.sequence <= ?2 AND {_OF_AN_IMAGE} AND (s.sequence = ?2"
        " OR s.sequence IN (SELECT e.sequence FROM events e WHERE e.device_id = ?3 AND e.event = 'confirmed'))"
        " ORDER BY s.sequence DESC LIMIT 1",
        (application, sequence, device),
    )
    return None if row is None else Signed(row["sequence"], row["manifest"], row["signature"])
