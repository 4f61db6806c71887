"""Cuts the power of simulated boards at each flash operation of each scenario, and prints how many came through.

    python -m tests.powercut [--share 0.1] [--full | --faults] [SCENARIO …]

`--share` tries only so many of the cuts. `--full` has an image that fills its slot, and cuts a second time on the way
from each cut, between the operations. `--faults` has the flash fail instead of the power. TWINSLOT_SEED repeats which
are chosen, and which boards go to the end though another one has passed where they are.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed

from .proving import SEED, prove
from .scenarios import ALL, OF_FAULTS
from .stage import VARIANTS, Variant


def _one(name: str, variant: Variant, seed: int, share: float, full: bool, faults: bool) -> tuple[str, bool]:
    """The line to print of that scenario, and whether all boards came through."""
    start = time.monotonic()
    tally = asyncio.run(prove(name, variant, seed, share=share, full=full, faults=faults))
    good = tally.tried - len({failure.split(":")[0] for failure in tally.failures})
    took = f"{tally.operations} operations, {tally.tried - tally.joined} to the end, {time.monotonic() - start:.0f} s"
    took += f", {tally.restarted} waited for somebody to restart them" * bool(tally.restarted)
    return f"{name}, {variant}: {good} of {tally.tried} ({took})", good == tally.tried


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no number above 0 and up to 1")
    return share


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(ALL))
    parser.add_argument("--share", type=_share, default=1.0, help="of the cuts that are tried, above 0 and up to 1")
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--full", action="store_true", help="an image as large as its slot, and two cuts in a row")
    other.add_argument(
        "--faults", action="store_true", help=f"have the flash fail, not the power: {', '.join(OF_FAULTS)}"
    )
    wanted = parser.parse_args()
    print(f"TWINSLOT_SEED={SEED}", flush=True)
    known = OF_FAULTS if wanted.faults else ALL
    if unknown := set(wanted.scenarios) - set(known):
        parser.error(f"no such scenario{' of faults' if wanted.faults else ''}: {', '.join(sorted(unknown))}")
    cases = list(itertools.product(wanted.scenarios or known, VARIANTS))
    with ProcessPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
        futures = [
            pool.submit(_one, name, variant, SEED, wanted.share, wanted.full, wanted.faults) for name, variant in cases
        ]
        good = True
        for number, future in enumerate(as_completed(futures), 1):
            line, well = future.result()
            print(f"[{number}/{len(cases)}] {line}", flush=True)
            good &= well
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
