"""Over TLS a board talks to a server that it can verify, and to no other."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from .certificates import DAY_S, HOUR_S, Authority
from .impostor import GROUP, Impostor, manifest, sign
from .lab import Bench, Flash, app_image, make_flash, modulus


def pinning(path: Path, address: str, pem: bytes, trusted: list[str] | None = None) -> Path:
    """The flash of a board that trusts these authorities."""
    return make_flash(path, address, GROUP, trusted or [], files={"/ca.pem": pem}, ca="/ca.pem")


async def test_update_over_tls_with_a_verified_certificate(tmp_path: Path, owner: rsa.RSAPrivateKey) -> None:
    authority = Authority(tmp_path)
    async with Impostor(authority.context()) as server:
        server.image = app_image("1.1.0", size_bytes=200_000)
        server.offer = manifest(server.image), sign(owner, manifest(server.image))
        flash = pinning(tmp_path / "b.bin", server.address, authority.pem, [modulus(owner)])
        async with Bench(flash) as bench:
            await bench.confirmed("1.1.0")
    assert Flash(flash).holds("ota_1", server.image)


REFUSED = {
    "the right one": ("localhost", -DAY_S, DAY_S, "it", "the connection ended before an answer"),
    "for another name": ("elsewhere", -DAY_S, DAY_S, "it", r"connection: \nThe certificate Common Name"),
    "of an authority that is not pinned": ("localhost", -DAY_S, DAY_S, "another", r"connection: \n.*not .*signed"),
    "where no authority is pinned": ("localhost", -DAY_S, DAY_S, "nobody", "connection: "),
    "expired an hour ago": ("localhost", -DAY_S, -HOUR_S, "it", r"connection: \n.*validity has expired"),
    "valid in an hour": ("localhost", HOUR_S, DAY_S, "it", r"connection: \n.*validity starts in the future"),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_server_with_a_certificate_that_does_not_hold_is_sent_nothing(what: str, tmp_path: Path) -> None:
    name, begins_s, ends_s, pinned, says = REFUSED[what]
    authority = Authority(tmp_path)
    heard = b""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        heard += await reader.read(100)
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0, ssl=authority.context(name, begins_s, ends_s))
    address = f"https://localhost:{server.sockets[0].getsockname()[1]}"
    if pinned == "nobody":
        flash = make_flash(tmp_path / "b.bin", address, GROUP, [])
    else:
        flash = pinning(tmp_path / "b.bin", address, authority.pem if pinned == "it" else Authority(tmp_path).pem)
    async with Bench(flash) as bench:
        await bench.says(f"twinslot: {says}")
    server.close()
    assert bool(heard) is (what == "the right one")
    assert bench.board.boots == 1


async def test_authority_is_rotated_by_pinning_two(tmp_path: Path) -> None:
    old, new, stranger = (Authority(tmp_path, name) for name in ("old", "new", "stranger"))
    context = old.context()
    async with Impostor(context) as server:
        async with Bench(pinning(tmp_path / "b.bin", server.address, old.pem + new.pem)) as bench:
            await bench.until(lambda: server.checks)
            new.certify(context)
            seen = len(server.checks)
            await bench.until(lambda: len(server.checks) > seen + 1)
            assert "connection" not in bench.log
            stranger.certify(context)
            await bench.says("twinslot: connection: ")
            seen = len(server.checks)
            await bench.until(lambda: bench.log.count("twinslot: connection: ") == 2)
        assert len(server.checks) == seen


async def test_record_that_arrives_in_pieces_is_read_whole(tmp_path: Path) -> None:
    """A TLS record of which a part has come gives no bytes and is not the end: so it is on any real network."""
    authority = Authority(tmp_path)
    async with Impostor(authority.context()) as server:
        port = int(server.address.rsplit(":", 1)[1])

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)

            async def up() -> None:
                while data := await reader.read(4096):
                    up_writer.write(data)

            pumping = asyncio.ensure_future(up())
            while data := await up_reader.read(4096):
                for at in range(0, len(data), 100):
                    writer.write(data[at : at + 100])
                    await writer.drain()
                    await asyncio.sleep(0.002)
            pumping.cancel()
            writer.close()
            up_writer.close()

        slow = await asyncio.start_server(relay, "127.0.0.1", 0)
        flash = pinning(tmp_path / "b.bin", f"https://localhost:{slow.sockets[0].getsockname()[1]}", authority.pem)
        async with Bench(flash) as bench:
            await bench.until(lambda: len(server.checks) >= 2)
        slow.close()
    assert "connection" not in bench.log
