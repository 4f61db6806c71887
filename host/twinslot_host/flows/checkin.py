"""Check-ins and reports: what a device tells is kept, durably, before it is answered."""

from dataclasses import dataclass

from twinslot_host.deltas import Wish
from twinslot_host.domain import manifest as manifests
from twinslot_host.domain.manifest import IMAGES, SPECIFICATION, Manifest
from twinslot_host.domain.queue import TAKING, Operation
from twinslot_host.domain.release import Release
from twinslot_host.domain.rollout import Offer
from twinslot_host.flows import delivery, offers, sending, server_signing
from twinslot_host.flows.entry import Visitor, admit, admitted, current_group
from twinslot_host.held import HeldCheckIn
from twinslot_host.services import Services
from twinslot_host.store import applications, devices, events, failures, signatures
from twinslot_host.store.database import Connection
from twinslot_host.store.devices import CheckIn, Device
from twinslot_host.store.events import Event
from twinslot_host.store.groups import Group
from twinslot_host.store.signatures import Signed

_OVER = ("confirmed", "rolled_back", "refused")  # the events after which a device is not installing any more
_FAILURES = ("rolled_back", "refused")


@dataclass(frozen=True)
class Offered:
    """What the answer to a check-in offers, of which release; `transfer` is the digest of what carries its image or
    its bundle, and `wanted` the delta that would have carried it better."""

    release: Release
    manifest: bytes
    signature: bytes
    transfer: str | None
    wanted: Wish | None


@dataclass(frozen=True)
class Given:
    """What the answer to a check-in of the device, whose row that is, holds; `inventory`: its own is asked for.

    `over`: the check-in was held until its time was over.
    """

    device: int
    operation: Operation | None = None
    offered: Offered | None = None
    inventory: bool = False
    over: bool = False

    @property
    def is_nothing(self) -> bool:
        """Whether there is nothing for the device."""
        return self.operation is None and self.offered is None and not self.inventory


@dataclass(frozen=True)
class Report:
    """What a report tells."""

    id: str
    event: str
    version: str
    sequence: int
    reason: str


async def check_in(services: Services, visitor: Visitor, told: CheckIn) -> Given:
    """What there is for the device; what it told is kept."""
    now_us = services.clock_us()
    async with services.database.write() as db:
        before = await admit(db, visitor, now_us)
        group = await current_group(db, before)
        await devices.check_in(db, before.id, told, await _security_version(db, before, group, told.sequence))
        await _note_changes(db, before, told, now_us // 1000)
        device = await devices.find(db, before.account, before.device)
        assert device is not None
        given = await _given(db, services, device, told.inventory)
    services.metrics.check_ins.inc()
    return _counted(services, given)


async def check_again(services: Services, visitor: Visitor, held: HeldCheckIn, inventory: str | None) -> Given | None:
    """What there is by now for the device of a check-in that is held; `inventory` is what it told in it.

    None: it is held no longer, and nothing was changed. Raises Unauthorized when the token has ended since.
    """
    async with services.database.write() as db:
        device = await admitted(db, visitor, held.device, services.now_ms())
        if device is None or not services.held.is_held(held):
            return None
        given = await _given(db, services, device, inventory)
    return _counted(services, given)


async def report(services: Services, visitor: Visitor, told: Report) -> None:
    """The report is kept; one of an id that was kept before changes nothing."""
    now_us = services.clock_us()
    async with services.database.write() as db:
        device = await admit(db, visitor, now_us)
        happened = Event(device.id, told.event, told.version, told.sequence, told.reason, now_us // 1000)
        if await events.add(db, device.account, happened, told.id):
            await _act_on(db, device, told, now_us // 1000)
    services.metrics.reports.labels(told.event).inc()


async def register(services: Services, visitor: Visitor) -> tuple[Device, list[bytes]]:
    """The device, which is known from now on, and the keys that it is to trust."""
    async with services.database.write() as db:
        device = await admit(db, visitor, services.clock_us(), in_person=False)
        return device, await offers.trusted_moduli(db, services, visitor.group)


async def _given(db: Connection, services: Services, device: Device, inventory: str | None) -> Given:
    """An operation comes before an offer; the inventory is asked for beside an offer, or alone."""
    now_ms = services.now_ms()
    takes = inventory is not None and device.state in TAKING
    operation = await sending.next_of(db, services, device, now_ms) if takes else None
    if operation is not None:
        await _note_offer(db, device, None)
        return Given(device.id, operation)
    group = await current_group(db, device)
    offer = (await offers.decide(db, services, device, group, now_ms)).offer
    offered = None if offer is None else await _offered(db, services, device, group, offer)
    await _note_offer(db, device, offer)
    asked = inventory != device.inventory_digest or services.held.wants_inventory(device.id)
    return Given(device.id, None, offered, takes and asked)


def _counted(services: Services, given: Given) -> Given:
    if given.offered is not None:
        services.metrics.offers.inc()
        if given.offered.wanted is not None:
            services.deltas.want(given.offered.wanted)
    if given.operation is not None:
        services.metrics.operations_sent.labels(given.operation.kind).inc()
    return given


async def _act_on(db: Connection, device: Device, told: Report, now_ms: int) -> None:
    if told.event == "confirmed":
        group = await current_group(db, device)
        security_version = await _security_version(db, device, group, told.sequence)
        await devices.confirm(db, device.id, told.version, told.sequence, security_version)
        manifest = await _manifest_of(db, group, told.sequence)
        if manifest is not None and manifest.kind in IMAGES and told.sequence == device.offered_sequence:
            await devices.confirm_image(db, device.id, manifest.sha256.hex())
    if told.event in _OVER and told.sequence == device.offered_sequence:
        await devices.offered(db, device.id, 0)
    if told.event in _FAILURES and told.sequence > 0:
        await failures.add(db, device.account, device.id, told.sequence, now_ms)


async def _security_version(db: Connection, device: Device, group: Group, sequence: int) -> int:
    """That of what the device has confirmed, now that `sequence` is the highest that it has confirmed.

    A specification alone leaves it as it is, and so does what this server has not signed. A device that tells
    of less than before has begun anew, and what it had confirmed does not count.
    """
    manifest = await _manifest_of(db, group, sequence)
    if manifest is not None and manifest.kind != SPECIFICATION:
        return manifest.security_version
    return device.security_version if sequence >= device.sequence else 0


async def _manifest_of(db: Connection, group: Group, sequence: int) -> Manifest | None:
    """What was signed with that sequence for the group's application; None: nothing."""
    signed = await signatures.find(db, group.application, sequence)
    return None if signed is None else manifests.decode(signed.manifest)


async def _note_changes(db: Connection, before: Device, told: CheckIn, now_ms: int) -> None:
    if before.version is None:
        happened = Event(before.id, "first_seen", told.version, told.sequence, "", now_ms)
    elif before.version != told.version:
        reason = f"was {before.version}"
        happened = Event(before.id, "version_changed", told.version, told.sequence, reason, now_ms)
    else:
        return
    await events.add(db, before.account, happened, None)


async def _note_offer(db: Connection, device: Device, offer: Offer | None) -> None:
    """A device that is offered nothing is installing nothing, unless it is trying what it was offered before."""
    sequence = 0 if offer is None else offer.sequence
    if sequence != device.offered_sequence and (offer is not None or device.state != "trial"):
        await devices.offered(db, device.id, sequence)


async def _offered(db: Connection, services: Services, device: Device, group: Group, offer: Offer) -> Offered:
    signed = await (_signed_anew(db, services, group, offer) if offer.sign_anew else _signed(db, group, offer))
    way = await delivery.offer(db, device, group, offer.release, services.now_ms())
    sha256, wanted = (None, None) if way is None else (way.sha256, way.wanted)
    return Offered(offer.release, signed.manifest, signed.signature, sha256, wanted)


async def _signed(db: Connection, group: Group, offer: Offer) -> Signed:
    signed = await signatures.find(db, group.application, offer.sequence)
    assert signed is not None
    return signed


async def _signed_anew(db: Connection, services: Services, group: Group, offer: Offer) -> Signed:
    application = await applications.get(db, group.application)
    return await server_signing.sign(db, services, group.account, application, offer.release, offer.sequence)
