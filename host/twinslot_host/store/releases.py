"""Releases: the versions of an application, each read with its file, its filters and its signatures' sequences."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from sqlite3 import Row

from twinslot_host.domain import manifest as manifests
from twinslot_host.domain.mpy import version
from twinslot_host.domain.release import SERVER, BundleFacts, File, Release, Strategy, Targeting
from twinslot_host.store.database import Connection
from twinslot_host.store.rows import Value, all_of, number, one

_SELECT = (
    "SELECT r.*, f.name AS file_name, f.sha256, f.size, f.chip, f.security_version, f.list_sha256,"
    " f.list_size, f.mpy, f.micropython, EXISTS (SELECT 1 FROM transfers t"
    " WHERE t.account_id = r.account_id AND t.image = f.sha256 AND t.base = '') AS has_transfer"
    " FROM releases r LEFT JOIN files f ON f.release_id = r.id"
)
_SEQUENCES = (
    "SELECT s.release_id, s.sequence, CASE WHEN s.changes_keys = 1 THEN s.manifest END AS key_change"
    " FROM signatures s JOIN releases r ON r.id = s.release_id"
    " WHERE s.void = 0 AND {where} ORDER BY s.sequence"
)
_FILTERS = (
    "SELECT t.release_id, t.filter_id, t.rollout_at_ms FROM release_filters t JOIN releases r ON r.id = t.release_id"
    " WHERE {where} ORDER BY t.place"
)


@dataclass(frozen=True)
class NewRelease:
    """What a release is made of, its file and its filters aside."""

    version: str
    strategy: Strategy
    upgradable_from: Sequence[str] | None
    specification: bytes | None
    metadata: str | None
    waits_for_file: bool
    signed_by: str


async def add(db: Connection, account: str, application: int, new: NewRelease, now_ms: int) -> int:
    """The id of the release, which now exists. The caller has seen that its version is free."""
    row = await one(
        db,
        "INSERT INTO releases (account_id, application_id, version, strategy, upgradable_from, specification, metadata,"
        " waits_for_file, signed_by, created_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (
            account,
            application,
            new.version,
            new.strategy,
            _versions(new.upgradable_from),
            new.specification,
            new.metadata,
            int(new.waits_for_file),
            new.signed_by,
            now_ms,
        ),
    )
    assert row is not None
    return int(row["id"])


async def update(
    db: Connection,
    release: int,
    strategy: Strategy,
    upgradable_from: Sequence[str] | None,
    metadata: str | None,
    waits_for_file: bool,
) -> None:
    """The release has these fields in the place of those it had."""
    await db.execute(
        "UPDATE releases SET strategy = ?, upgradable_from = ?, metadata = ?, waits_for_file = ? WHERE id = ?",
        (strategy, _versions(upgradable_from), metadata, int(waits_for_file), release),
    )


async def change_content(db: Connection, release: int, *, lost_file: bool) -> None:
    """What devices get of the release is not what was signed: its signatures are void, and the next is the server's."""
    await db.execute("UPDATE releases SET lost_file = ?, signed_by = ? WHERE id = ?", (int(lost_file), SERVER, release))
    await db.execute("UPDATE signatures SET void = 1 WHERE release_id = ?", (release,))


async def remove(db: Connection, release: int) -> None:
    """The release is gone, with its file's row, its filters and its signatures."""
    for table in ("files", "release_filters", "signatures"):
        await db.execute(f"DELETE FROM {table} WHERE release_id = ?", (release,))
    await db.execute("DELETE FROM releases WHERE id = ?", (release,))


async def find(db: Connection, application: int, version: str) -> Release | None:
    """The application's release of that version, or None."""
    found = await _whole(db, "r.application_id = ? AND r.version = ?", (application, version))
    return found[0] if found else None


async def of_application(db: Connection, application: int) -> list[Release]:
    """The application's releases, the oldest first."""
    return await _whole(db, "r.application_id = ?", (application,))


async def count(db: Connection, application: int) -> int:
    """How many releases the application has."""
    return await number(db, "SELECT COUNT(*) FROM releases WHERE application_id = ?", (application,))


async def _whole(db: Connection, where: str, values: Sequence[Value]) -> list[Release]:
    rows = await all_of(db, f"{_SELECT} WHERE {where} ORDER BY r.id", values)
    sequences: dict[int, list[int]] = {row["id"]: [] for row in rows}
    changing: dict[int, bytes | None] = {}
    for each in await all_of(db, _SEQUENCES.format(where=where), values):
        sequences.setdefault(each["release_id"], []).append(each["sequence"])
        changing[each["release_id"]] = each["key_change"]
    filters: dict[int, list[Targeting]] = {row["id"]: [] for row in rows}
    for each in await all_of(db, _FILTERS.format(where=where), values):
        filters.setdefault(each["release_id"], []).append(Targeting(each["filter_id"], each["rollout_at_ms"]))
    return [_release(row, sequences[row["id"]], filters[row["id"]], changing.get(row["id"])) for row in rows]


def _release(row: Row, sequences: list[int], filters: list[Targeting], key_change: bytes | None) -> Release:
    stored = row["upgradable_from"]
    return Release(
        id=row["id"],
        version=row["version"],
        strategy=row["strategy"],
        upgradable_from=None if stored is None else tuple(json.loads(stored)),
        specification=row["specification"],
        metadata=row["metadata"],
        waits_for_file=bool(row["waits_for_file"]),
        lost_file=bool(row["lost_file"]),
        signed_by=row["signed_by"],
        created_at_ms=row["created_at_ms"],
        file=None if row["sha256"] is None else _file(row),
        filters=tuple(filters),
        sequences=tuple(sequences),
        key_change=None if key_change is None else manifests.decode(key_change),
        has_transfer=bool(row["has_transfer"]),
    )


def _file(row: Row) -> File:
    bundle = None if row["list_sha256"] is None else _bundle(row)
    return File(row["file_name"], row["sha256"], row["size"], row["chip"], row["security_version"], bundle)


def _bundle(row: Row) -> BundleFacts:
    micropython = version(row["micropython"])
    assert micropython is not None
    return BundleFacts(row["list_sha256"], row["list_size"], row["mpy"], micropython)


def _versions(upgradable_from: Sequence[str] | None) -> str | None:
    return None if upgradable_from is None else json.dumps(list(upgradable_from))
