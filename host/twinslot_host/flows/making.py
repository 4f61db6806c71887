"""The transfers that the server makes by itself: deltas that check-ins have wished for, and what an earlier version, or
a full disk, has left out."""

import asyncio
import logging
from enum import StrEnum

from twinslot_host import building
from twinslot_host.artifacts import Incoming, written
from twinslot_host.building import DeltaFailed
from twinslot_host.config import DELTA_KEPT_S, IMAGE_LIMIT_BYTES
from twinslot_host.deltas import Wish
from twinslot_host.domain.deltas import Kept, Pair, is_common, is_due, making_room
from twinslot_host.errors import StorageFull
from twinslot_host.flows import uploads
from twinslot_host.services import Services
from twinslot_host.store import devices, transfers

_LOG = logging.getLogger("twinslot")


class Outcome(StrEnum):
    """What came of a wish for a delta, as the metric has it. After the last three it is tried again, later: each time
    after twice as long, but for RARE, which costs little to find out."""

    MADE = "made"
    NOT_SMALLER = "not_smaller"  # than the transfer without a base
    RARE = "rare"  # most devices run other bases
    NO_ROOM = "no_room"  # beside the deltas of the account that are in use
    FAILED = "failed"


async def make_wanted(services: Services) -> None:
    """The delta whose turn it is was made, as soon as there is one, or it is known why not."""
    wish = await services.deltas.next()
    try:
        known = await transfers.find(services.database.reader, wish.pair)
        if known is None or is_due(known.failures, known.at_ms, services.now_ms()):
            outcome = await _outcome(services, wish, 0 if known is None else known.failures)
            services.metrics.deltas.labels(outcome).inc()
    finally:
        services.deltas.done(wish)


async def make_lacking(services: Services) -> None:
    """Every image or bundle of a release has its transfer without a base, those aside that none could be made of."""
    lacking = await transfers.lacking(services.database.reader)
    for number, pair in enumerate(lacking, start=1):
        _LOG.info("making the transfer of %s, %d of %d", pair.image, number, len(lacking))
        try:
            with services.artifacts.temporary() as path:
                made = await asyncio.to_thread(building.whole, services.artifacts.path(pair.image), path)
                await _keep(services, pair, made)
        except Exception as error:  # noqa: BLE001 - whatever one file has, those behind it have their turn
            _LOG.error("no device can take %s: its transfer could not be made (%r)", pair.image, error)
        else:
            services.held.mark(pair.account)


async def forget_unused(services: Services) -> None:
    """No delta is kept that was offered to nobody for a while."""
    async with services.database.write() as db:
        old = await transfers.remove_old(db, services.now_ms() - DELTA_KEPT_S * 1000)
    if old:
        await uploads.discard_unused(services, *old)


async def _outcome(services: Services, wish: Wish, failures: int) -> Outcome:
    """What came of it, which is noted; before, it came to nothing so many times in a row."""
    pair = wish.pair
    try:
        outcome = await _tried(services, wish)
    except (DeltaFailed, StorageFull, OSError) as error:
        _LOG.error("the transfer of %s against %s could not be made: %s", pair.image, pair.base, error)
        outcome = Outcome.FAILED
    if outcome in (Outcome.RARE, Outcome.NO_ROOM, Outcome.FAILED):
        async with services.database.write() as db:
            await transfers.put_failure(db, pair, 1 if outcome is Outcome.RARE else failures + 1, services.now_ms())
    return outcome


async def _tried(services: Services, wish: Wish) -> Outcome:
    """What came of it, of which MADE and NOT_SMALLER are noted. Raises DeltaFailed, StorageFull, OSError."""
    db, artifacts, pair = services.database.reader, services.artifacts, wish.pair
    if not is_common(pair.base, await devices.count_by_image(db, wish.application)):
        return Outcome.RARE
    whole = await transfers.find(db, Pair(pair.account, pair.image))
    whole_bytes = IMAGE_LIMIT_BYTES if whole is None else whole.size_bytes
    if making_room(await transfers.deltas_of(db, pair.account), whole_bytes, services.now_ms()) is None:
        return Outcome.NO_ROOM  # before the work, which might be thrown away: a delta has fewer bytes
    content = await building.delta(artifacts.path(pair.image), artifacts.path(pair.base))
    if len(content) >= whole_bytes:
        async with services.database.write() as writing:
            await transfers.put(writing, pair, None, 0, services.now_ms())
        return Outcome.NOT_SMALLER
    going = making_room(await transfers.deltas_of(db, pair.account), len(content), services.now_ms())
    if going is None:  # by now: what has been offered since is in use
        return Outcome.NO_ROOM
    with artifacts.temporary() as path:
        await _keep(services, pair, await asyncio.to_thread(written, path, content), going)
    return Outcome.MADE


async def _keep(services: Services, pair: Pair, made: Incoming, going: list[Kept] | None = None) -> None:
    """The pair's transfer is there, unless the image or the base is no release's by now; those that go are gone."""
    removed = going or []
    async with uploads.kept(services, made) as db:
        await transfers.remove(db, [each.pair for each in removed])
        await transfers.put(db, pair, made.sha256, made.size_bytes, services.now_ms())
    await uploads.discard_unused(services, made.sha256, *(each.sha256 for each in removed))
