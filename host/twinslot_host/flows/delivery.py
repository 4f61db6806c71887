"""How an image gets to a device: by the transfer against the image that it runs, or by the one that suits all."""

import asyncio
import logging
from dataclasses import dataclass

from twinslot_host import deltas
from twinslot_host.artifacts import written
from twinslot_host.config import DELTA_TRIES
from twinslot_host.deltas import DeltaFailed
from twinslot_host.domain.release import Release
from twinslot_host.flows import uploads
from twinslot_host.services import Services
from twinslot_host.store import files, transfers
from twinslot_host.store.database import Connection
from twinslot_host.store.devices import Device
from twinslot_host.store.groups import Group
from twinslot_host.store.transfers import Pair

_LOG = logging.getLogger("twinslot")


@dataclass(frozen=True)
class Way:
    """A transfer by the digest of its file; `base` is that of the image which it is against, None: of none.

    `wanted` is the pair of images whose transfer would be better, and is to be made; None: there is none.
    """

    sha256: str
    size_bytes: int
    base: str | None
    wanted: Pair | None


async def choose(db: Connection, device: Device, group: Group, release: Release) -> Way | None:
    """How the release's image gets to the device; None: it has no image.

    A delta counts only when a release of the group's application has the image that the device says it runs: what
    another account has uploaded goes to nobody else, in whatever form.
    """
    image, base = release.image, device.image
    if image is None:
        return None
    wanted = None
    if base is not None and await files.is_image_of(db, group.application, base):
        delta = await transfers.find(db, Pair(image.sha256, base))
        if delta is not None and delta.sha256 is not None:
            return Way(delta.sha256, delta.size_bytes, base, None)
        if delta is None or 0 < delta.failures < DELTA_TRIES:
            wanted = Pair(image.sha256, base)
    whole = await transfers.find(db, Pair(image.sha256))
    if whole is None or whole.sha256 is None:  # it could not be made at the start, and nothing better can be offered
        return Way(image.sha256, image.size_bytes, None, wanted)
    return Way(whole.sha256, whole.size_bytes, None, wanted)


async def build(services: Services) -> None:
    """For ever: the deltas that check-ins asked for are made, one after the other."""
    while True:
        pair = await services.deltas.next()
        outcome = "failed"
        try:
            outcome = await _made(services, pair)
        except Exception:  # noqa: BLE001 - updates go on without it
            _LOG.exception("the transfer of %s against %s could not be made", pair.image, pair.base)
        finally:
            services.deltas.done(pair, failed=outcome == "failed")
        services.metrics.deltas.labels(outcome).inc()


async def _made(services: Services, pair: Pair) -> str:
    """What came of it, in the words of the metric, which the store knows too."""
    artifacts = services.artifacts
    try:
        content = await deltas.made(artifacts.path(pair.image), artifacts.path(pair.base))
    except DeltaFailed:
        async with services.database.write() as db:
            await transfers.count_failure(db, pair)
        raise
    whole = await transfers.find(services.database.reader, Pair(pair.image))
    if whole is not None and len(content) >= whole.size_bytes:
        async with services.database.write() as db:
            await transfers.put(db, pair, None, 0)
        return "not worth it"
    with artifacts.temporary() as path:
        incoming = await asyncio.to_thread(written, path, content)
        async with uploads.kept(services, incoming) as db:
            await transfers.put(db, pair, incoming.sha256, incoming.size_bytes)
    await uploads.discard_unused(services, incoming.sha256)  # one of the two may be no release's by now
    return "made"
