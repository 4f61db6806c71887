"""Releases of images and of bundles, of which neither kind is jumped.

The two share an application's versions, and what a release does not carry stays as it is on the device. So when the
highest release in reach carries an image, the highest in reach that carries a bundle comes before it, and the other way
round. It does not when the former would be out of reach after it, by `upgradable_from` or by an older signature; nor
does anything come before a specification alone that is the highest.
"""

from collections.abc import Mapping, Sequence

from twinslot_host.domain.graph import Graph, Way
from twinslot_host.domain.release import Release


def other_kind_first(way: Way, graph: Graph, ways: Mapping[str, Release], takeable: Sequence[Release]) -> Way:
    """The way to what comes before the end of this one, which is the highest release in reach; or this one.

    `ways` are those of the device through the graph of the `takeable`, which go from the highest version down.
    """
    others = (each for each in takeable if each.carries_other(way.end))
    other = next((each for each in others if each.version in ways), None)
    if other is None or way.end.version not in graph.within_reach(other):
        return way
    return Way(ways[other.version], other, before=way.end)
