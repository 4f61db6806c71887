"""The real application in the test's own process, over a clock of the test's own."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

from twinslot_host import app, tokens
from twinslot_host.issuer import Trusted
from twinslot_host.services import Services, opened


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now_s = int(time.time())

    def __call__(self) -> int:
        return self.now_s * 1_000_000


class Inside:
    """The application, and requests to it."""

    def __init__(self, data: Path, clock: Clock, services: Services, http: aiohttp.ClientSession) -> None:
        self.data, self.clock, self.services, self.http = data, clock, services, http

    async def get(self, path: str, bearer: str) -> int:
        """The answer's status."""
        async with self.http.get(path, headers={"Authorization": f"Bearer {bearer}"}) as answer:
            await answer.read()
            return answer.status

    async def post(self, path: str, body: object, bearer: str | None = None) -> tuple[int, dict, dict]:
        """The answer's status, JSON and headers."""
        headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
        async with self.http.post(path, json=body, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None), dict(answer.headers)

    def token(self, scopes: list[str] | None = None) -> str:
        return tokens.issue(self.data, scopes, 600, self.clock.now_s)


@asynccontextmanager
async def inside(data: Path, *, issuer: Trusted | None = None, link_life_s: int = 900) -> AsyncIterator[Inside]:
    """The application over the data directory, which nobody else uses."""
    clock = Clock()
    async with opened(data, clock, issuer=issuer, link_life_s=link_life_s) as services:
        runner = web.AppRunner(app.make_app(services), access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            address = f"http://127.0.0.1:{runner.addresses[0][1]}"
            async with aiohttp.ClientSession(address) as http:
                yield Inside(data, clock, services, http)
        finally:
            await runner.cleanup()
