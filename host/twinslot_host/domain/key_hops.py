"""Releases that change the keys which devices trust, as hops that are not jumped.

A device that was away is never offered a hop that takes changes out of its reach, when with all changes it would end
with more of the keys that its group trusts now, or with fewer of those that the group has retired and all the others.
So a later release that makes the same change comes at once, and a key that is retired by now is not given to anybody
for its own sake. Of changes that can't be made both, the one that was signed first counts. Only what the device may
take now is waited for.
"""

from collections.abc import Collection, Mapping, Sequence

from semver import Version

from twinslot_host.domain.graph import Graph, Way
from twinslot_host.domain.manifest import TRUSTED_LIMIT
from twinslot_host.domain.release import Release


def keys_first(
    way: Way,
    ways: Mapping[str, Release],
    current: Version,
    trusted: Collection[str],
    group: Collection[str],
    retired: Collection[str],
    fitting: Sequence[Release],
) -> Way:
    """The way to the change of keys that would be lost by this one; or this one.

    `ways` are those of the device, which runs `current` and trusts those signers. `group` are the signers whom its
    group trusts now, `retired` those whom that does not trust any more. The device may take each of the `fitting`, the
    graph aside, once it trusts the signers; they go from the highest version down.
    """
    graph = Graph(fitting)
    reached = graph.ways(current)
    changes = sorted((each for each in fitting if each.key_change and each.version in reached), key=_signed)
    best, kept = _after(trusted, changes), graph.within_reach(way.hop)
    for each in reversed(changes):
        if each.version not in ways or each.version in kept:
            continue
        left = [other for other in changes if other.version in kept]
        if not _is_better(best, _after(trusted, left), frozenset(group), frozenset(retired)):
            break
        way = Way(ways[each.version], each, for_keys=True)
        kept = graph.within_reach(way.hop)
    return way


def _after(trusted: Collection[str], changes: Sequence[Release]) -> frozenset[str]:
    """Whom a device trusts in the end that makes those changes, in the order of their signatures, where it can."""
    names = list(trusted)
    for each in changes:
        assert each.key_change is not None
        after = each.key_change.trusted(names) if each.signed_by in names else []
        names = after if 1 <= len(after) <= TRUSTED_LIMIT else names
    return frozenset(names)


def _is_better(one: frozenset[str], other: frozenset[str], group: frozenset[str], retired: frozenset[str]) -> bool:
    """Whether the one set lacks no key of the group's that the other has, and has one more, or fewer retired ones."""
    if (other - one) & group:
        return False
    return bool((one - other) & group) or len(one & retired) < len(other & retired)


def _signed(release: Release) -> int:
    return release.sequence or 0
