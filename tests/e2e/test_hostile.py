"""What a board makes of offers, transfers and answers that are wrong, by accident or by intent.

Each test ends by looking at the flash: the slot that is not running is as the factory left it, or never selected.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from ..vectors import transfer_file
from .impostor import GROUP, Impostor, manifest, ranged, sign
from .lab import Bench, Flash, app_image, make_flash, modulus


@pytest.fixture(scope="session")
def owner() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 3072)


@pytest.fixture(scope="session")
def stranger() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 3072)


@pytest.fixture(scope="session")
def image() -> bytes:
    return app_image("1.1.0")


@pytest_asyncio.fixture
async def impostor(image: bytes) -> AsyncIterator[Impostor]:
    async with Impostor() as one:
        one.image = image
        yield one


@pytest.fixture
def flash(tmp_path: Path, impostor: Impostor, owner: rsa.RSAPrivateKey) -> Path:
    return make_flash(tmp_path / "board.bin", impostor.address, GROUP, [modulus(owner)])


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


OFFERS: dict[str, tuple[str, Callable[[rsa.RSAPrivateKey, rsa.RSAPrivateKey, bytes], tuple[bytes, bytes]]]] = {
    "a manifest with one bit changed": (
        "signature",
        lambda owner, _, image: (flipped(manifest(image), 12 * 8), sign(owner, manifest(image))),
    ),
    "a signature with one bit changed": (
        "signature",
        lambda owner, _, image: (manifest(image), flipped(sign(owner, manifest(image)), 1500)),
    ),
    "a signature by an unknown key": (
        "signature",
        lambda _, stranger, image: (manifest(image), sign(stranger, manifest(image))),
    ),
    "no signature": ("signature", lambda owner, _, image: (manifest(image), b"")),
    "signed garbage": ("format", lambda owner, _, image: (b"garbage", sign(owner, b"garbage"))),
    "another application": ("application", lambda owner, _, image: signed(owner, manifest(image, app="toaster"))),
    "another chip": ("chip", lambda owner, _, image: signed(owner, manifest(image, chip=9))),
    "an image larger than the slot": ("size", lambda owner, _, image: signed(owner, manifest(image, size=0x180001))),
    "an empty image": ("size", lambda owner, _, image: signed(owner, manifest(b""))),
    "no transfer": ("format", lambda owner, _, image: signed(owner, manifest(image))),
    "no image": ("format", lambda owner, _, image: signed(owner, manifest(image))),
}
LEFT_OUT = {"no transfer": "transfer", "no image": "image"}


def signed(key: rsa.RSAPrivateKey, data: bytes) -> tuple[bytes, bytes]:
    return data, sign(key, data)


@pytest.mark.parametrize("what", OFFERS)
async def test_offer_is_refused_before_the_first_write(
    what: str, flash: Path, impostor: Impostor, owner: rsa.RSAPrivateKey, stranger: rsa.RSAPrivateKey, image: bytes
) -> None:
    reason, make = OFFERS[what]
    impostor.offer = make(owner, stranger, image)
    if what in LEFT_OUT:
        impostor.extras = {LEFT_OUT[what]: None}
    async with Bench(flash) as bench:
        await bench.until(lambda: any(r["event"] == "refused" for r in impostor.reports))
    assert impostor.reports[0]["reason"] == reason
    # What an unproven manifest says of itself is not passed on.
    named = (impostor.reports[0]["version"], impostor.reports[0]["sequence"])
    assert named == (("0.0.0", 0) if reason in ("signature", "format") else ("1.1.0", 100))
    assert Flash(flash).is_erased("ota_1")
    assert Flash(flash).boot == "ota_0"


async def test_older_sequence_is_refused_after_a_newer_one_was_confirmed(
    flash: Path, impostor: Impostor, owner: rsa.RSAPrivateKey, image: bytes
) -> None:
    impostor.offer = signed(owner, manifest(image, sequence=100))
    async with Bench(flash) as bench:
        await bench.confirmed("1.1.0")
        before = Flash(flash).slots["ota_0"]
        impostor.reports.clear()
        impostor.image = app_image("1.2.0")
        impostor.offer = signed(owner, manifest(impostor.image, version="1.2.0", sequence=99))
        await bench.until(lambda: any((r["version"], r["reason"]) == ("1.2.0", "sequence") for r in impostor.reports))
    assert Flash(flash).slots["ota_0"] == before


async def test_lower_security_version_is_refused(
    flash: Path, impostor: Impostor, owner: rsa.RSAPrivateKey, image: bytes
) -> None:
    impostor.offer = signed(owner, manifest(image, sequence=100, security=2))
    async with Bench(flash) as bench:
        await bench.confirmed("1.1.0")
        impostor.reports.clear()
        impostor.offer = signed(owner, manifest(image, version="1.2.0", sequence=101, security=1))
        await bench.until(lambda: any(r["reason"] == "security_version" for r in impostor.reports))
    assert (Flash(flash).boot, Flash(flash).states["ota_1"]) == ("ota_1", "VALID")


async def test_failed_sequence_is_refused_when_it_is_offered_again(
    flash: Path, impostor: Impostor, owner: rsa.RSAPrivateKey
) -> None:
    impostor.image = app_image("1.1.0", "crashing")
    impostor.offer = signed(owner, manifest(impostor.image))
    async with Bench(flash) as bench:
        await bench.until(lambda: any(r["reason"] == "failed_before" for r in impostor.reports))
        boots = bench.board.boots
    assert boots == 3
    assert Flash(flash).boot == "ota_0"


async def test_image_with_a_wrong_hash_is_never_switched_to(
    flash: Path, impostor: Impostor, owner: rsa.RSAPrivateKey, image: bytes
) -> None:
    impostor.offer = signed(owner, manifest(image))
    impostor.image = flipped(image, 8 * 5000)
    async with Bench(flash) as bench:
        await bench.until(lambda: any(r["reason"] == "hash" for r in impostor.reports))
        assert bench.record["trial"] is None
        assert "download failed: hash" in bench.log
    assert bench.board.boots == 1
    assert Flash(flash).boot == "ota_0"
    assert "ota_1" not in Flash(flash).states


async def test_signed_image_that_the_chip_does_not_boot_is_refused(
    flash: Path, impostor: Impostor, owner: rsa.RSAPrivateKey
) -> None:
    impostor.image = b"not an image at all" * 500
    impostor.offer = signed(owner, manifest(impostor.image))
    async with Bench(flash) as bench:
        await bench.until(lambda: any(r["event"] == "refused" for r in impostor.reports))
    assert [r["reason"] for r in impostor.reports if r["event"] == "refused"] == ["image"]
    assert Flash(flash).boot == "ota_0"


async def cut_short(request: web.Request, impostor: Impostor) -> web.StreamResponse:
    """The range that was asked for, of which nothing comes beyond the first 10,000 bytes of the transfer."""
    whole = ranged(request, transfer_file.transfer(impostor.image))
    part = whole.body[: max(0, 10_000 - (request.http_range.start or 0))]
    answer = web.StreamResponse(status=whole.status, headers=whole.headers)
    answer.content_length = len(whole.body)
    await answer.prepare(request)
    await answer.write(part)
    if len(part) < len(whole.body):
        assert request.transport
        request.transport.close()
    return answer


async def longer(request: web.Request, _: Impostor) -> web.StreamResponse:
    return web.Response(body=bytes(2_000_000))


async def without_length(request: web.Request, _: Impostor) -> web.StreamResponse:
    answer = web.StreamResponse()
    answer.enable_chunked_encoding()
    await answer.prepare(request)
    for _ in range(1000):
        await answer.write(bytes(4096))
    return answer


async def gone(request: web.Request, _: Impostor) -> web.StreamResponse:
    return web.Response(status=404)


async def another_range(request: web.Request, impostor: Impostor) -> web.StreamResponse:
    content = transfer_file.transfer(impostor.image)
    return web.Response(status=206, body=content[1:65], headers={"Content-Range": f"bytes 1-64/{len(content)}"})


async def another_image(request: web.Request, _: Impostor) -> web.StreamResponse:
    return ranged(request, transfer_file.transfer(app_image("1.0.0", size_bytes=59_000)))


async def against_another_base(request: web.Request, impostor: Impostor) -> web.StreamResponse:
    return ranged(request, transfer_file.transfer(impostor.image, impostor.image[:-1] + b"x", (1,)))


@pytest.mark.parametrize(
    ("transfer", "reason"),
    [
        (cut_short, "the connection ended in the middle of an answer"),
        (longer, "not a transfer of an image of 60000 bytes"),
        (without_length, "an answer without a length"),
        (gone, "the server answered 404"),
        (another_range, "asked for 0-63, was given bytes 1-64/"),
        (another_image, "not a transfer of an image of 60000 bytes"),
        (against_another_base, "a transfer against another image than the one that runs"),
    ],
)
async def test_bad_transfer_fails_is_reported_and_tried_again(
    transfer: Any, reason: str, flash: Path, impostor: Impostor, owner: rsa.RSAPrivateKey, image: bytes
) -> None:
    impostor.offer = signed(owner, manifest(image))
    impostor.transfer = lambda request: transfer(request, impostor)
    async with Bench(flash) as bench:
        await bench.until(lambda: any(r["event"] == "failed" for r in impostor.reports))
        assert all(r["reason"].startswith(reason) for r in impostor.reports if r["event"] == "failed")
        assert Flash(flash).boot == "ota_0"
        assert transfer is cut_short or Flash(flash).is_erased("ota_1")
        impostor.transfer = None
        await bench.confirmed("1.1.0")
    assert bench.log.count("downloading 1.1.0,") == 2
    assert Flash(flash).holds("ota_1", image)


async def test_spoilt_segment_is_fetched_once_more_raw_and_a_spoilt_image_is_given_up(
    flash: Path, impostor: Impostor, owner: rsa.RSAPrivateKey, image: bytes
) -> None:
    good = transfer_file.transfer(image)
    asked: list[str] = []

    async def spoilt(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return ranged(request, good[:20_000] + bytes([good[20_000] ^ 1]) + good[20_001:])

    async def raw(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return ranged(request, impostor.image if len(asked) > 3 else flipped(impostor.image, 0))

    impostor.transfer, impostor.raw = spoilt, raw
    impostor.offer = signed(owner, manifest(image))
    async with Bench(flash) as bench:
        await bench.until(lambda: any(r["event"] == "failed" for r in impostor.reports))
        assert Flash(flash).boot == "ota_0"
        await bench.confirmed("1.1.0")
    assert [r["reason"] for r in impostor.reports if r["event"] == "failed"] == ["segment 0: wrong"]
    transfer, whole = "/device/v1/transfers/it", "/device/v1/transfers/image"
    assert asked == [transfer, transfer, whole] * 2
    assert Flash(flash).holds("ota_1", image)


async def test_answer_that_the_server_did_not_sign_is_not_acted_on(
    flash: Path, impostor: Impostor, owner: rsa.RSAPrivateKey, image: bytes
) -> None:
    impostor.offer = signed(owner, manifest(image))
    impostor.forge_mac = True
    async with Bench(flash) as bench:
        await bench.says("not signed by the server")
    assert "downloading" not in bench.log
    assert Flash(flash).is_erased("ota_1")


GARBAGE = {
    "nothing": b"",
    "no HTTP": b"\x00\xff" * 100 + b"\r\n\r\n",
    "an endless head": b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"a" * 100_000,
    "a huge body": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + b"a" * 100_000,
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
    "a status alone": b"HTTP/1.1\r\n\r\n",
    "half an answer": b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"offer":',
    "a plain 200": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "a plain 401": b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("what", GARBAGE)
async def test_garbage_is_survived_with_a_wait_that_grows(what: str, tmp_path: Path) -> None:
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.read(100)
        writer.write(GARBAGE[what])
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    flash = make_flash(tmp_path / "board.bin", address, GROUP, [])
    async with Bench(flash) as bench:
        await bench.until(lambda: connections >= 2)
        assert bench.board.boots == 1
        assert "MemoryError" not in bench.log
        assert "error:" not in bench.log
    server.close()
    assert Flash(flash).is_erased("ota_1")


@pytest.mark.parametrize("breaks", [False, True], ids=["one connection", "a byte a connection"])
async def test_transfer_that_trickles_is_given_up(
    breaks: bool, impostor: Impostor, tmp_path: Path, owner: rsa.RSAPrivateKey
) -> None:
    async def trickle(request: web.Request) -> web.StreamResponse:
        whole = ranged(request, transfer_file.transfer(impostor.image))
        answer = web.StreamResponse(status=whole.status, headers=whole.headers)
        answer.content_length = len(whole.body)
        await answer.prepare(request)
        for byte in whole.body:
            await answer.write(bytes([byte]))
            await asyncio.sleep(0.2)
            if breaks and request.transport:
                request.transport.close()
        return answer

    flash = make_flash(tmp_path / "b.bin", impostor.address, GROUP, [modulus(owner)])
    impostor.offer = signed(owner, manifest(impostor.image))
    impostor.transfer = trickle
    async with Bench(flash) as bench:
        await bench.until(lambda: any("slower" in r["reason"] for r in impostor.reports))
        impostor.transfer = None
        await bench.confirmed("1.1.0")


async def test_answer_that_trickles_is_given_up(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n" + bytes(4000):
            writer.write(bytes([byte]))
            await asyncio.sleep(0.1)

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    flash = make_flash(tmp_path / "b.bin", address, GROUP, [])
    async with Bench(flash) as bench:
        await bench.says("no whole answer within 60 s")
    server.close()
    assert Flash(flash).is_erased("ota_1")


async def test_silent_server_is_given_up_after_a_bounded_time(tmp_path: Path) -> None:
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.read()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    flash = make_flash(tmp_path / "board.bin", address, GROUP, [])
    async with Bench(flash) as bench:
        await bench.says("no answer for 20 s")
        await bench.until(lambda: connections >= 2)
    server.close()
    assert bench.board.boots == 1
