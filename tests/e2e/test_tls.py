"""Over TLS a board talks to a server that it can verify, and to no other."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from .impostor import GROUP, Impostor, manifest, sign
from .lab import Bench, Flash, app_image, make_flash, modulus


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, bytes]:
    """A server's context with a self-signed certificate for `name`, and that certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(
        now + datetime.timedelta(days=1)
    )
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    form, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file = folder / f"{name}.pem"
    file.write_bytes(pem + key.private_bytes(serialization.Encoding.PEM, form, none))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, pem


async def test_update_over_tls_with_a_verified_certificate(tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 3072)
    context, pem = certificate(tmp_path, "localhost")
    async with Impostor(context) as server:
        server.image = app_image("1.1.0", size_bytes=200_000)
        server.offer = manifest(server.image), sign(key, manifest(server.image))
        flash = make_flash(
            tmp_path / "b.bin", server.address, GROUP, [modulus(key)], files={"/ca.pem": pem}, ca="/ca.pem"
        )
        async with Bench(flash) as bench:
            await bench.confirmed("1.1.0")
    assert Flash(flash).holds("ota_1", server.image)


@pytest.mark.parametrize(("name", "trusts"), [("localhost", "another"), ("elsewhere", "it"), ("localhost", "nobody")])
async def test_server_that_cannot_be_verified_is_not_talked_to(name: str, trusts: str, tmp_path: Path) -> None:
    context, pem = certificate(tmp_path, name)
    _, other = certificate(tmp_path, "other")
    files = {"it": {"/ca.pem": pem}, "another": {"/ca.pem": other}, "nobody": {}}[trusts]
    async with Impostor(context) as server:
        settings = {"ca": "/ca.pem"} if files else {}
        flash = make_flash(tmp_path / "b.bin", server.address, GROUP, [], files=files, **settings)
        async with Bench(flash) as bench:
            await bench.says("twinslot: connection: ")
    assert server.checks == []
    assert bench.board.boots == 1


async def test_record_that_arrives_in_pieces_is_read_whole(tmp_path: Path) -> None:
    """A TLS record of which a part has come gives no bytes and is not the end: so it is on any real network."""
    context, pem = certificate(tmp_path, "localhost")
    async with Impostor(context) as server:
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
        address = f"https://localhost:{slow.sockets[0].getsockname()[1]}"
        flash = make_flash(tmp_path / "b.bin", address, GROUP, [], files={"/ca.pem": pem}, ca="/ca.pem")
        async with Bench(flash) as bench:
            await bench.until(lambda: len(server.checks) >= 2)
        slow.close()
    assert "connection" not in bench.log
