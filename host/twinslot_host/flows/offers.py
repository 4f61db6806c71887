"""The decision for one device, from what the store knows."""

from twinslot_host.domain import rollout
from twinslot_host.services import Services
from twinslot_host.store import applications, failures, group_keys, groups, releases
from twinslot_host.store.database import Connection
from twinslot_host.store.devices import Device
from twinslot_host.store.groups import Group


async def decide(db: Connection, device: Device, group: Group, now_s: int) -> rollout.Decision:
    """What the device gets now, and why; nothing is changed."""
    application = await applications.get(db, group.application)
    known = rollout.Device(
        app=device.app,
        version=device.version,
        sequence=device.sequence,
        state=device.state,
        chip=device.chip or 0,
        slot_size_bytes=device.slot_size or 0,
        failed=await failures.of_device(db, device.id),
    )
    candidates = [as_candidate(each) for each in await releases.of_application(db, application.id)]
    return rollout.decide(known, await _policy(db, group), candidates, application.last_sequence, now_s)


async def explain(services: Services, device: Device) -> rollout.Decision:
    """As `decide`, for a person who asks."""
    db = services.database.reader
    group = await groups.find(db, device.group)
    assert group is not None
    return await decide(db, device, group, services.now_s())


async def trusted_moduli(db: Connection, services: Services, group: Group) -> list[bytes]:
    """The keys that the group's devices trust, as devices keep them."""
    if group.trust == rollout.SERVER:
        return [services.signer.modulus]
    return list((await group_keys.of_group(db, group.id)).values())


def as_candidate(release: releases.Release) -> rollout.Release:
    """The release as the decision needs it."""
    return rollout.Release(
        id=release.id,
        version=release.version,
        strategy=release.strategy,
        upgradable_from=release.upgradable_from,
        chip=release.chip,
        size_bytes=release.size,
        security_version=release.security_version,
        signed_by=release.signed_by,
        sequences=release.sequences,
    )


async def _policy(db: Connection, group: Group) -> rollout.Policy:
    if group.trust == rollout.SERVER:
        return rollout.Policy(group.app, frozenset((rollout.SERVER,)))
    return rollout.Policy(group.app, frozenset(await group_keys.of_group(db, group.id)))
