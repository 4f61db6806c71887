"""What a start puts in order: files that nothing uses, and transfers that an earlier version did not make."""

import asyncio
import logging
from pathlib import Path

from twinslot_host.artifacts import Artifacts, Incoming, written
from twinslot_host.domain import transfer
from twinslot_host.errors import StorageFull
from twinslot_host.store import files, transfers
from twinslot_host.store.database import Database
from twinslot_host.store.transfers import Pair

_LOG = logging.getLogger("twinslot")


async def discard_orphans(database: Database, artifacts: Artifacts) -> None:
    """There is no transfer but of releases' images, and no artifact that nothing uses."""
    async with database.write() as db:
        await transfers.remove_unused(db)
    async with database.write() as db:  # what it names is gone only when no row does, for good
        for sha256 in list(artifacts.stored()):
            if not await files.uses(db, sha256):
                artifacts.discard(sha256)


async def make_transfers(database: Database, artifacts: Artifacts) -> None:
    """Every image of a release has its transfer without a base, one that is damaged or finds no room aside."""
    for sha256 in await transfers.lacking(database.reader):
        try:
            with artifacts.temporary() as path:
                made = await asyncio.to_thread(whole, artifacts.path(sha256), path)
                async with database.write() as db:
                    await transfers.put(db, Pair(sha256), made.sha256, made.size_bytes)
                    artifacts.keep(made)
        except (OSError, StorageFull) as error:
            _LOG.error("no device can take the image %s: its transfer could not be made (%s)", sha256, error)


def whole(image: Path, path: Path) -> Incoming:
    """The image's transfer without a base lies at `path`, synced. Raises StorageFull, or OSError for the image."""
    return written(path, transfer.build(image.read_bytes()))
