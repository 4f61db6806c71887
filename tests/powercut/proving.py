"""A scenario, set on its stage, and all that can be cut or spoiled in it."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from twinslot_sim import partitions
from twinslot_sim.nor import SECTOR_SIZE

from ..e2e.impostor import Impostor
from .cutting import Cutting, Lots, Tally
from .faults import Faulting
from .scenarios import ALL
from .stage import ROOT, Stage, Variant

SEED = int(os.environ.get("TWINSLOT_SEED") or random.SystemRandom().randrange(1 << 32))
SECTORS = 64
FULL_SECTORS = partitions.MICROPYTHON_4MIB_OTA[3].size // SECTOR_SIZE
MEMORY = Path("/dev/shm")
FOLDER = MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 1 << 30 else None


async def prove(
    name: str,
    variant: Variant,
    seed: int = SEED,
    *,
    share: float = 1.0,
    part: int = 0,
    full: bool = False,
    faults: bool = False,
    device: Path = ROOT,
    until_failure: bool = False,
) -> Tally:
    """What became of the boards of that scenario: of the `part`-th `share` of its cuts, or with `faults` of its faults;
    with `full` of an image that fills its slot, and of two cuts in a row. `device` has the device code."""
    lots = Lots(f"{seed} {name} {variant}", share, part)
    owner = rsa.generate_private_key(65537, 3072)
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        async with Impostor() as server:
            sectors = FULL_SECTORS if full else SECTORS
            scenario = await ALL[name](Stage(server, owner, Path(folder), variant, sectors, device))
            cutting = (Faulting if faults else Cutting)(scenario, Path(folder), lots)
            cutting.on_failure = lambda what: print(f"  {name}, {variant}: {what}", flush=True)
            await cutting.go(2 if full else 1, until_failure)
            return cutting.tally
