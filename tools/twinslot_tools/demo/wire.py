"""The way from the boards to the server, which counts what it brings them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

_PIECE_BYTES = 4096


class Wire:
    """A way to `server`, which boards reach by `address`. `brought_bytes` is all that has come from it so far."""

    def __init__(self, server: str) -> None:
        self.address = ""
        self.brought_bytes = 0
        self._far = urlsplit(server)
        self._carrying: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def laid(self) -> AsyncIterator["Wire"]:
        """It is open for as long as the `async with` block."""
        front = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{front.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            front.close()
            for task in self._carrying:
                task.cancel()
            await asyncio.gather(*self._carrying, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._carry(reader, writer))
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """What either end sends has come to the other, until one of them has gone."""
        try:
            far_reader, far_writer = await asyncio.open_connection(self._far.hostname, self._far.port)
            try:
                await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer, counts=True))
            finally:
                far_writer.close()
        except OSError:
            return  # an end that is gone is the board's to notice, or the server's
        finally:
            writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counts: bool = False) -> None:
        while data := await reader.read(_PIECE_BYTES):
            self.brought_bytes += len(data) if counts else 0
            writer.write(data)
            await writer.drain()
        writer.close()
