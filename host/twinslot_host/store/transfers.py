"""Transfers that were made, by what they carry: an account's image, to devices that run a certain base or any image, or
its bundle, by its file, to any.

A row without a `sha256` has no file: it says that a delta is not smaller than the transfer without a base, or, with
`failures`, how often in a row it came to nothing, a base that is rare counting as once. `at_ms` is when a transfer was
last made or tried, or, with a file, when a check-in was last offered it. Accounts with the same images share the files,
which lie by content, and nothing of what is known here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from twinslot_host.domain.deltas import Kept, Pair
from twinslot_host.store.database import Connection
from twinslot_host.store.rows import all_of, one

_PAIR = "account_id = ?1 AND image = ?2 AND base = ?3"


@dataclass(frozen=True)
class Made:
    """One row; `sha256` is None when there is no file."""

    sha256: str | None
    size_bytes: int
    failures: int
    at_ms: int


async def put(db: Connection, pair: Pair, sha256: str | None, size_bytes: int, now_ms: int) -> None:
    """The pair's transfer is the file of that hex digest; None: it is not worth one."""
    await _put(db, pair, Made(sha256, size_bytes, 0, now_ms))


async def put_failure(db: Connection, pair: Pair, failures: int, now_ms: int) -> None:
    """The pair's transfer came to nothing, so many times in a row by now."""
    await _put(db, pair, Made(None, 0, failures, now_ms))


async def find(db: Connection, pair: Pair) -> Made | None:
    """What is known of the pair's transfer; None: nothing yet."""
    row = await one(db, f"SELECT * FROM transfers WHERE {_PAIR}", _values(pair))
    return None if row is None else Made(row["sha256"], row["size"], row["failures"], row["at_ms"])


async def note_offer(db: Connection, pair: Pair, now_ms: int, since_ms: int) -> None:
    """The delta was offered now, unless a note since then says so already."""
    sql = f"UPDATE transfers SET at_ms = ?4 WHERE {_PAIR} AND sha256 IS NOT NULL AND at_ms < ?5"
    await db.execute(sql, (*_values(pair), now_ms, since_ms))


async def deltas_of(db: Connection, account: str) -> list[Kept]:
    """The deltas of the account's images that have a file."""
    sql = "SELECT * FROM transfers WHERE account_id = ? AND base <> '' AND sha256 IS NOT NULL"
    rows = await all_of(db, sql, (account,))
    return [Kept(Pair(account, row["image"], row["base"]), row["sha256"], row["size"], row["at_ms"]) for row in rows]


async def remove(db: Connection, pairs: Sequence[Pair]) -> None:
    """Nothing is known of these pairs."""
    await db.executemany(f"DELETE FROM transfers WHERE {_PAIR}", [_values(each) for each in pairs])


async def lacking(db: Connection) -> list[Pair]:
    """The releases' images and bundles of which there is no transfer without a base."""
    rows = await all_of(
        db,
        "SELECT DISTINCT account_id, sha256 FROM files f WHERE (chip IS NOT NULL OR list_sha256 IS NOT NULL) AND NOT"
        " EXISTS (SELECT 1 FROM transfers t WHERE t.account_id = f.account_id AND t.image = f.sha256 AND t.base = '')"
        " ORDER BY account_id, sha256",
    )
    return [Pair(row["account_id"], row["sha256"]) for row in rows]


async def remove_old(db: Connection, before_ms: int) -> list[str]:
    """Nothing is known of deltas that were last offered, or tried in vain, before then; the digests of their files."""
    sql = "DELETE FROM transfers WHERE base <> '' AND at_ms < ? RETURNING sha256"
    return [row["sha256"] for row in await all_of(db, sql, (before_ms,)) if row["sha256"] is not None]


async def remove_unused(db: Connection) -> list[str]:
    """No transfer is left whose image or base no release of its account has; the hex digests of their files."""
    has = "(SELECT 1 FROM files f WHERE f.account_id = transfers.account_id AND f.sha256 = transfers.{})"
    rows = await all_of(
        db,
        f"DELETE FROM transfers WHERE NOT EXISTS {has.format('image')}"
        f" OR base <> '' AND NOT EXISTS {has.format('base')} RETURNING sha256",
    )
    return [row["sha256"] for row in rows if row["sha256"] is not None]


async def _put(db: Connection, pair: Pair, made: Made) -> None:
    await db.execute(
        "INSERT INTO transfers (account_id, image, base, sha256, size, failures, at_ms)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
        " ON CONFLICT (account_id, image, base) DO UPDATE SET sha256 = ?4, size = ?5, failures = ?6, at_ms = ?7",
        (*_values(pair), made.sha256, made.size_bytes, made.failures, made.at_ms),
    )


def _values(pair: Pair) -> tuple[str, str, str]:
    return pair.account, pair.image, pair.base
