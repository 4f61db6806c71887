"""How an image gets to a device: by the delta against what it runs, or by the transfer that suits all, as a bundle's
does."""

from dataclasses import dataclass

from twinslot_host.config import DELTA_NOTED_S
from twinslot_host.deltas import Wish
from twinslot_host.domain.deltas import Pair, is_due
from twinslot_host.domain.release import Release
from twinslot_host.errors import NotFound
from twinslot_host.store import transfers
from twinslot_host.store.database import Connection
from twinslot_host.store.devices import Device
from twinslot_host.store.groups import Group


@dataclass(frozen=True)
class Delivery:
    """A transfer by the digest of its file; `base` is that of the image which it is against, None: of none.

    `wanted` is the delta that would be better, and is to be made; None: there is none.
    """

    sha256: str
    size_bytes: int
    base: str | None
    wanted: Wish | None


async def choose(db: Connection, device: Device, group: Group, release: Release, now_ms: int) -> Delivery | None:
    """How the release's image or bundle gets to the device; None: it has none. Raises NotFound when that was deleted
    after the release was read.

    A delta counts only when the device runs an image that it was offered here and has confirmed: its word alone brings
    it nothing of what others have uploaded, and makes the server do nothing.
    """
    carried, base = release.carried, device.image
    if carried is None:
        return None
    whole = await transfers.find(db, Pair(group.account, carried.sha256))
    if whole is None or whole.sha256 is None:
        raise NotFound(f"the release's {carried.kind_name} is gone; ask again")
    wanted = None
    if carried.is_image and base is not None and base == device.confirmed_image:
        pair = Pair(group.account, carried.sha256, base)
        delta = await transfers.find(db, pair)
        if delta is not None and delta.sha256 is not None:
            return Delivery(delta.sha256, delta.size_bytes, base, None)
        wanted = Wish(group.application, pair) if delta is None or is_due(delta.failures, delta.at_ms, now_ms) else None
    return Delivery(whole.sha256, whole.size_bytes, None, wanted)


async def offer(db: Connection, device: Device, group: Group, release: Release, now_ms: int) -> Delivery | None:
    """As `choose`, for a device that is offered the release: a delta that it uses is kept for others. Once that is
    committed, the one that it would have used is to be wished for."""
    way = await choose(db, device, group, release, now_ms)
    if way is not None and way.base is not None and release.image is not None:
        pair = Pair(group.account, release.image.sha256, way.base)
        await transfers.note_offer(db, pair, now_ms, now_ms - DELTA_NOTED_S * 1000)
    return way
