"""Who gets what, and why: device + releases + failures + clock -> offer, with a reason for every release.

The decision about one release, in this order; the first that applies is its reason:

1. the device can't take any offer now (never checked in, in a trial, no second slot, another application, or a claim
   to a sequence that nobody signed)
2. the rollout reaches nobody (`suspended`, or `targeted` without a filter)
3. the version can't follow the one that runs (not higher, or not in upgradable_from)
4. no key that the group trusts signed it
5. it is for another chip, or larger than the slot
6. it failed on this device
7. its security version is below the confirmed release's
8. a higher one is offered
9. its signature is older than what the device has confirmed, or than what failed on it, and it can't be signed anew

A device's word never moves an application's counter far: a claim that nobody signed, and that no clock explains, ends
at 1; a new signature for a device is at most an hour ahead of the clock, and a published one at most a day.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from semver import Version

from twinslot_host.domain.image import chip_name
from twinslot_host.domain.versions import parsed, unreachable_reason

SERVER = "server"  # as `signed_by` and in `trusted`: the server's own key
OFFERED = "offered"

AHEAD_LIMIT_S = 24 * 3600  # how far ahead of the clock a sequence may be
ANEW_AHEAD_LIMIT_S = 3600  # ... when a check-in causes it: less, so that no device keeps a publisher from publishing


@dataclass(frozen=True)
class Device:
    """What a device last told of itself; `version` is None before its first check-in."""

    app: str | None
    version: str | None
    sequence: int
    state: str | None
    chip: int
    slot_size_bytes: int
    failed: frozenset[int]  # sequences that it has rolled back or refused


@dataclass(frozen=True)
class Policy:
    """The device's group: its application, and the signers it trusts (fingerprints, or SERVER)."""

    app: str
    trusted: frozenset[str]


@dataclass(frozen=True)
class Release:
    """A release as the decision needs it; `sequences` holds every signature's, the current one last."""

    id: int
    version: str
    strategy: str
    upgradable_from: tuple[str, ...] | None
    chip: int
    size_bytes: int
    security_version: int
    signed_by: str
    sequences: tuple[int, ...]

    @property
    def sequence(self) -> int:
        """The current signature's sequence."""
        return self.sequences[-1]


@dataclass(frozen=True)
class Offer:
    """The release to offer; `sign_anew` when the server has to sign it with `sequence` first."""

    release: Release
    sequence: int
    sign_anew: bool


@dataclass(frozen=True)
class Verdict:
    """Why one release is offered, or is not."""

    release: Release
    offered: bool
    reason: str


@dataclass(frozen=True)
class Decision:
    """What a device gets now. `reason` is one sentence; `verdicts` go from the highest version down."""

    offer: Offer | None
    reason: str
    verdicts: tuple[Verdict, ...]


def next_sequence(last: int, now_s: int) -> int:
    """The sequence of an application's next signature: its time, and higher than all before."""
    return max(now_s, last + 1)


def decide(device: Device, policy: Policy, releases: Collection[Release], last_sequence: int, now_s: int) -> Decision:
    """The highest release that the device can go to in one hop, with the reason for every release.

    `last_sequence` is the application's highest so far, `now_s` the clock in Unix seconds.
    """
    ranked = sorted(releases, key=_rank, reverse=True)
    floor = max(device.sequence, max(device.failed, default=0))
    unready = _unready_reason(device, policy)
    if unready is None and floor > max(last_sequence, now_s + AHEAD_LIMIT_S):
        unready = f"it claims a sequence that nobody signed; provision the device again ({floor}, a day ahead or more)"
    if unready is not None:
        return Decision(None, unready, tuple(Verdict(release, False, unready) for release in ranked))
    confirmed_security = _confirmed_security_version(device, ranked)
    fresh = max(next_sequence(last_sequence, now_s), floor + 1)
    fresh_sequence = fresh if fresh <= now_s + ANEW_AHEAD_LIMIT_S else None
    offer: Offer | None = None
    verdicts = []
    for release in ranked:
        reason = _refusal(device, policy, release, confirmed_security)
        if reason is None and offer is not None:
            reason = f"{offer.release.version} is offered, which is higher"
        if reason is None:
            offer = _offer(release, floor, fresh_sequence)
            reason = OFFERED if offer is not None else _stale_reason(device, release)
            verdicts.append(Verdict(release, offer is not None, reason))
        else:
            verdicts.append(Verdict(release, False, reason))
    return Decision(offer, _summary(device, offer, verdicts), tuple(verdicts))


def _rank(release: Release) -> tuple[Version, int]:
    return Version.parse(release.version), release.sequence


def _unready_reason(device: Device, policy: Policy) -> str | None:
    if device.version is None:
        return "the device has not checked in yet"
    if device.app != policy.app:
        return f"the device runs the application {device.app!r}, and its group is for {policy.app!r}"
    if parsed(device.version) is None:
        return f"the device runs {device.version!r}, which is not a semver version"
    if device.state == "trial":
        return f"the device is trying {device.version}; it gets no offer until it has confirmed or rolled back"
    if device.slot_size_bytes == 0:
        return "the device has no second slot to write to"
    return None


def _refusal(device: Device, policy: Policy, release: Release, confirmed_security: int) -> str | None:
    if release.strategy == "suspended":
        return "it is suspended"
    if release.strategy == "targeted":
        return "it is targeted, and has no filter, so it reaches nobody"
    unreachable = unreachable_reason(
        Version.parse(device.version or ""), Version.parse(release.version), release.upgradable_from
    )
    if unreachable is not None:
        return unreachable
    if release.signed_by not in policy.trusted:
        return _untrusted_reason(policy, release)
    if release.chip != device.chip:
        return f"it is for the {chip_name(release.chip)}, and the device is an {chip_name(device.chip)}"
    if release.size_bytes > device.slot_size_bytes:
        return f"its {release.size_bytes} bytes do not fit the device's slot of {device.slot_size_bytes} bytes"
    if not device.failed.isdisjoint(release.sequences):
        return "it failed on this device; publish it under a new version to try again"
    if release.security_version < confirmed_security:
        return f"its security version {release.security_version} is below {confirmed_security}, which is confirmed"
    return None


def _untrusted_reason(policy: Policy, release: Release) -> str:
    if release.signed_by == SERVER:
        return "the server signed it, and the device's group trusts only its publisher's key"
    if SERVER in policy.trusted:
        return "a publisher signed it, and the device's group trusts only the server's key"
    return "a publisher signed it with a key that the device's group does not trust"


def _offer(release: Release, floor: int, fresh_sequence: int | None) -> Offer | None:
    if release.sequence > floor:
        return Offer(release, release.sequence, sign_anew=False)
    if release.signed_by == SERVER and fresh_sequence is not None:
        return Offer(release, fresh_sequence, sign_anew=True)
    return None


def _stale_reason(device: Device, release: Release) -> str:
    if release.signed_by == SERVER:
        return (
            "a new signature for it would be more than an hour ahead of the clock; it is offered when time has passed"
        )
    if release.sequence <= device.sequence:
        return "its signature is older than what the device has confirmed; sign it again"
    return "its signature is older than that of a release which failed on this device; sign it again"


def _confirmed_security_version(device: Device, releases: Sequence[Release]) -> int:
    return max((each.security_version for each in releases if device.sequence in each.sequences), default=0)


def _summary(device: Device, offer: Offer | None, verdicts: Sequence[Verdict]) -> str:
    if offer is not None:
        return f"{offer.release.version} is the highest release that the device can go to from {device.version}"
    if not verdicts:
        return "its application has no releases"
    highest = verdicts[0]
    if highest.release.version == device.version:
        return f"the device runs {device.version}, the highest release"
    return f"no release is offered; of the highest, {highest.release.version}: {highest.reason}"
