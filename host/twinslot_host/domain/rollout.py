"""Who gets what, and why: device + releases + filters + clock -> offer, with a reason for every release.

The decision about one release, in this order; the first that applies is its reason:

1. the device can't take any offer now (never checked in, in a trial, another application, or a claim to a sequence
   that nobody signed)
2. it waits for its file, has neither a file nor a specification, or an image or a bundle without a transfer yet
3. the group is held at exactly another release; for the one that it is held at, 4 and 5 don't count
4. the rollout reaches nobody (`suspended`, or `targeted` without a filter), or the version can't follow the one that
   runs (not higher, or not in upgradable_from)
5. it is `targeted`, and none of its filters matches the device, or none that does lets it through yet
6. no key that the group trusts signed it, or it adds one that the group does not know
7. it is an image, and the device has no second app slot; it is for another chip; the image is larger than the slot;
   the device knows no bundles, loads `.mpy` files of another format, or has an older MicroPython than the bundle needs
8. it failed on this device
9. its security version is below the confirmed one
10. no key that the device says it trusts signed it, the device does not know that keys can change, or would be left
    with no key, or with more than it keeps
11. a higher one is offered, or one that leads to a higher one, or one that comes first: it changes keys
    (key_hops.py), or carries a bundle where the higher one carries an image, or the other way round (kind_hops.py)
12. its signature is older than what the device has confirmed, or than what failed on it, and it can't be signed anew

A device's word never moves an application's counter far: a claim that nobody signed, and that no clock explains, ends
at 1; a new signature for a device is at most an hour ahead of the clock, and a published one at most a day.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from semver import Version

from twinslot_host.domain.eligibility import (
    Device,
    Policy,
    unaimed_reason,
    unfit_reason,
    unproven_reason,
    unready_reason,
)
from twinslot_host.domain.filters import Filter
from twinslot_host.domain.graph import Graph, Way
from twinslot_host.domain.key_hops import keys_first
from twinslot_host.domain.kind_hops import other_kind_first
from twinslot_host.domain.release import SERVER, Release
from twinslot_host.domain.versions import unreachable_reason

OFFERED = "offered"

AHEAD_LIMIT_S = 24 * 3600  # how far ahead of the clock a sequence may be
ANEW_AHEAD_LIMIT_S = 3600  # ... when a check-in causes it: less, so that no device keeps a publisher from publishing


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


def decide(
    device: Device,
    policy: Policy,
    releases: Collection[Release],
    filters: Mapping[str, Filter],
    last_sequence: int,
    now_ms: int,
) -> Decision:
    """The next hop to the highest release that the device can get to, or the release that its group is held at, with
    the reason for every release.

    `filters` has those of the releases by id, `last_sequence` is the application's highest so far, `now_ms` the clock.
    """
    now_s = now_ms // 1000
    ranked = sorted(releases, key=_rank, reverse=True)
    floor = max(device.sequence, max(device.failed, default=0))
    target = next((each for each in ranked if each.id == policy.target), None)
    unready = unready_reason(device, policy, target)
    if unready is None and floor > max(last_sequence, now_s + AHEAD_LIMIT_S):
        unready = f"it claims a sequence that nobody signed; provision the device again ({floor}, a day ahead or more)"
    if unready is not None:
        return Decision(None, unready, tuple(Verdict(release, False, unready) for release in ranked))
    fresh = max(next_sequence(last_sequence, now_s), floor + 1)
    fresh_sequence = fresh if fresh <= now_s + ANEW_AHEAD_LIMIT_S else None
    offers = {each.version: _offer(each, floor, fresh_sequence) for each in ranked}
    running = next((each for each in ranked if each.version == device.version), None)
    reasons = {}
    fitting, takeable = [], []
    for each in ranked:
        unaimed = unaimed_reason(device, each, target)
        unfit = unfit_reason(device, policy, each, target, filters, now_ms)
        unproven = unproven_reason(device, policy, each)
        unreachable = _unreachable_reason(device, each, running) if target is None else None
        reasons[each.version] = unaimed or unreachable or unfit or unproven
        if unaimed is None and unfit is None and offers[each.version] is not None:
            fitting.append(each)
            takeable += [each] * (unproven is None)
    way = _way(device, policy, target, takeable, fitting)
    chosen = None if way is None else way.hop
    verdicts = []
    for each in ranked:
        reason = reasons[each.version]
        if reason is None and offers[each.version] is None:
            reason = _stale_reason(device, each)
        elif reason is None and each is not chosen:
            reason = _passed_over_reason(each, way)
        verdicts.append(Verdict(each, each is chosen, reason or OFFERED))
    offer = None if chosen is None else offers[chosen.version]
    return Decision(offer, _summary(device, target, way, verdicts), tuple(verdicts))


def _way(
    device: Device,
    policy: Policy,
    target: Release | None,
    takeable: Sequence[Release],
    fitting: Sequence[Release],
) -> Way | None:
    """What to offer of the releases that the device may take, the graph aside, and what that leads to."""
    if target is not None:
        return Way(target, target) if target in takeable else None
    current, graph = Version.parse(device.version or ""), Graph(takeable)
    ways = graph.ways(current)
    way = next((Way(ways[each.version], each) for each in takeable if each.version in ways), None)
    if way is None:
        return None
    way = other_kind_first(way, graph, ways, takeable)  # first, so that a change of keys still comes before either kind
    trusted = device.trusted or ()
    return keys_first(way, ways, current, trusted, policy.trusted, policy.retired_at_ms, fitting)


def _unreachable_reason(device: Device, release: Release, running: Release | None) -> str | None:
    current, version = Version.parse(device.version or ""), Version.parse(release.version)
    reason = unreachable_reason(current, version, release.upgradable_from)
    is_new = release.sequences[:1] > (device.sequence,)  # since it was made: it may have been signed anew
    if version < current and is_new and running is not None and release.carries_other(running):
        return f"{reason}; images and bundles share their versions: publish it above that"
    return reason


def _passed_over_reason(release: Release, way: Way | None) -> str:
    assert way is not None
    hop, end = way.hop.version, way.end.version
    if Version.parse(hop) >= Version.parse(release.version):
        return f"{hop} is offered, which is higher"
    if way.for_keys and release is not way.end:
        return f"{end} changes the keys that the device trusts, and comes first"
    if release is way.before:
        return f"{end} comes first, since it is {_kind(way.end)}, and this is {_kind(release)}"
    return f"{hop} is offered, which leads to {end if way.before is None else way.before.version}"


def _kind(release: Release) -> str:
    carried = release.carried
    return "an image" if carried is not None and carried.is_image else "a bundle"


def _rank(release: Release) -> tuple[Version, int]:
    return Version.parse(release.version), release.id


def _offer(release: Release, floor: int, fresh_sequence: int | None) -> Offer | None:
    if release.sequence is not None and release.sequence > floor:
        return Offer(release, release.sequence, sign_anew=False)
    if release.signed_by == SERVER and fresh_sequence is not None:
        return Offer(release, fresh_sequence, sign_anew=True)
    return None


def _stale_reason(device: Device, release: Release) -> str:
    if release.signed_by == SERVER:
        return (
            "a new signature for it would be more than an hour ahead of the clock; it is offered when time has passed"
        )
    if (release.sequence or 0) <= device.sequence:
        return "its signature is older than what the device has confirmed; sign it again"
    return "its signature is older than that of a release which failed on this device; sign it again"


def _summary(device: Device, target: Release | None, way: Way | None, verdicts: Sequence[Verdict]) -> str:
    if target is not None:
        reason = next(each.reason for each in verdicts if each.release is target)
        return f"the group is held at exactly {target.version}: {reason}"
    if way is not None:
        return _way_summary(device, way)
    if not verdicts:
        return "its application has no releases"
    highest = verdicts[0]
    if highest.release.version == device.version:
        return f"the device runs {device.version}, the highest release"
    return f"no release is offered; of the highest, {highest.release.version}: {highest.reason}"


def _way_summary(device: Device, way: Way) -> str:
    hop, end = way.hop.version, way.end.version
    if way.before is not None:
        what = hop if way.hop is way.end else f"{hop}, the next hop from {device.version} to {end},"
        before, kinds = way.before.version, f"{_kind(way.before)}, and {end} is {_kind(way.end)}"
        return f"{what} comes before {before}, since that is {kinds}"
    which = "which changes the keys that the device trusts and comes first" if way.for_keys else "the highest in reach"
    if way.hop is not way.end:
        return f"{hop} is the next hop from {device.version} to {end}, {which}"
    if way.for_keys:
        return f"{hop} changes the keys that the device trusts, and comes before what is higher"
    return f"{hop} is the highest release that the device can go to from {device.version}"
