"""What a board is in the middle of when the power fails: `ALL`, by name."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace

from twinslot_sim.nor import SECTOR_SIZE

from ..vectors.transfer_file import SEGMENT
from . import bundles, packages, settings
from .flash import Look
from .runs import Scenario
from .stage import HEALTHY, NEW, VARIANTS, Stage, confirmed, keeps

CRASHES = "def main():\n    raise ValueError('a fault')\n"
HANGS = "import time\ndef main():\n    time.sleep(1_000_000)\n"

TRIAL_S = 3

Make = Callable[[Stage], Awaitable[Scenario]]


async def update(stage: Stage) -> Scenario:
    """A whole update, of as many sectors as the stage has it in the first variant, and else of as few as may be."""
    return await _update(stage, stage.sectors if stage.variant == VARIANTS[0] else 0)


async def resumed(stage: Stage) -> Scenario:
    """An update whose download was cut off half way."""
    whole = await _update(stage, 2 * SEGMENT // SECTOR_SIZE)
    image = stage.server.image

    def half(look: Look) -> bool:
        return look.slot_bytes(1 - stage.variant.slot, len(image)).startswith(image[: len(image) // 2])

    return replace(whole, start=await stage.after(whole.start, half))


async def delta(stage: Stage) -> Scenario:
    """An update that is made, in part, out of the image that runs: in the first variant, one segment as it is."""
    if stage.variant == VARIANTS[0]:
        stage.table = hashlib.shake_256(b"table").digest(3 * SEGMENT // 2)
    scenario = await _update(stage, 0)
    stage.server.base = stage.image("1.0.0")
    return scenario


async def confirm(stage: Stage) -> Scenario:
    """An update from where it is downloaded on: the switch, the trial, the confirmation."""
    return await _downloaded(stage, HEALTHY)


async def crash(stage: Stage) -> Scenario:
    """A trial that ends in an exception."""
    return await _failing(stage, CRASHES, {"crash"})


async def hang(stage: Stage) -> Scenario:
    """A trial that the watchdog ends."""
    return await _failing(stage, HANGS, {"watchdog"}, trial_s=TRIAL_S)


async def silence(stage: Stage) -> Scenario:
    """A trial in which the server can't be reached."""
    scenario = await _failing(stage, HEALTHY, {"expired", "watchdog"}, trial_s=TRIAL_S)
    stage.server.silent_in_trial = True
    return scenario


async def outages(stage: Stage) -> Scenario:
    """A power that fails in each trial, until there is none any more."""
    scenario = await _failing(stage, HEALTHY, {"power"})
    stage.server.silent_in_trial = True
    return replace(scenario, outage="trial of")


async def _update(stage: Stage, sectors: int) -> Scenario:
    start = await stage.board()
    stage.propose(stage.image(NEW, sectors=sectors), NEW)
    return Scenario(start, confirmed(NEW), keeps("1.0.0", NEW))


async def _downloaded(stage: Stage, application: str, **settings: object) -> Scenario:
    """A release with that application is on its way, and was not switched to."""
    start = await stage.board(**settings)  # type: ignore[arg-type]
    stage.propose(stage.image(NEW, application), NEW)
    start = await stage.after(start, lambda look: bool(look.record["trial"]))
    return Scenario(start, confirmed(NEW), keeps("1.0.0", NEW))


async def _failing(stage: Stage, application: str, reasons: set[str], **settings: object) -> Scenario:
    """As `_downloaded`, of a release that must be given up, for one of the reasons, and is refused from then on."""
    scenario = await _downloaded(stage, application, **settings)

    def ended(look: Look) -> bool:
        refused = (look.record["report"] or {}).get("reason") == "failed_before"
        return refused and not look.record["trial"] and look.boot == look.slots[stage.variant.slot]

    return replace(scenario, ended=ended, rule=keeps("1.0.0"), reasons=frozenset(reasons))


OF_IMAGES: dict[str, Make] = {
    made.__name__: made for made in (update, resumed, delta, confirm, crash, hang, silence, outages)
}
OF_SETTINGS: dict[str, Make] = {
    made.__name__: made for made in (settings.keys, settings.configuration, settings.both, settings.doubtful)
}
OF_PACKAGES: dict[str, Make] = {made.__name__: made for made in (packages.install, packages.replace, packages.remove)}
OF_BUNDLES: dict[str, Make] = {
    made.__name__: made
    for made in (bundles.bundle, bundles.kept, bundles.filled, bundles.unbundled, bundles.no_room, bundles.beside)
}
ALL = OF_IMAGES | OF_SETTINGS | OF_PACKAGES | OF_BUNDLES
OF_FAULTS = [name for name in OF_IMAGES | OF_BUNDLES if name not in (outages.__name__, bundles.filled.__name__)]
"""In which the flash fails: not where the power does, nor where a bundle could not be fetched once more."""
