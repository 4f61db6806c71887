"""A new image made on the board out of the one that runs: what is fetched, and the RAM that it takes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from twinslot_sim import image

from ..host.deltas import came, runs
from ..vectors import transfer_file
from ..vectors.transfer_file import DEFLATE, PATCH, SEGMENT, number
from .conftest import Site
from .fault_proxy import FaultProxy
from .impostor import GROUP, Impostor, manifest, ranged, sign
from .lab import Bench, Flash, make_flash, modulus

APP = """
import asyncio, gc, twinslot
most = 0
def progress(done, size):
    global most
    gc.collect()
    most = max(most, gc.mem_alloc())
    if done == size:
        print("at most", most, "bytes of", most + gc.mem_free())
def main():
    asyncio.run(twinslot.Agent(on_progress=progress).run())
"""


def app(version: str, mended: bytes = b"") -> bytes:
    """An image of some 200 KB, of which half does not compress."""
    noise = hashlib.shake_256(b"noise").digest(100_000)
    text = b"".join(b"line %d of a table\n" % line for line in range(5000))
    data = noise[:50_000] + mended + text + noise[50_000:]
    return image.build("kettle", version, {"app.py": APP.encode(), "data.bin": data})


OLD, NEW = app("1.1.0"), app("1.2.0", b"a line that was not there before\n")


class Counting:
    """How many bytes an impostor serves of a transfer, and of the image itself."""

    def __init__(self, server: Impostor, content: bytes) -> None:
        self._server = server
        self._content = content
        self.of_transfer = self.of_image = 0
        server.transfer, server.raw = self._transfer, self._raw

    async def _transfer(self, request: web.Request) -> web.StreamResponse:
        answer = ranged(request, self._content)
        self.of_transfer += len(answer.body)
        return answer

    async def _raw(self, request: web.Request) -> web.StreamResponse:
        answer = ranged(request, self._server.image)
        self.of_image += len(answer.body)
        return answer


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Impostor]:
    async with Impostor() as one:
        yield one


def propose(server: Impostor, owner: rsa.RSAPrivateKey, new: bytes, version: str, base: bytes = b"") -> None:
    server.image, server.base = new, base
    data = manifest(new, version=version, sequence=int(version.split(".")[1]))
    server.offer = data, sign(owner, data)


async def updated(
    server: Impostor, owner: rsa.RSAPrivateKey, flash: Path, heap_kib: int, content: bytes = b""
) -> tuple[Counting, str]:
    """What a board fetched to get from 1.1.0 to 1.2.0, the transfer, `content` or a good one, being
    against what it ran; and its log."""
    old, new = OLD, NEW
    make_flash(flash, server.address, GROUP, [modulus(owner)], start=app("1.0.0"))
    async with Bench(flash, heap_bytes=heap_kib * 1024) as bench:
        propose(server, owner, old, "1.1.0")
        await bench.confirmed("1.1.0")
        counting = Counting(server, content or transfer_file.transfer(new, old))
        propose(server, owner, new, "1.2.0", old)
        await bench.confirmed("1.2.0")
    most = [int(bytes_) for bytes_ in re.findall(r"at most (\d+) bytes", bench.log)]
    print(f"{most} bytes in use at most")
    assert Flash(flash).holds("ota_0", new)
    return counting, bench.log


async def test_delta_update_fits_into_96_kib_of_heap_and_fetches_what_is_new_and_no_more(
    server: Impostor, owner: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    counting, log = await updated(server, owner, tmp_path / "b.bin", heap_kib=96)
    assert 0 < counting.of_transfer < len(server.image) // 50
    assert counting.of_image == 0
    assert "memory" not in log


async def test_board_without_the_ram_for_deflate_fetches_the_image_raw(
    server: Impostor, owner: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    counting, log = await updated(server, owner, tmp_path / "b.bin", heap_kib=79)
    assert 0 < counting.of_transfer < len(server.image) // 50
    assert counting.of_image == len(server.image)
    assert "segment 0: memory allocation failed" in log


async def test_payloads_that_nobody_would_make_by_accident_take_no_more_ram_than_good_ones(
    server: Impostor, owner: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    head = b"\0" + number(SEGMENT) + b"\0"
    noise = hashlib.shake_256(b"other noise").digest(3000)
    payloads = {
        "deflate without end": (DEFLATE, bytes(1 << 22)),
        "numbers without end": (PATCH, head + bytes(1 << 22)),
        "one number without end": (PATCH, head + b"\xff" * (1 << 22)),
        "far too short": (PATCH, b"\0" + number(len(NEW) % SEGMENT) + b"\0" + number(4000) + noise[:3000]),
    }
    made = [(kind, transfer_file.deflated(data)) for kind, data in payloads.values()]
    counting, log = await updated(
        server, owner, tmp_path / "b.bin", heap_kib=96, content=transfer_file.assemble(NEW, made, OLD)
    )
    assert counting.of_image == len(NEW)
    reasons = re.findall(r"segment (\d): (.+)", log)
    assert reasons == [
        ("0", "more than the segment"),
        ("1", "a patch that is too short, or far too long"),
        ("2", "a patch with a number that is too large"),
        ("3", "a patch that is too short, or far too long"),
    ]


async def test_board_that_confirmed_a_release_gets_from_the_server_what_it_lacks_of_the_next_one(
    site: Site, tmp_path: Path
) -> None:
    async with FaultProxy(site.server.port) as network:
        flash = make_flash(tmp_path / "b.bin", f"http://127.0.0.1:{network.port}", site.group, site.trusted)
        site.publish(OLD, "1.1.0")
        async with Bench(flash) as bench:
            await bench.confirmed("1.1.0")
        another = runs(site.server.board(site.group, "kettle-8"), OLD)
        site.publish(NEW, "1.2.0")
        another.check()
        came(site.server, {"made": 1})
        transfer = site.explain()["offer"]["transfer"]
        assert transfer["base"] == hashlib.sha256(OLD).hexdigest()
        network.sent = 0
        async with Bench(flash) as bench:
            await bench.confirmed("1.2.0")
    assert transfer["size"] < network.sent < len(NEW) // 10
    assert Flash(flash).holds("ota_0", NEW)
