"""The serial port, with a client at its other end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from twinslot_sim.serial_port import SerialPort


async def read(fd: int, size_bytes: int) -> bytes:
    """`size_bytes` from the client's end, waiting for them off the loop."""
    data = b""
    while len(data) < size_bytes:
        data += await asyncio.to_thread(os.read, fd, size_bytes - len(data))
    return data


def with_port(test: Callable[[SerialPort, asyncio.Queue[bytes]], Awaitable[None]], grace_s: float = 30) -> None:
    """Runs `test` with an open port and the queue of what its clients write."""

    async def run() -> None:
        received: asyncio.Queue[bytes] = asyncio.Queue()
        port = SerialPort(received.put_nowait, grace_s=grace_s)
        try:
            await asyncio.wait_for(test(port, received), 30)
        finally:
            port.close()

    asyncio.run(run())


def test_bytes_pass_unchanged_both_ways() -> None:
    every_byte = bytes(range(256))

    async def test(port: SerialPort, received: asyncio.Queue[bytes]) -> None:
        client = os.open(port.path, os.O_RDWR | os.O_NOCTTY)
        os.write(client, every_byte)
        got = b""
        while len(got) < 256:
            got += await received.get()
        port.write(every_byte)
        assert await read(client, 256) == every_byte == got
        os.close(client)

    with_port(test)


def test_client_that_leaves_ends_nothing() -> None:
    async def test(port: SerialPort, received: asyncio.Queue[bytes]) -> None:
        for word in (b"first", b"second"):
            client = os.open(port.path, os.O_RDWR | os.O_NOCTTY)
            os.write(client, word)
            assert await received.get() == word
            port.write(word)
            assert await read(client, len(word)) == word
            os.close(client)

    with_port(test)


def test_slow_client_gets_all_of_a_large_file() -> None:
    file = os.urandom(960 * 1024)

    async def test(port: SerialPort, received: asyncio.Queue[bytes]) -> None:
        client = os.open(port.path, os.O_RDWR | os.O_NOCTTY)
        port.write(file)
        assert await read(client, len(file)) == file
        os.close(client)

    with_port(test)


def test_slow_client_gets_the_end_of_a_flood() -> None:
    async def test(port: SerialPort, received: asyncio.Queue[bytes]) -> None:
        client = os.open(port.path, os.O_RDWR | os.O_NOCTTY)
        for _ in range(2):
            port.write(b"." * 1024 * 1024)
        port.write(b">>> ")
        while b">" not in await asyncio.to_thread(os.read, client, 65536):
            pass
        os.close(client)

    with_port(test)


def test_what_nobody_reads_is_lost_and_the_next_client_is_served() -> None:
    async def test(port: SerialPort, received: asyncio.Queue[bytes]) -> None:
        port.write(b"." * 4 * 1024 * 1024)
        await port.unheard.wait()
        port.write(b"lost")
        client = os.open(port.path, os.O_RDWR | os.O_NOCTTY)
        while port.unheard.is_set():
            await asyncio.to_thread(os.read, client, 4096)
        port.write(b"!")
        kept = 0
        while (data := await asyncio.to_thread(os.read, client, 65536))[-1:] != b"!":
            assert set(data) == set(b".")
            kept += len(data)
        assert kept < 1024 * 1024
        os.close(client)

    with_port(test, grace_s=0.01)


def test_write_after_close_is_lost_in_silence() -> None:
    paths: list[Path] = []

    async def test(port: SerialPort, received: asyncio.Queue[bytes]) -> None:
        extra = SerialPort(received.put_nowait)
        paths.append(Path(extra.path))
        extra.write(b"." * 1024 * 1024)
        extra.close()
        extra.write(b"x")

    with_port(test)
    assert not paths[0].exists()
