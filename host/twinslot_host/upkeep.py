"""What a start puts in order: files that nothing uses."""

from twinslot_host.artifacts import Artifacts
from twinslot_host.store import files, transfers
from twinslot_host.store.database import Database


async def discard_orphans(database: Database, artifacts: Artifacts) -> None:
    """There is no transfer but of releases' images, and no artifact that nothing uses."""
    async with database.write() as db:
        await transfers.remove_unused(db)
    async with database.write() as db:  # what it names is gone only when no row does, for good
        for sha256 in list(artifacts.stored()):
            if not await files.uses(db, sha256):
                artifacts.discard(sha256)
