"""What must hold after each flash operation, whatever the board is about to do."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Set
from typing import Any

from twinslot_sim import bootloader
from twinslot_sim.image import ImageError
from twinslot_sim.nor import SECTOR_SIZE
from twinslot_sim.otadata import State
from twinslot_sim.partitions import Partition

from .flash import Content, Look, Operation
from .trees import BUNDLE, Trees

SWITCHES_MAX = 4
"""An update, and three more tries of one whose trial lost its power."""

Rule = Callable[[Look], str]
"""What does not hold in a flash; empty when all does."""

_WITH_IMAGE = (0, 2)
_GIVEN_UP = ("rolled_back", "refused", "failed")


class Watch:
    """Looks at a flash, `content`, after each operation; `broken` tells what did not hold.

    `rule` is the scenario's own, and so are the `reasons` for which a release may be given up. What the board may do to
    otadata follows from what it has read since its last boot.
    While `is_hurt`, the flash holds what a fault of the chip has left: an image boots all the same, nothing is switched
    to that was not read back, and the running slot is not written; what else holds has to be put right by the end.
    """

    def __init__(self, content: Content, rule: Rule, reasons: Set[str]) -> None:
        self.broken: list[str] = []
        self.is_hurt = False
        self._content = content
        self._rule = rule
        self._reasons = reasons
        look = Look(content.data)
        self._table = look.table
        self._slots = look.slots
        self._runs = self._selected = look.boot
        self._states = _states(look)  # the last of each entry, by its sector and sequence
        self._floor = [0, 0, 0]  # the highest sequence, security version and failed sequence of all records
        self._record = look.record
        self._specification = _state(look)
        self._switches = 0
        trial = look.record.get("trial") or {}
        self._spent = {trial.get("sequence", 0): trial.get("arms", 0)}  # switches to a release, as the record counts
        self._tried = 0  # the sequence of the release that has begun its trial, while the power was on
        self._read: list[tuple[int, int]] = []  # stretches of the slot that does not run, since it was last written
        self._trees = Trees(look, self._claim, self._say)

    def booted(self, offset: int) -> None:
        """The bootloader has started what lies there."""
        look = Look(self._content.data)
        self._runs = next(slot for slot in self._slots if slot.offset == offset)
        self._selected, self._read = look.boot, []
        self._trees.booted(look)
        state = look.state(self._slots.index(self._runs))
        kept = look.record.get("confirmed", {}).get("slot", self._slots.index(self._runs))
        trial = look.record.get("trial") or {}
        if state == State.PENDING_VERIFY and trial.get("switched"):
            self._tried = trial["sequence"]
        if self._selected == self._runs and state == State.NEW:
            self._claim(f"{self._runs.label} runs, and its trial has not begun")
        if self._slots[kept] != self._runs and state not in (State.PENDING_VERIFY, State.VALID):
            self._claim(f"{self._runs.label} runs unconfirmed, {_name(state)} instead of PENDING_VERIFY")

    def power_returned(self) -> None:
        """What the board was in the middle of was none of its own doing."""
        self._tried = 0

    def is_in_slots(self, address: int) -> bool:
        return any(self._within(address, slot) for slot in self._slots)

    def was_read(self, address: int, length: int) -> None:
        """The device has read these bytes."""
        if self._within(address, self._table["vfs"]):
            self._trees.was_read(address, length)
        else:
            self._read.append((address, address + length))

    def operated(self, operation: Operation) -> None:
        """The operation is done, and the content is up to date."""
        address = operation.address
        if self._within(address, self._table["otadata"]):
            sector = (address - self._table["otadata"].offset) // SECTOR_SIZE
            self._look_at_otadata(Look(self._content.data), sector)
        elif self._within(address, self._table["nvs"]):
            look = Look(self._content.data)
            self._look_at_nvs(look)
            self._trees.look_at_numbers(look)
            self._obey(look)
        elif self._within(address, self._table["vfs"]):
            look = Look(self._content.data)
            self._trees.written(address, look)
            self._obey(look)
        elif self._within(address, self._selected) or self._within(address, self._runs):
            self._say(f"{operation}: in the slot that boots or runs")
        else:
            self._read = []
            if trial := self._record.get("trial"):
                self._claim(f"{operation}: in the slot of {trial['version']}, which is on its way")

    def ended(self) -> None:
        """The board has come to its end, and whatever a fault has left is put right; the floor comes with the next
        record."""
        self.is_hurt = False
        look = Look(self._content.data)
        self._look_at_selection(look)
        self._look_at_record(look, look.record)
        self._trees.ended(look)
        if (state := look.state(self._slots.index(self._selected))) != State.VALID:
            self._say(f"in the end {self._selected.label} is {_name(state)}")

    def _obey(self, look: Look) -> None:
        if self.is_hurt and look.record.get("confirmed", {}).get("slot", -1) < 0:  # a record that was lost knows little
            return
        if what := self._rule(look):
            self._say(what)

    def _look_at_otadata(self, look: Look, sector: int) -> None:
        """An image boots. What the sector says now may follow from what it said before."""
        self._look_at_selection(look)
        new = look.entries[sector]
        if not new.is_valid:
            return
        slot = (new.sequence - 1) % 2
        was = self._states.get((sector, new.sequence))
        may_be = {State.VALID, State.PENDING_VERIFY}
        if self._slots[slot] == self._runs and look.record.get("confirmed", {}).get("slot") in (slot, -1):
            may_be |= {State.NEW, State.ABORTED}  # selected once more, or fallen back to
        if new.state == State.VALID and self._states and was not in may_be:
            self._claim(f"{self._slots[slot].label} is VALID after {_name(was)}, without a trial")
        if new.state == State.NEW:
            self._switched(slot, look)
        self._states[sector, new.sequence] = new.state

    def _look_at_selection(self, look: Look) -> None:
        """The slot that is selected holds an image, or another one boots in its place."""
        try:
            bootloader.boot(Look(self._content.data).view)
        except bootloader.NoBootableImage as error:
            self._say(str(error))
        self._selected = look.boot
        try:
            bootloader.load(look.view, self._selected)
        except ImageError as error:
            self._claim(f"otadata names {self._selected.label}, which does not boot: {error}")

    def _switched(self, slot: int, look: Look) -> None:
        """The device has selected the slot."""
        if self._slots[slot] == self._runs:
            return
        self._switches += 1
        if self._switches > SWITCHES_MAX:
            self._say(f"switched {self._switches} times")
        trial = look.record.get("trial") or {}
        if trial.get("slot") != slot:
            self._claim(f"switched to {self._slots[slot].label}, which the record does not have on trial")
            return
        if not self._was_read_back(self._slots[slot], trial["size"]):
            self._say(f"switched to {self._slots[slot].label}, which was not read back in this boot")
        self._count(trial, look.record["failed"])

    def _count(self, trial: dict[str, Any], failed: int) -> None:
        """The device is about to try the release."""
        sequence = trial["sequence"]
        spent = self._spent[sequence] = self._spent.get(sequence, 0) + 1
        if trial["arms"] < spent:
            self._claim(f"switched to {trial['version']} {spent} times, of which its record counts {trial['arms']}")
        if sequence in (self._tried, failed) or trial["ended"]:
            self._claim(f"switched to {trial['version']} once more, though its trial has failed")

    def _was_read_back(self, slot: Partition, size: int) -> bool:
        to = slot.offset
        for start, end in sorted(self._read):
            if start <= to < end:
                to = end
        return to >= slot.offset + size

    def _look_at_nvs(self, look: Look) -> None:
        record, was = look.record, self._record
        if was and not record:
            self._claim("the record is gone")
        if not record:
            return
        kept = record["confirmed"]["sequence"], record["confirmed"]["security"], record["failed"]
        floor = _numbers(look.blob("floor"))
        if record != was:
            self._record = record
            self._look_at_record(look, record)
            self._look_at_change(record, was)
            if floor != kept:
                self._claim(f"the floor is {floor}, and the record has {kept}")
        before, self._specification = self._specification, _state(look)
        if self._specification == State.NEW != before and not record["trial"]:
            self._claim("a specification is to be tried, and none is on its way")
        elif self._specification == State.NEW != before:
            self._count(record["trial"], record["failed"])
        self._floor = [max(each) for each in zip(self._floor, kept, strict=True)]
        if any(a < b for a, b in zip(floor, self._floor, strict=True)):
            self._claim(f"the floor is {floor}, below {self._floor}, which a record had")

    def _look_at_record(self, look: Look, record: dict[str, Any]) -> None:
        """Nothing in the record is about flash that does not hold it."""
        trial, confirmed = record["trial"] or {}, record["confirmed"]
        for release in (trial, confirmed):
            if not release or release["sha256"] is None:
                continue
            has_image = release.get("kind", 0) in _WITH_IMAGE
            if release is trial and has_image and trial["slot"] == confirmed["slot"]:
                self._claim("the release on its way is in the slot of the one that is kept")
            slot = self._slots[release["slot"]]
            size = release.get("size", 0) if has_image else 0
            if size and hashlib.sha256(look.slot_bytes(release["slot"], size)).hexdigest() != release["sha256"]:
                self._claim(
                    f"the record says that {release['version']} lies in {slot.label}, which holds another image"
                )
        for release in (trial, confirmed):
            if release and release.get("place") is not None and not look.blob(f"spec{release['place']}"):
                self._claim(f"the record names spec{release['place']}, which is empty")
            if release and release.get("keys") and not look.blob(f"keys{release['keys'][0]}"):
                self._claim(f"the record names keys{release['keys'][0]}, which is empty")
        if trial and trial["arms"] > SWITCHES_MAX and trial["arms"] != 255:
            self._say(f"armed {trial['arms']} times")

    def _look_at_change(self, record: dict[str, Any], was: dict[str, Any]) -> None:
        """What is kept changes only when nothing is on its way any more; what was on its way is what is kept now, or
        the record says why not."""
        over = (was.get("trial") or {}) if not record["trial"] else {}
        if not record["trial"]:
            self._spent = {}
        elif was and record["confirmed"] != was["confirmed"]:
            self._claim(f"what is kept has changed while {record['trial']['version']} is on its way")
        if not over:
            return
        report, kept = record["report"] or {}, record["confirmed"]
        told = report.get("event"), report.get("version"), report.get("sequence")
        if kept["sequence"] == over["sequence"]:
            brought = "bundle" if over["kind"] & BUNDLE else "sha256"
            if kept[brought] != over["sha256"] or any(
                kept[key] != over[key] for key in ("version", "security", "slot")
            ):
                self._claim(f"{over} has become {kept}")
            if told != ("confirmed", over["version"], over["sequence"]):
                self._claim(f"{over['version']} is confirmed, and reported is {report}")
        elif told not in ((event, over["version"], over["sequence"]) for event in _GIVEN_UP):
            self._claim(f"{over['version']} is given up, and reported is {report}")
        elif report["reason"] not in self._reasons:
            self._claim(f"{over['version']} is given up because of: {report['reason']}")
        elif report["reason"] == "power" and over["arms"] < SWITCHES_MAX:
            self._claim(f"{over['version']} is given up after {over['arms']} power cuts")

    def _within(self, address: int, partition: Partition) -> bool:
        return partition.offset <= address < partition.offset + partition.size

    def _claim(self, what: str) -> None:
        if not self.is_hurt:
            self._say(what)

    def _say(self, what: str) -> None:
        self.broken.append(what)


def _state(look: Look) -> int | None:
    """How far the trial of a release without an image is (docs/protocol.md, "How a tree runs")."""
    number = look.number("spec_state")
    return None if number is None else number & 7


def _states(look: Look) -> dict[tuple[int, int], int]:
    return {(sector, entry.sequence): entry.state for sector, entry in enumerate(look.entries) if entry.is_valid}


def _name(state: int | None) -> str:
    return "no state" if state is None else State(state).name


def _numbers(floor: bytes) -> tuple[int, ...]:
    """Sequence, security version and failed sequence (firmware/twinslot/record.py); none is above -1."""
    return struct.unpack_from("<III", floor) if floor else (-1, -1, -1)
