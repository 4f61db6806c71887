"""The real application on a clock that the test sets, for clients that speak by hand."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aiohttp import web

from twinslot_host.app import make_app
from twinslot_host.services import opened, system_clock_us

from .clients import Server


class ClockedServer(Server):
    """A server in this process, whose clock is `ahead_s` ahead."""

    def __init__(self, data: Path) -> None:
        self.data, self.port, self.ahead_s = data, 0, 0.0

    def clock_us(self) -> int:
        return system_clock_us() + int(self.ahead_s * 1_000_000)


@contextmanager
def clocked(data: Path) -> Iterator[ClockedServer]:
    """It serves until the block ends."""
    server, started, loop = ClockedServer(data), threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with opened(data, server.clock_us) as services:
            runner = web.AppRunner(make_app(services), access_log=None)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            server.port = runner.addresses[0][1]
            started.set()
            await stop.wait()
            await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert started.wait(60)
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(60)
        loop.close()
