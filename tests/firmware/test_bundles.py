"""How bundles get into a tree: the wire examples, trees with leftovers, flash without room, connections that break."""

from __future__ import annotations

from twinslot_sim import micropython

from .test_transfer import prove


def test_bundles_end_with_the_tree_as_listed_or_a_reason() -> None:
    proven = prove("bundles", [*micropython.find(), "-X", "heapsize=8m"])
    assert proven["wrong"] == []
    assert proven["proven"] > 200
