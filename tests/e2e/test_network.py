"""A network that lies: what it does to a transfer fails with a reason, and to an answer, is not believed.

The application that runs goes on meanwhile, and the update is made once the network is sane.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from .conftest import Site
from .fault_proxy import Bend, FaultProxy
from .impostor import GROUP, Impostor, manifest, sign
from .lab import Bench, Flash, app_image, make_flash, modulus, own_image

EAGER = own_image(
    "1.0.0",
    """
import asyncio, twinslot

async def ticking():
    n = 0
    while True:
        await asyncio.sleep_ms(50)
        n += 1
        if n % 4 == 0:
            print("tick", n)

async def updating():
    asyncio.create_task(ticking())
    agent = twinslot.Agent()
    while True:  # without the agent's own waits after failures
        await agent.update_once()
        await asyncio.sleep_ms(200)

def main():
    asyncio.run(updating())
""",
)
TRANSFERS = b"GET /device/v1/transfers/"
REDIRECT = b"HTTP/1.1 307 Elsewhere\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n"


def last(asked: bytes) -> bytes:
    """The last request's head on a connection."""
    return asked.split(b"\r\n\r\n")[-2]


def bent(change: Callable[[bytes], bytes]) -> Bend:
    """Pieces of answers about transfers are changed."""
    return lambda asked, answer: change(answer) if last(asked).startswith(TRANSFERS) else answer


def header(pattern: bytes, becomes: Callable[[int], int]) -> Bend:
    """The number in each header of a transfer's answer that fits becomes another."""
    return bent(lambda answer: re.sub(pattern, lambda m: m[1] + b"%d" % becomes(int(m[2])) + m[3], answer))


def in_body(answer: bytes) -> bytes:
    head, end, body = answer.partition(b"\r\n\r\n")
    if not answer.startswith(b"HTTP/"):
        return bytes(len(answer))
    return head + end + bytes(len(body))


LIES: dict[str, tuple[Bend, str]] = {
    "no HTTP": (bent(lambda answer: b"\x00\xff" * 2048), "head is longer than 2048 bytes"),
    "zeros in all bodies": (bent(in_body), "not a transfer of an image of"),
    "an answer one byte longer": (header(rb"(Content-Length: )(\d+)()", lambda n: n + 1), "asked for .*, was given"),
    "an answer one byte shorter": (header(rb"(Content-Length: )(\d+)()", lambda n: n - 1), "asked for .*, was given"),
    "an answer of 10 GB": (header(rb"(Content-Length: )(\d+)()", lambda n: 10**10), "asked for .*, was given"),
    "a length below zero": (header(rb"(Content-Length: )(\d+)()", lambda n: -n), "an answer without a length"),
    "the next range": (header(rb"(Content-Range: bytes )(\d+)(-)", lambda n: n + 1), "asked for .*, was given"),
    "a larger file": (header(rb"(Content-Range: bytes \d+-\d+/)(\d+)()", lambda n: n + 1), "bytes instead of"),
    "an endless head": (bent(lambda answer: b"HTTP/1.1 206 X\r\n" + b"A: a\r\n" * 100_000), "head is longer than 2048"),
    "endless bodies": (
        bent(lambda answer: answer + bytes(1_000_000)),
        "(not a transfer of an image|segment 0: wrong|head is longer)",  # as the pieces of the answers come
    ),
    "an error": (bent(lambda answer: b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"), "the server answered 500"),
}


def ticks(bench: Bench) -> int:
    """How far the application has counted."""
    return max([0, *map(int, re.findall(r"^tick (\d+)$", bench.log, re.MULTILINE))])


async def tried(bench: Bench, says: str) -> None:
    """Waits for a line about this from now on, and for the application to have counted on after it."""
    heard = len(bench.log)
    await bench.until(lambda: re.search(says, bench.log[heard:]))
    counted = ticks(bench)
    await bench.until(lambda: ticks(bench) > counted)


def eager_flash(site: Site, network: FaultProxy, path: Path) -> Path:
    address = f"http://127.0.0.1:{network.port}"
    return make_flash(path, address, site.group, site.trusted, start=EAGER)


async def test_lies_about_a_transfer_fail_with_a_reason_while_the_application_runs(site: Site, tmp_path: Path) -> None:
    image = app_image("1.1.0", size_bytes=200_000)
    async with FaultProxy(site.server.port) as network:
        flash = eager_flash(site, network, tmp_path / "b.bin")
        async with Bench(flash) as bench:
            network.bend, says = LIES["no HTTP"]
            site.publish(image, "1.1.0")
            for network.bend, says in LIES.values():
                await tried(bench, f"download failed: .*{says}")
                assert Flash(flash).boot == "ota_0"
            assert Flash(flash).holds("ota_0", EAGER)
            assert (bench.board.boots, "Error" in bench.log) == (1, False)
            network.bend = lambda asked, answer: answer
            await bench.confirmed("1.1.0")
    assert Flash(flash).holds("ota_1", image)


async def test_redirect_of_a_transfer_is_not_followed(site: Site, tmp_path: Path) -> None:
    elsewhere = 0

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal elsewhere
        elsewhere += 1
        writer.close()

    server = await asyncio.start_server(count, "127.0.0.1", 0)
    location = b"http://127.0.0.1:%d/" % server.sockets[0].getsockname()[1]
    async with FaultProxy(site.server.port, bent(lambda answer: REDIRECT % location)) as network:
        flash = eager_flash(site, network, tmp_path / "b.bin")
        site.publish(app_image("1.1.0"), "1.1.0")
        async with Bench(flash) as bench:
            await tried(bench, "download failed: the server answered 307")
    server.close()
    assert elsewhere == 0
    assert Flash(flash).is_erased("ota_1")


async def test_answer_that_was_given_before_is_not_believed(site: Site, tmp_path: Path) -> None:
    """Neither one to an earlier check-in, nor one to another board."""
    image = app_image("1.1.0")
    answers: list[bytes] = []

    def replay(asked: bytes, answer: bytes) -> bytes:
        if answer.startswith(b"HTTP/1.1 204"):
            answers.append(answer)
        return answers[0] if answers else answer

    async with FaultProxy(site.server.port) as network:
        flash = eager_flash(site, network, tmp_path / "b.bin")
        async with Bench(flash) as bench:
            network.bend = replay
            await tried(bench, "the answer is not signed by the server")
            other = site.server.board(site.group, "kettle-8")
            site.publish(image, "1.1.0")
            other.check()
            theirs = other.check()
            assert theirs.json["offer"]
            head = f"HTTP/1.1 200 OK\r\nAuthentication-Info: {theirs.headers['Authentication-Info']}\r\n"
            head += f"Content-Length: {len(theirs.body)}\r\n\r\n"
            network.bend = lambda asked, answer: head.encode() + theirs.body
            await tried(bench, "the answer is not signed by the server")
            assert "downloading" not in bench.log
            assert Flash(flash).is_erased("ota_1")
            network.bend = lambda asked, answer: answer
            await bench.confirmed("1.1.0")
    assert Flash(flash).holds("ota_1", image)


async def test_transfer_against_another_image_than_the_one_that_runs_writes_nothing(
    tmp_path: Path, owner: rsa.RSAPrivateKey
) -> None:
    async with Impostor() as server:
        server.image = app_image("1.1.0")
        server.offer = manifest(server.image), sign(owner, manifest(server.image))
        server.base = app_image("0.9.0")
        flash = make_flash(tmp_path / "b.bin", server.address, GROUP, [modulus(owner)], start=EAGER)
        async with Bench(flash) as bench:
            await tried(bench, "download failed: a transfer against another image than the one that runs")
            assert Flash(flash).is_erased("ota_1")
            server.base = b""
            await bench.confirmed("1.1.0")
    assert Flash(flash).holds("ota_1", server.image)
