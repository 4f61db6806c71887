"""Slow, idle and malformed clients: they end in time, harm nobody else, and leave nothing of theirs in the log."""

import contextlib
import gzip
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from .clients import until

BOUNDS = {"HEAD_S": 0.3, "BODY_S": 0.3, "UPLOAD_SILENCE_S": 0.3, "LINGER_S": 0.1}
SECRET = b"sesame-open"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@contextlib.contextmanager
def standing(server) -> Iterator[None]:
    """The server's process stands still; connections and what is sent wait for it."""
    server.process.send_signal(signal.SIGSTOP)
    until(lambda: Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
    try:
        yield
    finally:
        server.process.send_signal(signal.SIGCONT)


def until_closed(server, sent: bytes) -> bytes:
    """All that the server answers until it ends the connection, which stays open on this side.

    What is sent is all there when the server takes the connection, so that no bound counts how long sending takes.
    """
    with contextlib.ExitStack() as still_open:
        with standing(server):
            connection = still_open.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=60))
            connection.sendall(sent)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := connection.recv(65536):
                received += chunk
        return received


@pytest.mark.parametrize("sent", [b"", b"G", b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: b"])
def test_head_that_does_not_come_in_time_ends_the_connection(start, sent):
    server = start(bounds=BOUNDS)
    assert until_closed(server, sent) == b""
    assert until_closed(server, HEALTH).startswith(b"HTTP/1.1 200 OK\r\n")


def test_idle_connection_ends_after_its_answer(start):
    server = start(bounds=BOUNDS)
    assert until_closed(server, HEALTH).startswith(b"HTTP/1.1 200 OK\r\n")


def test_body_that_does_not_come_in_time_is_408(start):
    server = start(bounds=BOUNDS)
    head = b"POST /device/v1/check HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
    assert until_closed(server, head).startswith(b"HTTP/1.1 408 ")
    bearer = f"Authorization: Bearer {server.token()}\r\n\r\n".encode()
    head = b"POST /api/v1/groups HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
    assert until_closed(server, head + bearer).startswith(b"HTTP/1.1 408 ")
    assert server.stop() == ""


@pytest.mark.parametrize(
    "part",
    [
        b"",
        b'--x\r\nContent-Disposition: form-data; name="release"\r\n\r\n{"ver',
        b'--x\r\nContent-Disposition: form-data; name="release"\r\n\r\n{"version": "1.1.0"}\r\n'
        b'--x\r\nContent-Disposition: form-data; name="image"\r\n\r\n\xe9',
    ],
)
def test_upload_that_falls_silent_is_408_and_leaves_nothing(start, part):
    server = start(bounds=BOUNDS)
    head = (
        "POST /api/v1/applications/kettle/releases HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n"
        f"Authorization: Bearer {server.token()}\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\n"
    )
    assert until_closed(server, head.encode() + part).startswith(b"HTTP/1.1 408 ")
    assert list((server.data / "incoming").iterdir()) == []


def test_more_idle_connections_than_open_files_end_and_do_not_flood_the_log(start):
    server = start(bounds=BOUNDS, open_files_limit=64)
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(100)]
    try:
        assert until_closed(server, HEALTH).startswith(b"HTTP/1.1 200 OK\r\n")  # once the first have been ended
    finally:
        for connection in idle:
            connection.close()
    lines = server.stop().splitlines()
    assert len(lines) == 1
    assert "raise the limit on open files" in lines[0]


MALFORMED = {
    "control character": b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + SECRET + b"\x01\r\n\r\n",
    "no header": b"GET / HTTP/1.1\r\nHost: x\r\n" + SECRET + b"\r\n\r\n",
    "no request": SECRET + b"\r\n\r\n",
    "path": b"GET /" + SECRET + b"\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
    "long header": b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: " + SECRET * 1000 + b"\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\n" + (SECRET + b": x\r\n") * 1000 + b"\r\n",
    "chunk": b"POST /device/v1/check HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + SECRET + b"\r\n",
}


def test_malformed_request_is_400_in_fixed_words_and_not_in_the_log(server):
    for name, sent in MALFORMED.items():
        received = until_closed(server, sent)
        assert (name, received[:13].replace(b"1.0", b"1.1")) == (name, b"HTTP/1.1 400 ")
        assert b"application/problem+json" in received
        assert SECRET not in received
    assert server.stop() == ""


BROKEN = {
    "text": SECRET,
    "trailing bytes": gzip.compress(bytes(100)) + SECRET,
    "cut": gzip.compress(SECRET)[:-9],
}


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate", b"br", b"zstd", b"nothing"])
def test_body_in_a_broken_encoding_is_refused_without_a_word_in_the_log(server, encoding):
    head = b"POST /device/v1/check HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Encoding: "
    for body in BROKEN.values():
        length = b"\r\nContent-Length: %d\r\n\r\n" % len(body)
        received = until_closed(server, head + encoding + length + body)
        assert re.match(rb"HTTP/1\.[01] 40[01] ", received)
        assert SECRET not in received
    assert server.stop() == ""
