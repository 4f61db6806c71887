"""The decision for one device, from what the store knows."""

from twinslot_host.domain import rollout
from twinslot_host.domain.eligibility import Device as Known
from twinslot_host.domain.eligibility import Policy
from twinslot_host.domain.filters import Filter, Subject
from twinslot_host.domain.release import SERVER, Release
from twinslot_host.flows.entry import current_group
from twinslot_host.services import Services
from twinslot_host.store import applications, device_tags, failures, filters, group_keys, releases
from twinslot_host.store.database import Connection
from twinslot_host.store.devices import Device
from twinslot_host.store.groups import Group


async def decide(db: Connection, device: Device, group: Group, now_ms: int) -> rollout.Decision:
    """What the device gets now, and why; nothing is changed."""
    application = await applications.get(db, group.application)
    candidates = await releases.of_application(db, application.id)
    known = Known(
        app=device.app,
        version=device.version,
        sequence=device.sequence,
        state=device.state,
        chip=device.chip or 0,
        slot_size_bytes=device.slot_size or 0,
        failed=await failures.of_device(db, device.id),
        security_version=device.security_version,
        subject=await subject(db, device),
    )
    policy, aims = await _policy(db, group), await _filters(db, group, candidates)
    return rollout.decide(known, policy, candidates, aims, application.last_sequence, now_ms)


async def explain(services: Services, device: Device) -> rollout.Decision:
    """As `decide`, for a person who asks."""
    db = services.database.reader
    return await decide(db, device, await current_group(db, device), services.now_ms())


async def subject(db: Connection, device: Device) -> Subject:
    """The device as filters see it."""
    return Subject(
        device.device, device.group, frozenset(await device_tags.of_device(db, device.id)), device.attributes
    )


async def trusted_moduli(db: Connection, services: Services, group: Group) -> list[bytes]:
    """The keys that the group's devices trust, as devices keep them."""
    if group.trust == SERVER:
        return [services.signer.modulus]
    return list((await group_keys.of_group(db, group.id)).values())


async def _policy(db: Connection, group: Group) -> Policy:
    trusted = (SERVER,) if group.trust == SERVER else await group_keys.of_group(db, group.id)
    return Policy(group.app, frozenset(trusted), group.target_release)


async def _filters(db: Connection, group: Group, candidates: list[Release]) -> dict[str, Filter]:
    if not any(each.filters for each in candidates):
        return {}
    return {each.id: each for each in await filters.of_application(db, group.application)}
