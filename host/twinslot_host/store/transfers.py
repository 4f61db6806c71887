"""Transfers that were made, by what they carry: an image, to devices that run a certain base or whatever image.

A row without a `sha256` has no file: it says that a delta is not smaller than the transfer without a base, or, with
`failures`, how often it could not be made. Content is shared by accounts: whoever looks for a delta has seen that both
of its images are the account's.
"""

from dataclasses import dataclass
from sqlite3 import Row

from twinslot_host.store.database import Connection
from twinslot_host.store.rows import all_of, one


@dataclass(frozen=True)
class Pair:
    """An image, and the base that it is made against, empty without one; both hex digests."""

    image: str
    base: str = ""


@dataclass(frozen=True)
class Made:
    """One row; `sha256` is None when there is no file."""

    sha256: str | None
    size_bytes: int
    failures: int


async def put(db: Connection, pair: Pair, sha256: str | None, size_bytes: int) -> None:
    """The pair's transfer is the file of that hex digest; None: it is not worth one."""
    await _put(db, pair, sha256, size_bytes, 0)


async def count_failure(db: Connection, pair: Pair) -> None:
    """The pair's transfer could not be made, once more."""
    found = await find(db, pair)
    await _put(db, pair, None, 0, 1 if found is None else found.failures + 1)


async def find(db: Connection, pair: Pair) -> Made | None:
    """What is known of the pair's transfer; None: nothing yet."""
    row = await one(db, "SELECT * FROM transfers WHERE image = ? AND base = ?", (pair.image, pair.base))
    return None if row is None else _made(row)


async def lacking(db: Connection) -> list[str]:
    """The hex digests of the releases' images of which there is no transfer without a base."""
    rows = await all_of(
        db,
        "SELECT DISTINCT sha256 FROM files WHERE chip IS NOT NULL AND NOT EXISTS"
        " (SELECT 1 FROM transfers t WHERE t.image = files.sha256 AND t.base = '') ORDER BY sha256",
    )
    return [row["sha256"] for row in rows]


async def remove_unused(db: Connection) -> list[str]:
    """No transfer is left whose image or base is no release's any more; the hex digests of their files."""
    rows = await all_of(
        db,
        "DELETE FROM transfers WHERE image NOT IN (SELECT sha256 FROM files)"
        " OR base <> '' AND base NOT IN (SELECT sha256 FROM files) RETURNING sha256",
    )
    return [row["sha256"] for row in rows if row["sha256"] is not None]


async def _put(db: Connection, pair: Pair, sha256: str | None, size_bytes: int, failures: int) -> None:
    await db.execute(
        "INSERT INTO transfers (image, base, sha256, size, failures) VALUES (?1, ?2, ?3, ?4, ?5)"
        " ON CONFLICT (image, base) DO UPDATE SET sha256 = ?3, size = ?4, failures = ?5",
        (pair.image, pair.base, sha256, size_bytes, failures),
    )


def _made(row: Row) -> Made:
    return Made(row["sha256"], row["size"], row["failures"])
