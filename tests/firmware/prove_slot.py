"""Downloads over a real connection into a slot in RAM, and a server for them, for the proofs that run on MicroPython.

The first argument is the folder that holds the package. Its own `__init__` needs a chip, so an empty one stands in.
"""

import asyncio
import os
import sys

if "twinslot" not in sys.modules:
    sys.modules["twinslot"] = type("twinslot", (), {"__path__": sys.argv[1] + "/twinslot"})

from prove_memory import WRITE_US, App, Slot, nothing, slot  # noqa: F401

import twinslot.http as http
import twinslot.slots as slots
from twinslot.download import Download
from twinslot.errors import TransferError, Unreachable  # noqa: F401


async def fetch(address, paths, size, running, into, progress=nothing):
    """One download as the agent makes it. `running` is what runs, as `App`, and its SHA-256 or None."""
    download = Download(*paths, size, *running, into, slots.Writer())
    await download.run(http.Client(address, None), progress)


class Files:
    """Serves `files` by path on 127.0.0.1, with Range, over connections that are kept.

    `asked` is each (path, first, past). `budget` is how many bytes of bodies are sent before the connection breaks,
    None: it holds; `sent` is how many were, `then` the budget of each connection after that. Without `ranges` every
    answer is the whole file. `closes` ends each connection after an answer; when it is "says", that is said, and `late`
    counts who asks all the same. `raw` is sent in place of any answer.
    """

    def __init__(self, files):
        self.files = files
        self.asked = []
        self.connections = 0
        self.budget = None
        self.sent = 0
        self.then = 0
        self.late = 0
        self.ranges = True
        self.closes = ""
        self.raw = None

    async def start(self):
        """`address` is where it serves."""
        while True:
            port = 10_000 + int.from_bytes(os.urandom(2), "little") % 50_000
            try:
                self.server = await asyncio.start_server(self._serve, "127.0.0.1", port)
            except OSError:
                continue  # somebody else's
            self.address = "http://127.0.0.1:{}".format(port)
            return

    async def _serve(self, reader, writer):
        self.connections += 1
        try:
            while await self._answer(reader, writer) and not self.closes:
                pass
            if self.closes == "says" and await reader.read(1):
                self.late += 1
        except OSError:
            pass
        writer.close()
        await writer.wait_closed()

    async def _answer(self, reader, writer):
        """Whether the connection holds."""
        line = await reader.readline()
        if not line:
            return False
        path = line.decode().split(" ")[1]
        asked = None
        while True:
            line = await reader.readline()
            if line == b"\r\n":
                break
            if line.startswith(b"Range: bytes="):
                asked = [int(number) for number in line[13:].decode().split("-")]
        if self.raw:
            writer.write(self.raw)
            await writer.drain()
            return False
        content = self.files[path]
        head, first, past = "HTTP/1.1 200 OK\r\n", 0, len(content)
        if asked and self.ranges:
            first, past = asked[0], asked[1] + 1
            head = "HTTP/1.1 206 Partial\r\nContent-Range: bytes {}-{}/{}\r\n".format(first, asked[1], len(content))
        self.asked.append((path, first, past))
        if self.closes == "says":
            head += "Connection: close\r\n"
        writer.write((head + "Content-Length: {}\r\n\r\n".format(past - first)).encode())
        await writer.drain()
        n = past - first if self.budget is None else min(past - first, self.budget)
        for at in range(first, first + n, 1024):
            writer.write(content[at : min(at + 1024, first + n)])
            await writer.drain()
        self.sent += n
        if self.budget is not None:
            self.budget -= n
            if n < past - first:
                self.budget = self.then
        return n == past - first
