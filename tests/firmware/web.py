"""A web server that answers as a test says, to the byte, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import base64
from typing import Any


class Web:
    """`files` are served by path; `raw` are whole answers by (method, path), before them. `asked` is what came."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.raw: dict[tuple[str, str], bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.logins: list[tuple[str, str]] = []  # path, "user:password"

    async def __aenter__(self) -> Web:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.host = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self.address = f"http://{self.host}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    def redirects(self, path: str, location: str, status: int = 302) -> None:
        for method in ("GET", "HEAD"):
            self.raw[method, path] = f"HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\n\r\n".encode()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, path, _ = head[0].split(" ")
        self.asked.append((method, path))
        for line in head[1:]:
            if line.startswith("Authorization: Basic "):
                self.logins.append((path, base64.b64decode(line.split(" ")[2]).decode()))
        writer.write(self._answer(method, path))
        try:
            await writer.drain()
            writer.close()
        except ConnectionError:
            return

    def _answer(self, method: str, path: str) -> bytes:
        if (method, path) in self.raw:
            return self.raw[method, path]
        content = self.files.get(path)
        if content is None:
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content)
        return head if method == "HEAD" else head + content

    def got(self, ending: str = "") -> list[str]:
        """The paths that were fetched, without the questions for a size."""
        return [path for method, path in self.asked if method == "GET" and path.endswith(ending)]


def answer(content: bytes, length: int | None = None, status: str = "200 OK") -> bytes:
    """A whole answer, which may lie about its length."""
    size = len(content) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n\r\n".encode() + content


def order(uri: str, name: str = "heater", version: str = "1.0", **fields: Any) -> dict[str, Any]:
    """The operation that installs it."""
    return {"kind": "install", "uri": uri, "name": name, "version": version, **fields}
