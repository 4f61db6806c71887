"""How many requests of devices are in progress, and when devices are to come back accordingly."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager

from twinslot_host.config import (
    DEVICE_REQUESTS_LIMIT,
    POLL_SPREAD,
    POLL_STRETCH,
    RETRY_LEAST_S,
    RETRY_MOST_S,
    WOKEN_AT_ONCE,
)
from twinslot_host.errors import Busy


class Pacing:
    """The load that devices make. A check-in does not count while it is held.

    Whoever decides a held check-in that was woken holds `woken` meanwhile.
    """

    def __init__(self) -> None:
        self.in_progress = 0
        self.woken = asyncio.Semaphore(WOKEN_AT_ONCE)

    @contextmanager
    def request(self) -> Iterator[None]:
        """The request counts until the block ends. Raises Busy when there are too many already."""
        if self.in_progress >= DEVICE_REQUESTS_LIMIT:
            raise Busy("the server has too much to do; come back later", random.randint(RETRY_LEAST_S, RETRY_MOST_S))
        self.in_progress += 1
        try:
            yield
        finally:
            self.in_progress -= 1

    @contextmanager
    def held(self) -> Iterator[None]:
        """The request does not count until the block ends."""
        self.in_progress -= 1
        try:
            yield
        finally:
            self.in_progress += 1

    def poll_s(self, interval_s: int) -> int:
        """When a device is to come back, whose group says that interval: about then, or later under load."""
        stretch = 1 + (POLL_STRETCH - 1) * min(1.0, self.in_progress / DEVICE_REQUESTS_LIMIT)
        return max(1, round(interval_s * stretch * random.uniform(1 - POLL_SPREAD, 1 + POLL_SPREAD)))
