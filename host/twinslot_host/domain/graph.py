"""The graph of versions: which may follow which, and the way to the highest one that can be reached."""

from collections.abc import Sequence

from semver import Version

from twinslot_host.domain.release import SERVER, Release
from twinslot_host.domain.versions import unreachable_reason


def first_hop(current: Version, releases: Sequence[Release]) -> tuple[Release, Release] | None:
    """The first hop of the shortest way from `current` to the highest release that any way leads to, and that release;
    None when no way leads anywhere. Of two ways that are as short, the one over the higher release.

    `releases` go from the highest version down; a device may take each of them, the graph aside.
    """
    direct = [each for each in releases if _follows(current, each)]
    for end in releases if direct else ():
        hops = _hops_to(end, releases)
        leading = [each for each in direct if each.version in hops]
        if leading:
            return min(leading, key=lambda each: hops[each.version]), end
    return None


def _hops_to(end: Release, releases: Sequence[Release]) -> dict[str, int]:
    """For each release from which a way leads to `end`: its hops."""
    hops, reached = {end.version: 0}, [end]
    while reached:
        others = [each for each in releases if each.version not in hops]
        reached = [each for each in others if any(_leads(each, following) for following in reached)]
        hops |= dict.fromkeys((each.version for each in reached), max(hops.values()) + 1)
    return hops


def _leads(one: Release, other: Release) -> bool:
    """Whether a device that has confirmed the one may take the other. A publisher's signature must be the newer one."""
    if other.signed_by != SERVER and (other.sequence or 0) <= (one.sequence or 0):
        return False
    return _follows(Version.parse(one.version), other)


def _follows(current: Version, release: Release) -> bool:
    return unreachable_reason(current, Version.parse(release.version), release.upgradable_from) is None
