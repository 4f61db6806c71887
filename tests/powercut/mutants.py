"""Seeds faults into the device code, one at a time, and looks whether the power cuts bring them to light.

    python -m tests.powercut.mutants [MUTANT …]

A mutant is a patch in `mutants/`. What stands above the diff says what is wrong with it, and `Caught by:` in which
scenario that shows, `with faults` when it takes a flash that fails. Where it does not show there, the other scenarios
are tried with a sample of their cuts. One that shows nowhere survives, and has to say why: `Survives:`. Ends with 1
when one has not, when fewer than 95 % are caught, or when the code as it is does not come through the scenarios either:
then nothing that shows tells anything.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .proving import SEED, prove
from .scenarios import ALL
from .stage import ROOT, VARIANTS, Variant

PATCHES = Path(__file__).parent / "mutants"
CAUGHT_LEAST = 0.95
_WITH_FAULTS = " with faults"
SAMPLE = 0.1  # of the cuts of a scenario that a mutant does not name


@dataclass(frozen=True)
class Mutant:
    """A fault in the device code, as the file `patch` has it."""

    patch: Path

    @property
    def name(self) -> str:
        return self.patch.stem

    @cached_property
    def scenario(self) -> str:
        """In which it is expected to show."""
        return self._says("Caught by").removesuffix(_WITH_FAULTS)

    @cached_property
    def needs_faults(self) -> bool:
        """Whether it takes a flash that fails for it to show there, not power that does."""
        return self._says("Caught by").endswith(_WITH_FAULTS)

    @cached_property
    def survives(self) -> str:
        """Why it shows nowhere; empty when it should."""
        return self._says("Survives")

    def seed(self, folder: Path) -> None:
        """The folder has the device code with this fault. Raises CalledProcessError where the patch does not fit."""
        for room in ("firmware", "boot"):
            shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
        # In a repository's folder, git would take the paths from that one's root.
        outside = {**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent)}
        subprocess.run(["git", "apply", self.patch.resolve()], cwd=folder, env=outside, check=True)

    def _says(self, what: str) -> str:
        said = re.search(rf"^{what}: (.*)$", self.patch.read_text().partition("\n--- ")[0], re.MULTILINE)
        return said[1].strip() if said else ""


def mutants() -> list[Mutant]:
    """All of them, by name."""
    return [Mutant(patch) for patch in sorted(PATCHES.glob("*.patch"))]


def caught(mutant: Mutant) -> str:
    """Where the mutant showed first, and what did not hold there; empty when it never did."""
    cases = [(mutant.scenario, variant, 1.0) for variant in VARIANTS]
    cases += [(name, VARIANTS[0], SAMPLE) for name in ALL if name != mutant.scenario]
    with tempfile.TemporaryDirectory() as name:
        device = Path(name)
        mutant.seed(device)
        for scenario, variant, share in cases:
            faults = mutant.needs_faults and scenario == mutant.scenario
            if failure := _failure(scenario, variant, share, device, faults):
                return f"{scenario}, {variant}, {failure}"
    return ""


def unsound(scenario: str, faults: bool) -> str:
    """What does not hold in a sample of that scenario though the code is as it is; empty when all does."""
    return _failure(scenario, VARIANTS[0], SAMPLE, ROOT, faults)


def _failure(scenario: str, variant: Variant, share: float, device: Path, faults: bool = False) -> str:
    """The first of what did not hold in that scenario."""
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            tally = asyncio.run(prove(scenario, variant, share=share, faults=faults, device=device, until_failure=True))
        except AssertionError as error:  # the mutant did not even get to where the scenario starts
            return f"before it: {str(error)[:120]}"
    return tally.failures[0] if tally.failures else ""


def _timed(mutant: Mutant) -> tuple[str, float]:
    start = time.monotonic()
    return caught(mutant), time.monotonic() - start


def main() -> int:
    """The exit status."""
    known = {mutant.name: mutant for mutant in mutants()}
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("mutants", nargs="*", choices=[[], *known], metavar="MUTANT")
    chosen = [known[name] for name in parser.parse_args().mutants or known]
    print(f"TWINSLOT_SEED={SEED}", flush=True)
    good, unexplained = 0, 0
    with ProcessPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
        needed = sorted({(mutant.scenario, mutant.needs_faults) for mutant in chosen})
        for (scenario, faults), failure in zip(needed, pool.map(unsound, *zip(*needed, strict=True)), strict=True):
            if failure:
                print(f"{scenario}{_WITH_FAULTS * faults}, without any mutant: {failure}")
                return 1
        futures = {pool.submit(_timed, mutant): mutant for mutant in chosen}
        for number, future in enumerate(as_completed(futures), 1):
            mutant, (where, took_s) = futures[future], future.result()
            good += bool(where)
            unexplained += not (where or mutant.survives)
            told = f"caught by {where}" if where else f"SURVIVED: {mutant.survives or 'nobody knows why'}"
            print(f"[{number}/{len(chosen)}, {took_s:.0f} s] {mutant.name}: {told}", flush=True)
    print(f"{good} of {len(chosen)} caught, {unexplained} survived without a reason")
    return 0 if good >= CAUGHT_LEAST * len(chosen) and not unexplained else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
