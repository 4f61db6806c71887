"""Over-the-air updates for MicroPython on ESP32: signed, into the slot that is not running, undone when they fail.

    import twinslot
    agent = twinslot.Agent()
    await agent.run()           # beside the application's other tasks

or, without asyncio, `twinslot.update_now()`. `twinslot.specification()` is what the application is configured with.
Import it early: it needs 4 KiB of the heap in one piece.
"""

import gc
import os

# Collecting often while modules load keeps the free part of the heap whole: its largest piece is 36 KiB instead of 10.
_threshold = gc.threshold()
gc.threshold(1024)
from .agent import Agent, update_now  # noqa: E402
from .configuration import specification  # noqa: E402

try:
    os.stat("/packages")
    from .packages import add_to_path  # some KiB of RAM, which a board without packages keeps

    add_to_path()
except OSError:
    pass  # there are none

gc.collect()
gc.threshold(_threshold)

__all__ = ("Agent", "specification", "update_now")
