"""Packages that were uploaded: their names, and their files by path; the content lies among the artifacts."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from sqlite3 import Row

from twinslot_host.domain.uris import UPLOADED
from twinslot_host.store.database import Connection
from twinslot_host.store.rows import all_of, containing, number, one

_SELECT = (
    "SELECT p.*, (SELECT COALESCE(SUM(size), 0) FROM package_files WHERE package_id = p.id) AS size FROM packages p"
)


@dataclass(frozen=True)
class Package:
    """One row; `size_bytes` is that of its files together."""

    id: str
    account: str
    name: str
    version: str
    size_bytes: int
    created_at_ms: int


@dataclass(frozen=True)
class PackageFile:
    """A file of a package: where it goes, and the hex digest of its content."""

    path: str
    sha256: str
    size_bytes: int


async def add(db: Connection, package: Package, files: Sequence[PackageFile]) -> None:
    """The package exists, with these files. The caller has seen that its name and version are free."""
    await db.execute(
        "INSERT INTO packages (id, account_id, name, version, created_at_ms) VALUES (?, ?, ?, ?, ?)",
        (package.id, package.account, package.name, package.version, package.created_at_ms),
    )
    for file in files:
        await db.execute(
            "INSERT INTO package_files (package_id, path, sha256, size) VALUES (?, ?, ?, ?)",
            (package.id, file.path, file.sha256, file.size_bytes),
        )


async def remove(db: Connection, package: str) -> None:
    """The package is gone, with the names of its files."""
    await db.execute("DELETE FROM package_files WHERE package_id = ?", (package,))
    await db.execute("DELETE FROM packages WHERE id = ?", (package,))


async def get(db: Connection, package: str) -> Package | None:
    """The package of that id, whosever it is, or None."""
    row = await one(db, f"{_SELECT} WHERE p.id = ?", (package,))
    return None if row is None else _package(row)


async def find(db: Connection, account: str, package: str) -> Package | None:
    """The account's package of that id, or None."""
    row = await one(db, f"{_SELECT} WHERE p.account_id = ? AND p.id = ?", (account, package))
    return None if row is None else _package(row)


async def named(db: Connection, account: str, name: str, version: str) -> Package | None:
    """The account's package of that name and version, or None."""
    condition = "p.account_id = ? AND p.name = ? AND p.version = ?"
    row = await one(db, f"{_SELECT} WHERE {condition}", (account, name, version))
    return None if row is None else _package(row)


async def page(db: Connection, account: str, offset: int, limit: int) -> list[Package]:
    """The account's packages by name, of each name the newest first."""
    rows = await all_of(
        db,
        f"{_SELECT} WHERE p.account_id = ? ORDER BY p.name, p.created_at_ms DESC, p.id LIMIT ? OFFSET ?",
        (account, limit, offset),
    )
    return [_package(row) for row in rows]


async def count(db: Connection, account: str) -> int:
    """How many packages the account has."""
    return await number(db, "SELECT COUNT(*) FROM packages WHERE account_id = ?", (account,))


async def files_of(db: Connection, package: str) -> list[PackageFile]:
    """The package's files by path."""
    rows = await all_of(db, "SELECT * FROM package_files WHERE package_id = ? ORDER BY path", (package,))
    return [PackageFile(row["path"], row["sha256"], row["size"]) for row in rows]


async def awaiting(db: Connection, package: Package) -> str | None:
    """The id of a device that is to install the package from here, by an operation that is not over; or None."""
    rows = await all_of(
        db,
        "SELECT device, request FROM operations WHERE account_id = ? AND kind = 'install' AND is_over = 0"
        " AND request LIKE ? ESCAPE '!'",
        (package.account, containing(json.dumps(UPLOADED + package.name))),
    )
    wanted = (UPLOADED + package.name, package.version)
    for row in rows:
        request = json.loads(row["request"])
        if (request["uri"], request["version"]) == wanted:
            return str(row["device"])
    return None


def _package(row: Row) -> Package:
    return Package(row["id"], row["account_id"], row["name"], row["version"], row["size"], row["created_at_ms"])
