"""A network that breaks when it is told to: a relay between boards and a server, which counts what it lets through."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress

Bend = Callable[[bytes, bytes], bytes]


class FaultProxy:
    """Serves on 127.0.0.1 what the server at `port` there answers.

    `cuts` are for the next connections, one each: after how many bytes of answers it ends. `bend(request, answer)` is
    given each piece of an answer, and what the connection has asked so far, and returns what goes on in its place. One
    who connects and says `CUT n n …` sets `cuts`, and is told how many bytes of answers went to boards since the last.
    """

    def __init__(self, port: int, bend: Bend = lambda request, answer: answer) -> None:
        self._upstream = port
        self.bend = bend
        self.cuts: Iterator[int] = iter(())
        self.sent = 0
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def __aenter__(self) -> FaultProxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        while self._open:
            for writer in self._open.values():
                writer.close()
            await asyncio.gather(*self._open)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            first = await reader.read(4096)
            if first.startswith(b"CUT"):
                self.cuts = iter([int(n) for n in first.split()[1:]])
                writer.write(b"%d\n" % self.sent)
                self.sent = 0
            elif first:
                await self._relay(first, reader, writer)
        writer.close()

    async def _relay(self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = next(self.cuts, None)
        answers, requests = await asyncio.open_connection("127.0.0.1", self._upstream)
        task = asyncio.current_task()
        assert task
        self._open[task] = requests
        asked = first
        requests.write(first)

        async def up() -> None:
            nonlocal asked
            with suppress(ConnectionError):
                while data := await reader.read(4096):
                    asked += data
                    requests.write(data)

        asking = asyncio.ensure_future(up())
        try:
            while data := await answers.read(65536):
                data = self.bend(asked, data)[:left]
                writer.write(data)
                self.sent += len(data)
                await writer.drain()
                if left is not None:
                    left -= len(data)
                    if not left:
                        break
        finally:
            del self._open[task]
            asking.cancel()
            requests.close()
