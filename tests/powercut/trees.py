"""What must hold of a board's two trees, and of the numbers in NVS that name them, whatever the board is about to do.

All is judged by what docs/protocol.md, "A bundle", says, and by the list that the tests' own maker makes of a tree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from twinslot_sim.nor import SECTOR_SIZE
from twinslot_sim.otadata import State

from ..vectors.bundle_file import listed
from .flash import Look

ROOTS = {1: "/app_a/", 2: "/app_b/"}
LIST = ".list"
BUNDLE = 8
"""Of a release's kind."""

_NUMBERS = (None, 0, *ROOTS)
_UNTRIED = (State.NEW, State.PENDING_VERIFY)

TOLD_BYTES = 640
"""Of what is read piece by piece, less than 512 bytes in a row are not told (sim/twinslot_sim/port/_chip.py)."""

Files = dict[str, bytes]


class Trees:
    """Looks at the trees after each operation in the file system, and at the numbers after each one in NVS; `claim` is
    told what does not hold, `say` what may not happen even where a fault of the chip has left its traces. What may be
    tried follows from what the board has read since its last boot."""

    def __init__(self, look: Look, claim: Callable[[str], None], say: Callable[[str], None]) -> None:
        self._claim = claim
        self._say = say
        self._read: set[int] = set()  # sectors of the file system, since they were last written
        self._lying = {tree: below(look.files or {}, root) for tree, root in ROOTS.items()}
        self._holds: dict[int, str | None] = {}  # SHA-256 of the list of each tree that has to hold a bundle
        self._kept, self._spec_state = look.number("tree"), look.number("spec_state")
        self._trial = 0  # where the release on its way lies
        self.booted(look)

    def booted(self, look: Look) -> None:
        """The board has started, and knows nothing of what it read before."""
        self._read.clear()
        state, tree = _parts(self._spec_state)
        self._runs = (tree if state == State.NEW else 0) or self._kept or 0
        self._trial = _tree_of(look.record.get("trial"))

    def was_read(self, address: int, length: int) -> None:
        """The device has read these bytes of the file system."""
        self._read.update(range(address - address % SECTOR_SIZE, address + length, SECTOR_SIZE))

    def written(self, address: int, look: Look) -> None:
        """A tree that runs, that is kept, or to which the device is about to switch, is as it was; where a list has
        come, all that it names lies there already."""
        self._read.discard(address - address % SECTOR_SIZE)
        if look.files is None:
            self._claim("the file system does not mount")
            return
        for tree, root in ROOTS.items():
            before, self._lying[tree] = self._lying[tree], below(look.files, root)
            if tree in (self._runs, self._kept, self._trial) and self._lying[tree] != before:
                changed = sorted(path for path, _ in before.items() ^ self._lying[tree].items())
                tell = self._claim if tree == self._trial else self._say
                tell(f"{root} is in use, and {changed[0]} in it has changed")
            listing = self._lying[tree].get(LIST)
            if listing and listing != before.get(LIST) and (what := not_whole(look, tree, _digest(listing))):
                self._claim(f"the list has come, and {what}")

    def look_at_numbers(self, look: Look) -> None:
        """Each number is one that the protocol knows, and may follow from what it was before."""
        kept, spec_state = look.number("tree"), look.number("spec_state")
        state, tree = _parts(spec_state)
        if kept not in _NUMBERS or tree not in _NUMBERS or state not in (*State, None):
            self._claim(f"NVS has the numbers tree = {kept}, spec_state = {spec_state}")
            return
        if spec_state != self._spec_state and state in _UNTRIED:
            self._look_at_trial(look, tree)
        if kept != self._kept and (kept, State.PENDING_VERIFY) != (self._runs, state):
            self._claim(f"tree {kept} is kept, and what runs on trial is {self._runs}")
        self._kept, self._spec_state = kept, spec_state
        self._trial = _tree_of(look.record.get("trial"))
        self._look_at_what_lies(look)

    def ended(self, look: Look) -> None:
        """The board has come to its end."""
        self._holds = {}
        self.look_at_numbers(look)

    def _look_at_trial(self, look: Look, tree: int) -> None:
        """The tree that the next boot tries is that of the release on its way, whole, and nothing runs from it; the
        device has read all of it, unless that boot is already this one."""
        trial = look.record.get("trial") or {}
        if tree != _tree_of(trial):
            self._claim(f"tree {tree} is to be tried, and the record has {_tree_of(trial)} on trial")
        elif tree and (what := not_whole(look, tree, trial["sha256"])):
            self._claim(f"{what}, and it is to be tried")
        elif tree and self._spec_state != State.NEW + 8 * tree:
            if tree in (self._runs, self._kept):
                self._claim(f"tree {tree} is to be tried, and runs or is kept already")
            if not self._was_read_back(look, tree):
                self._claim(f"tree {tree} is to be tried, and was not read back in this boot")

    def _was_read_back(self, look: Look, tree: int) -> bool:
        return self._read.issuperset(look.sectors(ROOTS[tree], TOLD_BYTES))

    def _look_at_what_lies(self, look: Look) -> None:
        """The tree that is kept has the bundle that the record has confirmed, or has on trial and is about to confirm;
        without such a tree there is no such bundle. A tree on trial has its bundle."""
        kept, trial = look.record.get("confirmed") or {}, look.record.get("trial") or {}
        holds = {self._kept or 0: kept.get("bundle")}
        if self._trial:
            holds[self._trial] = trial["sha256"]
        if holds == self._holds or kept.get("slot", -1) < 0:  # a record that was lost knows of no bundle
            return
        self._holds = holds
        for tree, digest in holds.items():
            if tree and (what := not_whole(look, tree, digest)):
                self._claim(what)
            elif digest and not tree:
                self._claim("the record has confirmed a bundle, and no tree is kept")


def below(files: Files, root: str) -> Files:
    """What is below that folder, by its path there; folders end with a slash."""
    return {path.removeprefix(root): data for path, data in files.items() if path.startswith(root) and path != root}


def not_whole(look: Look, tree: int, digest: str | None) -> str:
    """What is wrong with the tree, which is to hold the bundle whose list has that SHA-256 and nothing else; empty when
    it does."""
    lying = {path: data for path, data in below(look.files or {}, ROOTS[tree]).items() if path[-1] != "/"}
    listing = lying.pop(LIST, b"")
    if _digest(listing) != digest:
        return f"tree {tree} does not have the list {digest and digest[:8]}"
    return "" if listing == listed(dict(sorted(lying.items()))) else f"tree {tree} does not hold what its list says"


def _digest(listing: bytes) -> str:
    return hashlib.sha256(listing).hexdigest()


def _parts(spec_state: int | None) -> tuple[int | None, int]:
    """The state, None for none, and the tree of `spec_state`."""
    return (None, 0) if spec_state is None else (spec_state & 7, spec_state >> 3)


def _tree_of(trial: dict[str, Any] | None) -> int:
    """Where the bundle on its way lies, 0 for nowhere; one whose trial has ended is not on its way any more."""
    tree: int = (trial.get("tree") or 0) if trial and not trial["ended"] else 0
    return tree
