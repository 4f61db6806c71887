"""Releases: a version of an application with its image."""

import json
from dataclasses import dataclass
from sqlite3 import Row

from twinslot_host.store.database import Connection
from twinslot_host.store.rows import all_of, one


@dataclass(frozen=True)
class Release:
    """One row; `sequences` are those of its signatures, the current one last."""

    id: int
    version: str
    strategy: str
    upgradable_from: tuple[str, ...] | None
    sha256: str
    size: int
    chip: int
    security_version: int
    signed_by: str
    created_at_ms: int
    sequences: tuple[int, ...]


@dataclass(frozen=True)
class NewRelease:
    """What a release is made of."""

    version: str
    strategy: str
    upgradable_from: list[str] | None
    sha256: str
    size: int
    chip: int
    security_version: int
    signed_by: str


async def add(db: Connection, account: str, application: int, new: NewRelease, now_ms: int) -> int:
    """The id of the release, which now exists. The caller has seen that its version is free."""
    upgradable_from = None if new.upgradable_from is None else json.dumps(new.upgradable_from)
    row = await one(
        db,
        "INSERT INTO releases (account_id, application_id, version, strategy, upgradable_from, sha256, size, chip,"
        " security_version, signed_by, created_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (
            account,
            application,
            new.version,
            new.strategy,
            upgradable_from,
            new.sha256,
            new.size,
            new.chip,
            new.security_version,
            new.signed_by,
            now_ms,
        ),
    )
    assert row is not None
    return int(row["id"])


async def exists(db: Connection, application: int, version: str) -> bool:
    """Whether the application has a release of that version."""
    sql = "SELECT 1 FROM releases WHERE application_id = ? AND version = ?"
    return await one(db, sql, (application, version)) is not None


async def uses(db: Connection, sha256: str) -> bool:
    """Whether any release, of any account, has the image of that hex digest."""
    return await one(db, "SELECT 1 FROM releases WHERE sha256 = ? LIMIT 1", (sha256,)) is not None


async def of_application(db: Connection, application: int) -> list[Release]:
    """The application's releases, each with the sequences of its signatures."""
    rows = await all_of(db, "SELECT * FROM releases WHERE application_id = ? ORDER BY id", (application,))
    signed = await all_of(
        db, "SELECT release_id, sequence FROM signatures WHERE application_id = ? ORDER BY sequence", (application,)
    )
    sequences: dict[int, list[int]] = {}
    for each in signed:
        sequences.setdefault(each["release_id"], []).append(each["sequence"])
    return [_release(row, sequences[row["id"]]) for row in rows]


def _release(row: Row, sequences: list[int]) -> Release:
    stored = row["upgradable_from"]
    return Release(
        id=row["id"],
        version=row["version"],
        strategy=row["strategy"],
        upgradable_from=None if stored is None else tuple(json.loads(stored)),
        sha256=row["sha256"],
        size=row["size"],
        chip=row["chip"],
        security_version=row["security_version"],
        signed_by=row["signed_by"],
        created_at_ms=row["created_at_ms"],
        sequences=tuple(sequences),
    )
