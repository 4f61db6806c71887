"""Has the flash of a board fail at each operation of its scenario, do nothing there and not say so, or lose a bit."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from twinslot_sim.errors import Esp, EspError
from twinslot_sim.nor import SECTOR_SIZE, Spoiled
from twinslot_sim.otadata import State
from twinslot_sim.partitions import Partition

from .cutting import Cutting, Lots
from .flash import Content, Look, Operation
from .runs import BOOTED, NOT_AT_ITS_END, Paths, Run, Scenario
from .trees import ROOTS, TOLD_BYTES

Place = tuple[int, bool]

_OVER = re.compile("twinslot: (confirmed|rolled back) ")
_NOT_KEPT = "NVS did not"
"""A release that NVS does not let be tried or confirmed may be given up, since each boot ends a trial."""
_WAITS = re.compile("NvsRefused a restart is due")
"""NVS takes no more before the next start, which the device makes after an hour (docs/troubleshooting.md)."""
_NOT_OPENED = f"EspError: {EspError(Esp.ESP_ERR_FLASH_OP_FAIL)}"


@dataclass(frozen=True)
class Fault:
    """What goes wrong, once: the `turn`-th operation of its kind at its address is spoiled, or a bit flips after it."""

    operation: Operation
    turn: int
    spoiled: Spoiled | None = None
    bit: int = 0
    """Its number in the flash; when nothing is spoiled."""

    def __str__(self) -> str:
        how = self.spoiled.name if self.spoiled else f"bit {self.bit % 8} of {self.bit // 8:#x} flips"
        return f"{self.operation}, time {self.turn}, {how}"


class FaultyRun(Run):
    """One board's way, on which it meets a fault.

    What the fault has left need not be right at each step, but in the end. The board's RAM knows nothing of it, so only
    from the next boot on it goes the same way as others with this flash.
    """

    def __init__(self, scenario: Scenario, start: Content, fault: Fault, paths: Paths | None = None) -> None:
        super().__init__(scenario, start, paths)
        self._fault = fault
        self._like_chip = True
        self._turn = 0
        self._met_in = 0  # which boot, the first being 1
        self._waits = False  # for its restart

    async def go(self, flash: Path, *how: int) -> None:
        """As `Run.go`; and what the fault has left is put right."""
        await super().go(flash, *how)
        if self.broken == [_NOT_OPENED]:  # the chip would go on without NVS until the next reset
            self.broken, self.needs_restart = [], True
        elif not self._met_in:
            self.broken.append("the fault was not met")
        elif not (self.joined or self.broken) and Look(self.content.data).record:
            self._watch.ended()
            self.broken += self._watch.broken
            if not self._scenario.reasons and Look(self.content.data).record["failed"] and _NOT_KEPT not in self.log:
                self.broken.append("the release is given up")

    async def _on(self, flash: Path, until: Callable[[], bool]) -> bool:
        """As `Run._on`. MicroPython's LittleFS may hang once flash has refused something: an exception leaves it with
        a list of its own half done, until the next reset."""
        well = await super()._on(flash, until)
        if self._waits:
            self._waits, self.needs_restart = False, True
            return await super()._on(flash, until)
        refused = self._fault.spoiled is Spoiled.FAILS and _is_in(
            Look(self.content.data).table["vfs"], self._fault.operation
        )
        if self.broken != [NOT_AT_ITS_END] or not refused or self.needs_restart:
            return well
        self.broken, self.needs_restart = [], True
        return await super()._on(flash, until)

    def _to_the_end(self) -> bool:
        self._waits = bool(_WAITS.search(self.log, self._booted_at))
        if self._waits:
            return True
        if Look(self.content.data).record:
            return super()._to_the_end()
        self.needs_restart = bool(_OVER.search(self.log))  # RAM has a record still, and flash has none
        return self.needs_restart

    def _to_the_first_line(self) -> bool:
        if not self._watch.is_hurt:
            return super()._to_the_first_line()
        look = Look(self.content.data)
        if BOOTED.search(self.log, self._booted_at) and look.state(look.slots.index(look.boot)) == State.VALID:
            self._watch.is_hurt = not look.record  # the first boot after the end may have to put something right
            return True
        return False

    def spoils(self, address: int, data: bytes | None) -> Spoiled | None:
        return self._fault.spoiled if self._fault.spoiled and self._meets(address, data) else None

    def operated(self, address: int, data: bytes | None) -> None:
        if not self._fault.spoiled and self._meets(address, data):
            at, bit = divmod(self._fault.bit, 8)
            flipped = bytes([self.content.data[at] ^ 1 << bit])
            self.content.write(at, flipped)
            os.pwrite(self._flash, flipped, at)
        super().operated(address, data)

    def _meets(self, address: int, data: bytes | None) -> bool:
        """Whether it is now that the fault happens."""
        self._turn += _place(Operation(address, data)) == _place(self._fault.operation)
        if self._met_in or self._turn < self._fault.turn:
            return False
        self._met_in, self._watch.is_hurt = self._board.boots, True
        return True

    def _is_as_it_seems(self) -> bool:
        return bool(self._met_in) and self._board.boots > self._met_in


class Faulting(Cutting):
    """Tries those faults of one scenario that the lots take."""

    def _chosen(  # type: ignore[override]
        self, before: str, run: Run, left: int, *, within: bool
    ) -> Iterator[tuple[str, Fault, Content]]:
        for fault, content in itertools.chain(
            spoiled(run.start, run.operations), flipped(run.start, run.operations, self._lots)
        ):
            if self._lots.takes(str(fault)):
                yield str(fault), fault, content

    def _run(self, fault: Fault, content: Content, paths: Paths | None) -> Run:  # type: ignore[override]
        return FaultyRun(self._scenario, content, fault, paths)


def _place(operation: Operation) -> Place:
    return operation.address, operation.data is None


def spoiled(start: Content, operations: list[Operation]) -> Iterator[tuple[Fault, Content]]:
    """Each operation of a recorded run, failing and lost, with what the flash holds when the board is switched on for
    it. Of each sector of a slot these are its erase and its first page. What is lost in NVS while nothing is on its way
    shows with the next start only, and none follows: it is left out."""
    now = start.copy()
    for operation, turn, content in _occasions(start, operations):
        in_slot = _is_in_slots(content, operation)
        look = Look(now.data)
        shows = not _is_in(look.table["nvs"], operation) or look.record.get("trial")
        now.write(operation.address, operation.effect)
        if in_slot and operation.address % SECTOR_SIZE:
            continue
        yield Fault(operation, turn, Spoiled.FAILS), content
        if shows:
            yield Fault(operation, turn, Spoiled.LOST), content


def flipped(start: Content, operations: list[Operation], lots: Lots) -> Iterator[tuple[Fault, Content]]:
    """Each operation of a recorded run, from the one with which the record knows of the image on its way to the one
    with which that boots; a bit of the image flips after it. Of a bundle, one of each sector full of its files, and
    only with the first of those operations: what boot.py runs it has not read."""
    now = start.copy()
    was_known = bool(Look(start.data).record.get("trial"))
    for operation, turn, content in _occasions(start, operations):
        now.write(operation.address, operation.effect)
        look = Look(now.data)
        trial = look.record.get("trial")
        if not (trial and trial["size"]) or _is_in_slots(content, operation):
            continue
        if trial["tree"]:
            for sector in [] if was_known else look.sectors(ROOTS[trial["tree"]], TOLD_BYTES):
                lot = lots.of(f"{operation}, time {turn}, in {sector:#x}")
                yield Fault(operation, turn, bit=8 * sector + int(lot * 8 * TOLD_BYTES)), content
            return
        bit = int(lots.of(f"{operation}, time {turn}") * 8 * trial["size"])
        yield Fault(operation, turn, bit=8 * look.slots[trial["slot"]].offset + bit), content
        if look.state(trial["slot"]) == State.PENDING_VERIFY:
            return


def _occasions(start: Content, operations: list[Operation]) -> Iterator[tuple[Operation, int, Content]]:
    """Each operation of a run, how often there was one of its kind at its address by then, and what the flash holds
    when the board is switched on to come to it: just before it when it is in a slot, where boards go on; else behind
    the last of those."""
    content, since = start.copy(), start.copy()
    turns: dict[Place, int] = {}
    for operation in operations:
        in_slot = _is_in_slots(start, operation)
        place = _place(operation)
        if in_slot:
            yield operation, 1, content
        else:
            turns[place] = turns.get(place, 0) + 1
            yield operation, turns[place], since
        content.write(operation.address, operation.effect)
        if in_slot:
            since, turns = content.copy(), {}


def _is_in_slots(content: Content, operation: Operation) -> bool:
    return any(_is_in(slot, operation) for slot in Look(content.data).slots)


def _is_in(partition: Partition, operation: Operation) -> bool:
    return 0 <= operation.address - partition.offset < partition.size
