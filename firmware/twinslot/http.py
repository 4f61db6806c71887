"""HTTP/1.1 over asyncio streams, bounded in bytes and in time (docs/protocol.md, "Bounds on the device").

One request a connection, unless a caller reads each answer to its end and asks for more. Answers need a
Content-Length; a chunked one is refused.
"""

import asyncio

from micropython import const

from .errors import Unreachable, Untimely

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from collections.abc import Awaitable
    from ssl import SSLContext
    from typing import Any, TypeVar

    T = TypeVar("T")
    Stream = Any  # asyncio's, for both directions; the stubs split it in two

_HEAD_MAX_BYTES = const(2048)
_BODY_MAX_BYTES = const(8192)
_SILENCE_S = const(20)
_REQUEST_S = const(60)


class Answer:
    """A status, the headers that matter (lower-case names), and the body: read, or still to be read."""

    def __init__(self, stream: "Stream", head: memoryview, early: memoryview) -> None:
        lines = bytes(head).split(b"\r\n")
        try:
            self.status = int(lines[0].split(b" ")[1])
            pairs = [line.split(b":", 1) for line in lines[1:] if line]
            self.headers = {str(name, "ascii").lower(): str(value, "ascii").strip() for name, value in pairs}
            self.length = int(self.headers.get("content-length", "-1"))
        except (ValueError, IndexError, UnicodeError):
            raise Unreachable("what answered does not speak HTTP")
        if self.length < 0:
            if self.status != 204 and self.status // 100 != 3:
                raise Unreachable("an answer without a length")
            self.length = 0  # of a redirect, the head is all that matters
        self._stream = stream
        self._early = early
        self._left = self.length

    async def readinto(self, buffer: memoryview) -> int:
        """How many bytes of the body have been put into `buffer`; 0 at its end. Raises Unreachable when it ends
        early or nothing comes for 20 s."""
        wanted = min(len(buffer), self._left)
        if not wanted:
            return 0
        if len(self._early):
            n = min(wanted, len(self._early))
            buffer[:n] = self._early[:n]
            self._early = self._early[n:]
        else:
            n = await _soon(_some(self._stream, buffer[:wanted]))
            if not n:
                raise Unreachable("the connection ended in the middle of an answer")
        self._left -= n
        return n


async def _soon(awaitable: "Awaitable[T]", wait_s: int = 0) -> "T":
    """What it comes to within 20 s, and `wait_s` more. Raises Unreachable."""
    limit_s = _SILENCE_S + wait_s
    try:
        return await asyncio.wait_for(awaitable, limit_s)
    except asyncio.TimeoutError:
        raise Unreachable("no answer for {} s".format(limit_s))
    except (OSError, ValueError) as error:  # ValueError: mbedTLS does not accept the certificate
        # "The certificate validity has expired" or "… starts in the future" (mbedtls/x509_crt.h, X509_CRT_ERROR_INFO)
        raise (Untimely if "validity" in str(error) else Unreachable)("connection: {}".format(error))


async def _some(stream: "Stream", buffer: memoryview) -> int:
    """How many bytes have come into `buffer`; 0 at the end. A TLS record that has come in part gives none at first."""
    while True:
        n = await stream.readinto(buffer)
        if n is not None:
            return n


async def _send(stream: "Stream", data: bytes) -> None:
    stream.write(data)
    await stream.drain()


class Client:
    """Requests to one server. `base` is "http://host[:port]" or "https://…"; `ca` the path of a PEM file with the
    certificates to trust, for https; `head` that of another client, which is used no more."""

    def __init__(self, base: str, ca: "str | None", head: "bytearray | None" = None) -> None:
        scheme, _, rest = base.partition("://")
        host, _, port = rest.partition(":")
        self._address = rest
        self._host = host
        self._port = int(port or (443 if scheme == "https" else 80))
        self._tls = _verifying_context(ca) if scheme == "https" else None
        self.head = head or bytearray(_HEAD_MAX_BYTES)

    async def request(
        self, method: str, path: str, headers: "dict[str, str]", body: bytes, wait_s: int = 0
    ) -> "tuple[Answer, bytes]":
        """The answer and its whole body, at most 8 KiB, of a server that may wait so long before it answers. Raises
        Unreachable when there is none within 60 s more."""
        limit_s = _REQUEST_S + wait_s
        try:
            return await asyncio.wait_for(self._request(method, path, headers, body, wait_s), limit_s)
        except asyncio.TimeoutError:
            raise Unreachable("no whole answer within {} s".format(limit_s))

    async def _request(
        self, method: str, path: str, headers: "dict[str, str]", body: bytes, wait_s: int
    ) -> "tuple[Answer, bytes]":
        stream, answer = await self.open(method, path, headers, body, wait_s)
        try:
            if answer.length > _BODY_MAX_BYTES:
                raise Unreachable("an answer of {} bytes".format(answer.length))
            content = bytearray(answer.length)
            got = 0
            while got < answer.length:
                got += await answer.readinto(memoryview(content)[got:])
            return answer, bytes(content)
        finally:
            await stream.wait_closed()  # `close` does nothing (extmod/asyncio/stream.py)

    async def open(
        self,
        method: str,
        path: str,
        headers: "dict[str, str]",
        body: bytes = b"",
        wait_s: int = 0,
        stream: "Stream" = None,
        keep: bool = False,
    ) -> "tuple[Stream, Answer]":
        """The stream, which the caller closes, and the answer, whose body is still to be read. With `keep` the stream
        may come back here as `stream`, for the next request, once that body was read to its end."""
        stream = stream or (await _soon(self._connect()))[0]
        try:
            lines = ["{} {} HTTP/1.1".format(method, path), "Host: " + self._address]
            lines += ["{}: {}".format(name, value) for name, value in headers.items()]
            lines.append("Connection: keep-alive" if keep else "Connection: close")
            lines += ["Content-Length: {}".format(len(body)), "", ""]
            await _soon(_send(stream, "\r\n".join(lines).encode() + body))
            return stream, await self._read_head(stream, wait_s)
        except BaseException:
            await stream.wait_closed()
            raise

    def _connect(self) -> "Awaitable[tuple[Stream, Stream]]":
        if self._tls:
            # extmod/asyncio/stream.py takes what its stubs don't know
            return asyncio.open_connection(self._host, self._port, self._tls, self._host)  # pyright: ignore[reportCallIssue]
        return asyncio.open_connection(self._host, self._port)

    async def _read_head(self, stream: "Stream", wait_s: int) -> Answer:
        view = memoryview(self.head)
        got = 0
        while got < _HEAD_MAX_BYTES:
            n = await _soon(_some(stream, view[got:]), wait_s)
            if not n:
                raise Unreachable("the connection ended before an answer")
            end = self.head.find(b"\r\n\r\n", max(0, got - 3), got + n)
            got += n
            if end >= 0:
                return Answer(stream, view[:end], view[end + 4 : got])
        raise Unreachable("an answer whose head is longer than {} bytes".format(_HEAD_MAX_BYTES))


def _verifying_context(ca: "str | None") -> "SSLContext":
    """A TLS context that refuses a server it can't verify: the chip's own default is to verify nothing."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED
    if ca:
        context.load_verify_locations(cafile=ca)
    return context
