"""The graph of versions: which may follow which, and the shortest ways through it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from semver import Version

from twinslot_host.domain.release import SERVER, Release
from twinslot_host.domain.versions import bare


@dataclass(frozen=True)
class Way:
    """What to offer now, and what that leads to: the highest release in reach, or one that comes before it.

    That is a change of keys (`for_keys`), or what carries a bundle where `before`, the highest, carries an image, or
    the other way round.
    """

    hop: Release
    end: Release
    for_keys: bool = False
    before: Release | None = None


class Graph:
    """`releases` go from the highest version down; a device may take each of them, the graph aside."""

    def __init__(self, releases: Sequence[Release]) -> None:
        self._releases = releases
        self._higher: dict[str, int] = {}  # how many releases are higher than each
        self._naming: defaultdict[str, list[Release]] = defaultdict(list)  # by what stands in their upgradable_from
        for place, each in enumerate(releases):
            self._higher.setdefault(bare(each.version), place)
            for version in each.upgradable_from or ():
                self._naming[bare(version)].append(each)

    def ways(self, current: Version) -> dict[str, Release]:
        """For each version that a way from `current` leads to, the first hop of the shortest one. Of two ways that are
        as short, the one over the higher release."""
        places = enumerate(self._releases)
        higher = next((place for place, each in places if Version.parse(each.version) <= current), len(self._releases))
        return self._ways(str(current), 0, higher)

    def within_reach(self, release: Release) -> set[str]:
        """The version of that one of the releases, and those that a way leads to once a device has confirmed it."""
        ways = self._ways(release.version, release.sequence or 0, self._higher[bare(release.version)])
        return {release.version, *ways}

    def _ways(self, current: str, sequence: int, higher: int) -> dict[str, Release]:
        later = [each for each in self._releases[:higher] if _is_newer(each, sequence)]
        named = {each.version for each in self._naming.get(bare(current), ())}
        direct = [each for each in later if each.upgradable_from is None or each.version in named]
        firsts = {each.version: each for each in direct}
        hops = [(each, each) for each in direct]
        for last, first in hops:  # it grows: each release comes once, and brings those that name it
            for each in self._naming.get(bare(last.version), ()):
                if each.version not in firsts and self._leads(last, each):
                    firsts[each.version] = first
                    hops.append((each, first))
        return firsts

    def _leads(self, one: Release, other: Release) -> bool:
        is_higher = self._higher[bare(other.version)] < self._higher[bare(one.version)]
        return is_higher and _is_newer(other, one.sequence or 0)


def _is_newer(release: Release, sequence: int) -> bool:
    """Whether it was signed later than what has that sequence, or the server can sign it anew."""
    return release.signed_by == SERVER or (release.sequence or 0) > sequence
