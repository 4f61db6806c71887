"""A simulated board that goes from what lies in a flash to the end of its scenario, under watch."""

from __future__ import annotations

import asyncio
import os
import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from twinslot_sim import micropython
from twinslot_sim.board import Board
from twinslot_sim.errors import TwinslotError
from twinslot_sim.nor import SECTOR_SIZE, Probe, wear_path

from .flash import Content, Look, Operation
from .watch import Rule, Watch

PATIENCE_S = 120
REBOOTS = 2
NOT_AT_ITS_END = f"not at its end after {PATIENCE_S} s"
_LOADED = re.compile(r"Loaded app from partition at offset 0x([0-9a-f]+)")
BOOTED = re.compile(r"twinslot: slot (\d), (\S+), (\w+)")

Ended = Callable[[Look], bool]
"""Whether a board with that flash has come to the end of its scenario."""


@dataclass(frozen=True)
class Scenario:
    """From the flash content `start` a board gets to where `ended` is true; `rule` holds all the while."""

    start: bytes
    ended: Ended
    rule: Rule
    reasons: frozenset[str] = frozenset()
    """Why a release may be given up."""
    tidy: Rule = lambda look: ""
    """What holds in the end as well, but where a fault of the flash was in the way."""
    outage: str = ""
    """What a board prints just before its power fails, each time; empty when it never does."""


@contextmanager
def _file(path: Path, data: bytearray) -> Iterator[int]:
    """A flash file with that content, open to be spoiled; gone afterwards."""
    path.write_bytes(data)
    file = os.open(path, os.O_RDWR)
    try:
        yield file
    finally:
        os.close(file)
        path.unlink()
        wear_path(path).unlink(missing_ok=True)


class Paths:
    """What boards have passed that came to a good end: in the n-th boot since the power returned, a flash with that
    fingerprint. Who gets there goes the same way from there on, so one that has gone it is enough."""

    def __init__(self) -> None:
        self._passed: set[tuple[int, int]] = set()

    def __contains__(self, place: tuple[int, int]) -> bool:
        return place in self._passed

    def add(self, run: Run) -> None:
        """What this run has passed counts from now on, if it was good."""
        if not run.broken:
            self._passed.update(run.places)


class Run(Probe):
    """One board's way. `broken` says what did not hold on it; `joined`, whether it ended where another one had passed;
    `needs_restart`, whether it would have come no further without somebody who restarts it.

    With `unstable`, the sector that begins there was being erased when the power failed: some of its bits read as
    zeros at one time and as ones at another, by the dice, until it is erased.
    """

    def __init__(
        self,
        scenario: Scenario,
        start: Content,
        paths: Paths | None = None,
        unstable: int | None = None,
        dice: random.Random | None = None,
    ) -> None:
        self.start = start
        self.content = start.copy()
        self.operations: list[Operation] = []
        self.places: list[tuple[int, int]] = []
        self.broken: list[str] = []
        self.joined = False
        self.needs_restart = False
        self.log = ""
        self._scenario = scenario
        self._paths = paths or Paths()
        self._unstable = unstable
        self._like_chip = self._began_unstable = unstable is not None
        self._dice = dice or random.Random(0)
        self._watch = Watch(self.content, scenario.rule, scenario.reasons)
        self._news = asyncio.Event()
        self._is_new = True  # what lies beside the slots

    @property
    def is_broken(self) -> bool:
        """Whether something did not hold so far."""
        return bool(self.broken or self._watch.broken)

    def content_when(self, what: Callable[[Look], bool]) -> bytes:
        """What the flash held when that became true."""
        content = self.start.copy()
        for operation in self.operations:
            content.write(operation.address, operation.effect)
            if what(Look(content.data)):
                break
        return bytes(content.data)

    async def go(self, flash: Path, reboots: int = REBOOTS) -> None:
        """The board has come to an end, and was started so often again; `flash` is a file for it, gone afterwards."""
        with _file(flash, self.start.data) as self._flash:
            while await self._on(flash, self._to_the_end) and self._is_dark:
                self.log += "\n-- power returns --\n"
                self._watch.power_returned()
            self._paths = Paths()  # from here on it is this board's own
            for _ in range(0 if self.joined or self.is_broken else reboots):
                self.log += "\n-- power returns --\n"
                await self._on(flash, self._to_the_first_line)
        self.broken += self._watch.broken
        del self._board  # which knows this run: together they would keep some MiB until the collector comes

    async def _on(self, flash: Path, until: Callable[[], bool]) -> bool:
        """The board was on until that became true, or the power failed as the scenario has it; whether all is well."""
        self._booted_at, self._is_dark = len(self.log), False
        self._board = Board(
            flash,
            interpreter=micropython.find(),
            probe=self,
            on_output=self._hear,
            like_chip=self._like_chip,
        )
        running = asyncio.ensure_future(self._board.run())
        running.add_done_callback(lambda _: self._news.set())
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not (running.done() or self.joined or self.is_broken or self._is_dark or until()):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            self.broken.append(NOT_AT_ITS_END)
        self._board.power_off()
        try:
            await running
        except TwinslotError as error:
            self.broken.append(f"{type(error).__name__}: {error}")
        return not (self.joined or self.is_broken)

    def _to_the_end(self) -> bool:
        if not self._is_new:
            return False
        self._is_new = False
        look = Look(self.content.data)
        has_ended = self._scenario.ended(look)
        if has_ended and not self._watch.is_hurt and (what := self._scenario.tidy(look)):
            self.broken.append(what)
        return has_ended

    def _to_the_first_line(self) -> bool:
        """The board has said what its boot is: it keeps what it has confirmed."""
        said = BOOTED.search(self.log, self._booted_at)
        if said:
            kept = Look(self.content.data).record["confirmed"]
            slot = int(said[1]) if kept["slot"] < 0 else kept["slot"]  # a record that was lost does not tell
            right = ("settled", "astray") if self._began_unstable else ("settled",)  # what flickers has to be put right
            if (int(said[1]), said[2]) != (slot, kept["version"]) or said[3] not in right:
                self.broken.append(f"confirmed {kept['version']}, then booted with: {said[0]}")
        return bool(said)

    def operated(self, address: int, data: bytes | None) -> None:
        operation = Operation(address, data)
        self.content.write(address, operation.effect)
        self._watch.operated(operation)
        self.operations.append(operation)
        at = self._unstable
        if data is not None and at is not None and 0 <= address - at < SECTOR_SIZE and self._watch.is_in_slots(at):
            self.broken.append(f"{operation}: in a sector that was not erased")
        if data is None and address == self._unstable:
            self._unstable = None
        if self._is_as_it_seems():
            place = self._board.boots, self.content.fingerprint
            self.joined |= place in self._paths
            self.places.append(place)
        self._is_new |= not self._watch.is_in_slots(address)
        if self._is_new or self.joined or self._watch.broken:
            self._news.set()

    def _is_as_it_seems(self) -> bool:
        """Whether boards with this content go the same way."""
        return self._unstable is None

    def is_read(self, address: int, length: int) -> None:
        self._shake(address, length)

    def was_read(self, address: int, length: int) -> None:
        self._watch.was_read(address, length)
        self._shake(address, length)

    def _shake(self, address: int, length: int) -> None:
        """The bits that are not stable have changed, before they are read again."""
        at = self._unstable
        if at is None or not (address < at + SECTOR_SIZE and at < address + length):
            return
        was = int.from_bytes(self.start.data[at : at + SECTOR_SIZE], "little")
        ones = self._dice.choice(
            (0, -1, self._dice.getrandbits(8 * SECTOR_SIZE), 1 << self._dice.randrange(8 * SECTOR_SIZE))
        )
        now = (was | ones & (1 << 8 * SECTOR_SIZE) - 1).to_bytes(SECTOR_SIZE, "little")
        os.pwrite(self._flash, now, at)
        self.content.write(at, now)

    def _hear(self, data: bytes) -> None:
        said = data.decode("utf-8", "replace").replace("\r\n", "\n")
        for match in _LOADED.finditer(said):
            self._watch.booted(int(match[1], 16))
        self.log += said
        outage = self._scenario.outage
        self._is_dark |= bool(outage) and outage in self.log[self._booted_at :]
        if "\n" in said:
            self._news.set()
