"""Over-the-air updates for MicroPython on ESP32: signed, into the slot that is not running, undone when they fail.

    import twinslot
    agent = twinslot.Agent()
    await agent.run()           # beside the application's other tasks

or, without asyncio, `twinslot.update_now()`.
"""

from .agent import Agent, update_now

__all__ = ("Agent", "update_now")
