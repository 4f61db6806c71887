"""Whether a release may go to a device at all, and why not."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from twinslot_host.domain import mpy as formats
from twinslot_host.domain.dates import date
from twinslot_host.domain.filters import Filter, Subject, matches
from twinslot_host.domain.image import chip_name
from twinslot_host.domain.manifest import TRUSTED_LIMIT
from twinslot_host.domain.mpy import MicroPython
from twinslot_host.domain.release import SERVER, BundleFacts, File, Release
from twinslot_host.domain.signature import fingerprint
from twinslot_host.domain.versions import parsed


@dataclass(frozen=True)
class Device:
    """What a device last told of itself; `version` is None before its first check-in.

    `failed` holds the sequences that it has rolled back or refused, `security_version` is that of what it has
    confirmed. `trusted` are the signers whose keys it says it trusts (fingerprints, or SERVER), None when it does not
    say. `mpy` is the format of `.mpy` files that it loads, `micropython` its version; None from one that does not know
    bundles.
    """

    app: str | None
    version: str | None
    sequence: int
    state: str | None
    chip: int
    slot_size_bytes: int
    failed: frozenset[int]
    security_version: int
    subject: Subject
    trusted: frozenset[str] | None = None
    mpy: int | None = None
    micropython: MicroPython | None = None


@dataclass(frozen=True)
class Policy:
    """The device's group: its application, the signers it trusts (fingerprints, or SERVER), the id of the release that
    it is held at, None when it is held at none, the signers that it trusted, with the time when they were retired, and
    those that it got by a release.
    """

    app: str
    trusted: frozenset[str]
    target: int | None
    retired_at_ms: Mapping[str, int] = field(default_factory=dict)
    by_release: frozenset[str] = frozenset()


def unready_reason(device: Device, policy: Policy, target: Release | None) -> str | None:
    """Why the device can't take any offer now; None when it can. `target` is the release that the group is held at."""
    if device.version is None:
        return "the device has not checked in yet"
    if device.app != policy.app:
        return f"the device runs the application {device.app!r}, and its group is for {policy.app!r}"
    if parsed(device.version) is None and target is None:
        return f"the device runs {device.version!r}, which is not a semver version"
    if device.state == "trial":
        return f"the device is trying {device.version}; it gets no offer until it has confirmed or rolled back"
    return None


def unaimed_reason(device: Device, release: Release, target: Release | None) -> str | None:
    """Why the release is not meant to go to anybody, or not to this device's group; None when it may be.

    `target` is the release that the group is held at, None when it is held at none.
    """
    return waiting_reason(release) or (
        _unheld_reason(device, release, target) if target is not None else _unopened_reason(release)
    )


def unfit_reason(
    device: Device, policy: Policy, release: Release, target: Release | None, filters: Mapping[str, Filter], now_ms: int
) -> str | None:
    """Why the release, which may be meant for it, can't go to the device, whatever that runs and trusts; or None.

    `filters` are those of the releases by id.
    """
    return (
        (_unmatched_reason(device, release, filters, now_ms) if target is None else None)
        or _untrusted_reason(policy, release)
        or _strange_keys_reason(policy, release)
        or _unusable_reason(device, release)
    )


def waiting_reason(release: Release) -> str | None:
    """What the release lacks before it can reach anybody; None when it is complete."""
    if release.kind is not None:
        if release.carried is None or release.has_transfer:
            return None
        what = release.carried.kind_name
        return f"its {what}'s transfer is not made yet; where that goes wrong, the server's log says why"
    if release.lost_file:
        return "its file was deleted; it waits for another"
    return "it waits for its file" if release.waits_for_file else "it has neither a file nor a specification"


def _unheld_reason(device: Device, release: Release, target: Release) -> str | None:
    if release.id != target.id:
        return f"the group is held at exactly {target.version}"
    return "the device runs this version" if release.version == device.version else None


def _unopened_reason(release: Release) -> str | None:
    if release.strategy == "suspended":
        return "it is suspended"
    if release.strategy == "targeted" and not release.filters:
        return "it is targeted, and has no filter, so it reaches nobody"
    return None


def _unmatched_reason(device: Device, release: Release, filters: Mapping[str, Filter], now_ms: int) -> str | None:
    if release.strategy != "targeted":
        return None
    reasons = []
    for each in release.filters:
        which = filters.get(each.filter_id)
        if which is None:  # deleted since the releases were read
            continue
        if not matches(which, device.subject):
            reasons.append(f"the filter {which.name!r} does not match the device")
        elif each.rollout_at_ms is not None and each.rollout_at_ms > now_ms:
            start = date(each.rollout_at_ms)
            reasons.append(f"the filter {which.name!r} matches, and lets it through not before {start}")
        else:
            return None
    return "it is targeted: " + "; ".join(reasons)


def _untrusted_reason(policy: Policy, release: Release) -> str | None:
    if release.signed_by in policy.trusted:
        return None
    retired_at_ms = policy.retired_at_ms.get(release.signed_by)
    if retired_at_ms is not None:
        return None if release.created_at_ms <= retired_at_ms else "the key that signed it was retired before"
    if release.signed_by == SERVER:
        return "the server signed it, and the device's group trusts only its publisher's key"
    if SERVER in policy.trusted:
        return "a publisher signed it, and the device's group trusts only the server's key"
    return "a publisher signed it with a key that the device's group does not trust"


def _strange_keys_reason(policy: Policy, release: Release) -> str | None:
    """Why a device that confirms the release would trust a key that counts for other groups alone; None when not."""
    added = {fingerprint(modulus) for modulus in release.key_change.added} if release.key_change else set()
    if added <= policy.trusted | policy.retired_at_ms.keys():
        return None
    return "it adds a key that the device's group, which was made later, does not trust"


def unproven_reason(device: Device, policy: Policy, release: Release) -> str | None:
    """Why the device itself would refuse the signature or the keys that the release brings; None when it would not.

    One that does not tell its keys knows of no change, and is taken to trust those that its group was made with.
    """
    if device.trusted is None:
        if release.key_change:
            return "it changes keys, and the device's own package is too old for that"
        if release.signed_by in policy.by_release:
            return "a release brought the key that signed it, and the device's own package is too old for that"
        return None
    if not device.trusted:
        return "the device trusts no key any more; provision it again"
    if release.signed_by not in device.trusted:
        return "the device does not trust the key that signed it yet"
    after = release.key_change.trusted(list(device.trusted)) if release.key_change else device.trusted
    if not 1 <= len(after) <= TRUSTED_LIMIT:
        return f"after it the device would trust {len(after)} keys, and it keeps 1 to {TRUSTED_LIMIT}"
    return None


def _unusable_reason(device: Device, release: Release) -> str | None:
    """Why the device can't run what the release carries, or is not to try it again; or None."""
    carried = release.carried
    reason = None if carried is None else _unbootable_reason(device, carried)
    if reason is None and not device.failed.isdisjoint(release.sequences):
        return "it failed on this device; publish it under a new version to try again"
    if reason is None and carried is not None and carried.security_version < device.security_version:
        return f"its security version {carried.security_version} is below {device.security_version}, which is confirmed"
    return reason


def _unbootable_reason(device: Device, carried: File) -> str | None:
    """Why no file like this could ever run on the device; None when it could."""
    if carried.is_image and device.slot_size_bytes == 0:
        return "this board's partition table has no second app slot"
    if carried.chip is not None and carried.chip != device.chip:
        return f"it is for the {chip_name(carried.chip)}, and the device is an {chip_name(device.chip)}"
    if carried.is_image and carried.size_bytes > device.slot_size_bytes:
        return f"its {carried.size_bytes} bytes do not fit the device's slot of {device.slot_size_bytes} bytes"
    return None if carried.bundle is None else _unloadable_reason(device, carried.bundle)


def _unloadable_reason(device: Device, bundle: BundleFacts) -> str | None:
    """Why the device's MicroPython can't run the bundle's files; None when it can."""
    if device.mpy is None or device.micropython is None:
        return "the device's own package is too old for bundles"
    if not formats.fits(bundle.mpy, device.mpy):
        needed, has = formats.named(bundle.mpy), formats.named(device.mpy)
        return f"its .mpy files are of the format {needed}, and the device loads {has}"
    if bundle.micropython > device.micropython:
        needed, has = formats.version_text(bundle.micropython), formats.version_text(device.micropython)
        return f"it needs MicroPython {needed}, and the device has {has}"
    return None
