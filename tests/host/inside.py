"""The real application in the test's own process, over a clock of the test's own."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

from twinslot_host import app, tokens
from twinslot_host.issuer import Trusted
from twinslot_host.services import Services, opened

from .clients import Server


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now_s = int(time.time())

    def __call__(self) -> int:
        return self.now_s * 1_000_000


class Inside:
    """The application in the test's own event loop, and requests to it."""

    def __init__(self, data: Path, clock: Clock, services: Services, http: aiohttp.ClientSession) -> None:
        self.data, self.clock, self.services, self.http = data, clock, services, http

    async def get(self, path: str, bearer: str) -> int:
        """The answer's status."""
        async with self.http.get(path, headers={"Authorization": f"Bearer {bearer}"}) as answer:
            await answer.read()
            return answer.status

    async def post(self, path: str, body: object, bearer: str | None = None) -> tuple[int, dict, dict]:
        """The answer's status, JSON and headers; a form goes as one, anything else as JSON."""
        headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
        sent = {"data": body} if isinstance(body, aiohttp.FormData) else {"json": body}
        async with self.http.post(path, headers=headers, **sent) as answer:
            return answer.status, await answer.json(content_type=None), dict(answer.headers)

    def token(self, scopes: list[str] | None = None) -> str:
        return tokens.issue(self.data, scopes, 600, self.clock.now_s)


@asynccontextmanager
async def inside(data: Path, *, issuer: Trusted | None = None) -> AsyncIterator[Inside]:
    """The application over the data directory, which nobody else uses."""
    clock = Clock()
    async with (
        serving(data, clock, issuer) as (services, port),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http,
    ):
        yield Inside(data, clock, services, http)


class ClockedServer(Server):
    """The application in a thread of its own, for clients that speak by hand."""

    def __init__(self, data: Path) -> None:
        self.data, self.port, self.clock = data, 0, Clock()


@contextmanager
def clocked(data: Path) -> Iterator[ClockedServer]:
    """It serves until the block ends."""
    server, started, loop = ClockedServer(data), threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with serving(data, server.clock) as (_, server.port):
            started.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert started.wait(60)
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(60)
        loop.close()


@asynccontextmanager
async def serving(data: Path, clock: Clock, issuer: Trusted | None = None) -> AsyncIterator[tuple[Services, int]]:
    """The services, and the port at which the application over them answers."""
    async with opened(data, clock, issuer=issuer) as services:
        runner = web.AppRunner(app.make_app(services), access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield services, runner.addresses[0][1]
        finally:
            await runner.cleanup()
