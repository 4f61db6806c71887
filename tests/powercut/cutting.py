"""Cuts the power of a board at each operation of its scenario, and has it run on."""

from __future__ import annotations

import asyncio
import gc
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .flash import Content, Cut, cuts
from .runs import Paths, Run, Scenario

AT_ONCE = 6
TO_THE_END = 0.02  # of all run-ons
COLLECT_EVERY = 64  # a board and its parts know each other, and each keeps some MiB


@dataclass
class Tally:
    """What became of the boards; `failures` are the places of cuts, and what did not hold then."""

    operations: int = 0
    tried: int = 0
    joined: int = 0
    restarted: int = 0
    failures: list[str] = field(default_factory=list)


class Lots:
    """Draws that depend on the seed and on what is drawn for, and on nothing else: `takes` says yes to the `part`-th
    `share` of all things."""

    def __init__(self, seed: str, share: float = 1.0, part: int = 0) -> None:
        self._seed = seed
        self._share = share
        self._part = part

    def takes(self, what: str) -> bool:
        return self._part <= self.of(what) / self._share < self._part + 1

    def of(self, what: str) -> float:
        return self.dice(what).random()

    def dice(self, what: str) -> random.Random:
        return random.Random(f"{self._seed} {what}")


class Cutting:
    """Tries those cuts of one scenario that the lots take."""

    def __init__(self, scenario: Scenario, folder: Path, lots: Lots) -> None:
        self.tally = Tally()
        self.on_failure: Callable[[str], None] = lambda what: None
        self._scenario = scenario
        self._folder = folder
        self._lots = lots
        self._free = asyncio.Semaphore(AT_ONCE)
        self._number = 0
        # What was done already serves only those on whose way no more cuts are to follow than on that one's.
        self._paths: dict[int, Paths] = defaultdict(Paths)
        self._started: dict[tuple[int, int | None], int] = {}

    async def go(self, cuts_in_a_row: int = 1, until_failure: bool = False) -> None:
        """Each cut was tried, and with 2 `cuts_in_a_row` also each second one on the way from there."""
        whole = Run(self._scenario, Content(self._scenario.start))
        await whole.go(self._file())
        self.tally.operations = len(whole.operations)
        self._judge("without a cut", whole, cuts_in_a_row)
        if whole.broken:
            return
        tasks: list[asyncio.Task[None]] = []
        for name, cut, content in self._chosen("", whole, cuts_in_a_row, within=cuts_in_a_row == 1):
            if until_failure and self.tally.failures:
                break
            await self._free.acquire()
            tasks.append(asyncio.create_task(self._one(name, cut, content.copy(), cuts_in_a_row - 1)))
        await asyncio.gather(*tasks)

    async def _one(self, name: str, cut: Cut, content: Content, left: int) -> None:
        """A board ran on from there, and those whose power failed on its way, when cuts are `left`."""
        try:
            to_the_end = self._lots.of(f"{name} to the end") < TO_THE_END
            run = self._run(cut, content, None if to_the_end else self._paths[left])
            await run.go(self._file())
        finally:
            self._free.release()
        self._judge(name, run, left)
        if left and not run.broken:
            for second, after, content_then in self._chosen(f"{name}, then ", run, left, within=False):
                await self._free.acquire()
                await self._one(second, after, content_then.copy(), left - 1)

    def _run(self, cut: Cut, content: Content, paths: Paths | None) -> Run:
        return Run(self._scenario, content, paths, cut.unstable, self._lots.dice(f"{cut}"))

    def _chosen(self, before: str, run: Run, left: int, *, within: bool) -> Iterator[tuple[str, Cut, Content]]:
        """The cuts of a run that are to be tried, with their names; none from which as many have followed before."""
        for cut, content in cuts(run.start, run.operations, within=within):
            start = content.fingerprint, cut.unstable
            if self._started.get(start, 0) < left and self._lots.takes(f"{before}{cut}"):
                self._started[start] = left
                yield f"{before}{cut}", cut, content

    def _judge(self, name: str, run: Run, left: int) -> None:
        self.tally.tried += 1
        self.tally.joined += run.joined
        self.tally.restarted += run.needs_restart
        if self.tally.tried % COLLECT_EVERY == 0:
            gc.collect()
        for fewer in range(left + 1):
            self._paths[fewer].add(run)
        for what in run.broken:
            self.tally.failures.append(f"{name}: {what}")
            self.on_failure(self.tally.failures[-1])

    def _file(self) -> Path:
        self._number += 1
        return self._folder / f"{self._number}.bin"
