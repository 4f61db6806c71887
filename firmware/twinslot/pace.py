"""When the agent does the next thing, and the watchdog's content meanwhile."""

import asyncio
import os
import time

from micropython import const

from . import hw

_RETRY_FIRST_S = const(5)
_RETRY_LAST_S = const(900)
_FEED_S = const(5)
# Three days; four times as many ticks are counted in 32 bits (esp_task_wdt_impl_timergroup.c).
_WATCHDOG_MS = const(1 << 28)


def jittered(seconds: float, percent: int) -> float:
    """`seconds`, give or take up to `percent`."""
    return seconds * (1 + (os.urandom(1)[0] - 127.5) / 127.5 * percent / 100)


class Pace:
    """How long to wait before the next check-in, `pause_s`; and the watchdog, once it is the agent's to feed."""

    def __init__(self) -> None:
        self.pause_s = 0
        self.failing = False
        self.watchdog: "hw.Watchdog | None" = None
        self._retry_s = 0

    def poll_after(self, seconds: int) -> None:
        """Nothing is wrong: the next check-in is in about `seconds`."""
        self.failing = False
        self._retry_s = 0
        self.pause_s = jittered(seconds, 10)

    def back_off(self, at_least_s: int = 0) -> None:
        """Something is: the next wait is twice the last one, from 5 s to 900 s, or as long as the server said."""
        self.failing = True
        self._retry_s = min(_RETRY_LAST_S, self._retry_s * 2 or _RETRY_FIRST_S)
        self.pause_s = max(at_least_s, jittered(self._retry_s, 25))

    async def pause(self) -> None:
        """The wait is over, and the watchdog is content."""
        until_ms = time.ticks_add(time.ticks_ms(), int(self.pause_s * 1000))
        while True:
            self.feed()
            left_ms = time.ticks_diff(until_ms, time.ticks_ms())
            if left_ms <= 0:
                return
            await asyncio.sleep_ms(min(left_ms, _FEED_S * 1000))

    def outlive_trial(self) -> None:
        """The watchdog of the trial, which can't be stopped, is content with a sign of life every few days."""
        self.watchdog = hw.Watchdog(timeout=_WATCHDOG_MS)

    def feed(self) -> None:
        """The watchdog, if the agent has it, begins to count anew."""
        if self.watchdog:
            self.watchdog.feed()
