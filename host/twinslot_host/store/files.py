"""Files: what was uploaded for a release, at most one each; the content lies among the artifacts."""

from twinslot_host.domain.mpy import version_text
from twinslot_host.domain.release import File
from twinslot_host.store.database import Connection
from twinslot_host.store.rows import one

_TABLES = ("files", "package_files", "transfers")  # all that name content


async def put(db: Connection, account: str, release: int, file: File) -> None:
    """The release has this file, and no other."""
    bundle = file.bundle
    of_bundle = (
        (None, None, None, None)
        if bundle is None
        else (bundle.sha256, bundle.size_bytes, bundle.mpy, version_text(bundle.micropython))
    )
    await remove(db, release)
    await db.execute(
        "INSERT INTO files (release_id, account_id, name, sha256, size, chip, security_version, list_sha256, list_size,"
        " mpy, micropython) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            release,
            account,
            file.name,
            file.sha256,
            file.size_bytes,
            file.chip,
            file.security_version,
            *of_bundle,
        ),
    )


async def remove(db: Connection, release: int) -> None:
    """The release has no file."""
    await db.execute("DELETE FROM files WHERE release_id = ?", (release,))


async def uses(db: Connection, sha256: str) -> bool:
    """Whether any release or package, of any account, has the file of that hex digest, or it is a transfer's."""
    sql = " UNION ALL ".join(f"SELECT 1 FROM {table} WHERE sha256 = ?1" for table in _TABLES) + " LIMIT 1"
    return await one(db, sql, (sha256,)) is not None
