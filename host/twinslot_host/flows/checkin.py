"""Check-ins and reports: what a device tells is kept, durably, before it is answered."""

from dataclasses import dataclass, replace

from twinslot_host.domain import manifest as manifests
from twinslot_host.domain import rollout
from twinslot_host.flows import offers
from twinslot_host.flows.entry import Visitor, admit
from twinslot_host.services import Services
from twinslot_host.store import applications, devices, events, failures, signatures
from twinslot_host.store.database import Connection
from twinslot_host.store.devices import CheckIn, Device
from twinslot_host.store.events import Event
from twinslot_host.store.groups import Group
from twinslot_host.store.signatures import Signed

_FAILURES = ("rolled_back", "refused")


@dataclass(frozen=True)
class Offered:
    """What the answer to a check-in offers."""

    manifest: bytes
    signature: bytes
    sha256: str


@dataclass(frozen=True)
class Report:
    """What a report tells."""

    id: str
    event: str
    version: str
    sequence: int
    reason: str


async def check_in(services: Services, visitor: Visitor, told: CheckIn) -> Offered | None:
    """The device's offer, or None; what it told is kept."""
    now_us = services.clock_us()
    async with services.database.write() as db:
        before = await admit(db, visitor, now_us)
        await devices.check_in(db, before.id, told)
        await _note_changes(db, before, told, now_us // 1000)
        device = await devices.find(db, before.account, before.device)
        assert device is not None
        decision = await offers.decide(db, device, visitor.group, now_us // 1_000_000)
        offered = None if decision.offer is None else await _offered(db, services, visitor.group, decision.offer)
    services.metrics.check_ins.inc()
    if offered is not None:
        services.metrics.offers.inc()
    return offered


async def report(services: Services, visitor: Visitor, told: Report) -> None:
    """The report is kept; one of an id that was kept before changes nothing."""
    now_us = services.clock_us()
    async with services.database.write() as db:
        device = await admit(db, visitor, now_us)
        happened = Event(device.id, told.event, told.version, told.sequence, told.reason, now_us // 1000)
        if await events.add(db, device.account, happened, told.id):
            await _act_on(db, device, told, now_us // 1000)
    services.metrics.reports.labels(told.event).inc()


async def register(services: Services, visitor: Visitor) -> list[bytes]:
    """The keys that the device is to trust; the device is known from now on."""
    async with services.database.write() as db:
        await admit(db, visitor, services.clock_us())
        return await offers.trusted_moduli(db, services, visitor.group)


async def _act_on(db: Connection, device: Device, told: Report, now_ms: int) -> None:
    if told.event == "confirmed":
        await devices.confirm(db, device.id, told.version, told.sequence)
    if told.event in _FAILURES and told.sequence > 0:
        await failures.add(db, device.account, device.id, told.sequence, now_ms)


async def _note_changes(db: Connection, before: Device, told: CheckIn, now_ms: int) -> None:
    if before.version is None:
        happened = Event(before.id, "first_seen", told.version, told.sequence, "", now_ms)
    elif before.version != told.version:
        reason = f"was {before.version}"
        happened = Event(before.id, "version_changed", told.version, told.sequence, reason, now_ms)
    else:
        return
    await events.add(db, before.account, happened, None)


async def _offered(db: Connection, services: Services, group: Group, offer: rollout.Offer) -> Offered:
    signed = await signatures.find(db, group.application, offer.release.sequence)
    assert signed is not None
    if offer.sign_anew:
        signed = await _sign_anew(db, services, group, signed, offer)
    return Offered(signed.manifest, signed.signature, manifests.decode(signed.manifest).sha256.hex())


async def _sign_anew(db: Connection, services: Services, group: Group, old: Signed, offer: rollout.Offer) -> Signed:
    manifest = replace(manifests.decode(old.manifest), sequence=offer.sequence)
    signed = Signed(offer.sequence, *services.signer.sign(manifest))
    await signatures.add(db, group.account, group.application, offer.release.id, signed, services.now_ms())
    await applications.set_last_sequence(db, group.application, offer.sequence)
    return signed
