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

from ..vectors import transfer_file
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
HOLES = """
taken = []
try:
    while True:
        taken.append(bytearray(3584))
except MemoryError:
    taken = taken[::2]  # what is free is in pieces that are smaller than deflate's window
"""


def app(version: str, first: str, mended: bytes = b"") -> bytes:
    """An image of some 200 KB, of which half does not compress; `first` is what its application begins with."""
    noise = hashlib.shake_256(b"noise").digest(100_000)
    text = b"".join(b"line %d of a table\n" % line for line in range(5000))
    data = noise[:50_000] + mended + text + noise[50_000:]
    return image.build("kettle", version, {"app.py": (APP + first).encode(), "data.bin": data})


class Counting:
    """How many bytes an impostor serves of a transfer, and of the image itself."""

    def __init__(self, server: Impostor) -> None:
        self._server = server
        self.of_transfer = self.of_image = 0
        server.transfer, server.raw = self._transfer, self._raw

    async def _transfer(self, request: web.Request) -> web.StreamResponse:
        answer = ranged(request, transfer_file.transfer(self._server.image, self._server.base))
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


async def updated(server: Impostor, owner: rsa.RSAPrivateKey, flash: Path, first: str = "") -> Counting:
    """What a board fetched to get from 1.1.0 to 1.2.0, the transfer being against what it ran."""
    old, new = app("1.1.0", first), app("1.2.0", first, b"a line that was not there before\n")
    make_flash(flash, server.address, GROUP, [modulus(owner)], start=app("1.0.0", first))
    async with Bench(flash) as bench:
        propose(server, owner, old, "1.1.0")
        await bench.confirmed("1.1.0")
        counting = Counting(server)
        propose(server, owner, new, "1.2.0", old)
        await bench.confirmed("1.2.0")
    most = [int(bytes_) for bytes_ in re.findall(r"at most (\d+) bytes", bench.log)]
    print(f"{most} bytes in use at most")
    assert "MemoryError" not in bench.log
    assert Flash(flash).holds("ota_0", new)
    return counting


async def test_delta_update_fetches_what_is_new_and_no_more(
    server: Impostor, owner: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    counting = await updated(server, owner, tmp_path / "b.bin")
    assert 0 < counting.of_transfer < len(server.image) // 50
    assert counting.of_image == 0


async def test_board_without_the_ram_for_deflate_fetches_the_image_raw(
    server: Impostor, owner: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    counting = await updated(server, owner, tmp_path / "b.bin", HOLES)
    assert 0 < counting.of_transfer < len(server.image) // 50
    assert 0 < counting.of_image <= len(server.image)
