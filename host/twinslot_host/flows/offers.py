"""The decision for one device, and for many at once, from what the store knows."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from twinslot_host.domain import rollout
from twinslot_host.domain.eligibility import Device as Known
from twinslot_host.domain.eligibility import Policy
from twinslot_host.domain.filters import Filter, Subject
from twinslot_host.domain.mpy import version
from twinslot_host.domain.release import SERVER, Release
from twinslot_host.domain.signature import fingerprint
from twinslot_host.flows.entry import current_group
from twinslot_host.services import Services
from twinslot_host.store import applications, device_lists, device_tags, failures, filters, group_keys, releases
from twinslot_host.store.database import Connection
from twinslot_host.store.devices import Device
from twinslot_host.store.groups import Group

_AT_ONCE = 100  # devices that are decided before anything else gets its turn


@dataclass(frozen=True)
class Terms:
    """What decides for every device of a group: its policy, its application's releases and their filters, and what the
    server's own key is called."""

    server_key: str
    policy: Policy
    releases: list[Release]
    filters: dict[str, Filter]
    last_sequence: int


async def decide(db: Connection, services: Services, device: Device, group: Group, now_ms: int) -> rollout.Decision:
    """What the device gets now, and why; nothing is changed."""
    failed, tags = await failures.of_device(db, device.id), await device_tags.of_device(db, device.id)
    return _decided(device, failed, tags, await _terms(db, services, group), now_ms)


async def to_any_of(services: Services, rows: Sequence[int]) -> AsyncIterator[int]:
    """Those of the devices, given by their rows, that get an offer now, as far as what is committed tells."""
    db = services.database.reader
    groups: dict[str, Terms] = {}
    for start in range(0, len(rows), _AT_ONCE):
        found = await device_lists.of_rows(db, rows[start : start + _AT_ONCE])
        ids = [each.id for each in found]
        failed, tags = await failures.of_devices(db, ids), await device_tags.of_devices(db, ids)
        for device in found:
            if device.group not in groups:
                groups[device.group] = await _terms(db, services, await current_group(db, device))
            terms = groups[device.group]
            its = failed.get(device.id, frozenset()), tags.get(device.id, [])
            if terms.releases and _decided(device, *its, terms, services.now_ms()).offer is not None:
                yield device.id


async def explain(services: Services, device: Device) -> rollout.Decision:
    """As `decide`, for a person who asks."""
    db = services.database.reader
    return await decide(db, services, device, await current_group(db, device), services.now_ms())


async def subject(db: Connection, device: Device) -> Subject:
    """The device as filters see it."""
    return _subject(device, await device_tags.of_device(db, device.id))


async def trusted_moduli(db: Connection, services: Services, group: Group) -> list[bytes]:
    """The keys that the group's devices are to trust, as devices keep them."""
    if group.trust == SERVER:
        return [services.signer.modulus]
    return list((await group_keys.of_group(db, group.id)).values())


def _decided(
    device: Device, failed: frozenset[int], tags: Sequence[str], terms: Terms, now_ms: int
) -> rollout.Decision:
    known = Known(
        app=device.app,
        version=device.version,
        sequence=device.sequence,
        state=device.state,
        chip=device.chip or 0,
        slot_size_bytes=device.slot_size or 0,
        failed=failed,
        security_version=device.security_version,
        subject=_subject(device, tags),
        trusted=None if device.trusted is None else _signers(terms.server_key, device.trusted),
        mpy=device.mpy,
        micropython=None if device.micropython is None else version(device.micropython),
    )
    return rollout.decide(known, terms.policy, terms.releases, terms.filters, terms.last_sequence, now_ms)


def _signers(server_key: str, trusted: Sequence[str]) -> frozenset[str]:
    """Whose keys these are, as `signed_by` has it."""
    return frozenset(SERVER if each == server_key else each for each in trusted)


def _subject(device: Device, tags: Sequence[str]) -> Subject:
    return Subject(device.device, device.group, frozenset(tags), device.attributes)


async def _terms(db: Connection, services: Services, group: Group) -> Terms:
    application = await applications.get(db, group.application)
    candidates = await releases.of_application(db, application.id)
    return Terms(
        fingerprint(services.signer.modulus),
        await _policy(db, group),
        candidates,
        await _filters(db, group, candidates),
        application.last_sequence,
    )


async def _policy(db: Connection, group: Group) -> Policy:
    known = await group_keys.known(db, group.id)
    trusted = (SERVER,) if group.trust == SERVER else (each.fingerprint for each in known if each.retired_at_ms is None)
    return Policy(
        group.app,
        frozenset(trusted),
        group.target_release,
        {each.fingerprint: each.retired_at_ms for each in known if each.retired_at_ms is not None},
        frozenset(each.fingerprint for each in known if each.by_release),
    )


async def _filters(db: Connection, group: Group, candidates: list[Release]) -> dict[str, Filter]:
    if not any(each.filters for each in candidates):
        return {}
    return {each.id: each for each in await filters.of_application(db, group.application)}
