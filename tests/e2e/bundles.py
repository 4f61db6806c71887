"""What the tests of bundles share: applications made of files, an owner that offers them, a look at the trees."""

from __future__ import annotations

import base64
import hashlib
import struct
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from ..powercut.flash import Look
from ..vectors import transfer_file
from ..vectors.bundle_file import listed, transfer_of
from .configuring import NVS_AND_OTADATA
from .impostor import GROUP, Impostor, manifest, ranged, sign
from .lab import app_image, make_flash, modulus

APP = """
import asyncio, sys, twinslot
print("app of", sys.path[0], {line!r})
{source}
async def run():
    await twinslot.Agent({hooks}).run()
def main():
    asyncio.run(run())
"""


def files_of(line: str = "", source: str = "", hooks: str = "", **more: bytes) -> dict[str, bytes]:
    """An application made of files, by path; `more` by paths whose slashes and dots are `__` and `_`."""
    named = {path.replace("__", "/").replace("_", "."): content for path, content in more.items()}
    files = {**named, "app.py": APP.format(line=line, source=source, hooks=hooks).encode()}
    return dict(sorted(files.items()))


def bundle_manifest(
    files: dict[str, bytes],
    specification: bytes | None = None,
    mpy: int = 0,
    micropython: tuple[int, int, int] = (0, 0, 0),
    **fields: object,
) -> bytes:
    """The manifest of a bundle of these files, with some fields as the test wants them."""
    named = {"size": len(listed(files)), "sha256": bytes.fromhex(listing_digest(files)), "chip": 0xFFFF}
    kind = 8 if specification is None else 10
    data = manifest(b"", specification, **{"kind": kind, **named, **fields})
    return data + struct.pack("<HBBB", mpy, *micropython)


def listing_digest(files: dict[str, bytes]) -> str:
    """The SHA-256 of the bundle's list, hex."""
    return hashlib.sha256(listed(files)).hexdigest()


class Bakery:
    """An owner's server that offers bundles, and boards that trust the owner. `asked` are the parts of the transfer,
    (first byte, end), that were asked for since the last offer."""

    def __init__(self, server: Impostor, key: rsa.RSAPrivateKey, folder: Path) -> None:
        self.server = server
        self.key = key
        self.asked: list[tuple[int, int]] = []
        self._folder = folder
        server.transfer = self._serve

    def flash(self, name: str = "board", **settings: Any) -> Path:
        path, trusted = self._folder / f"{name}.bin", [modulus(self.key)]
        start = settings.pop("start", None) or app_image("1.0.0")
        return make_flash(path, self.server.address, GROUP, trusted, start=start, **settings)

    def offer(
        self, files: dict[str, bytes], sequence: int = 200, specification: bytes | None = None, **fields: Any
    ) -> None:
        """The next check-ins bring a bundle of these files; its version is 1.<sequence>.0."""
        data = bundle_manifest(files, specification, version=f"1.{sequence}.0", sequence=sequence, **fields)
        self.transfer = transfer_of(files)
        self.asked.clear()
        self.server.offer = data, sign(self.key, data)
        carried = {"specification": base64.b64encode(specification).decode()} if specification is not None else {}
        self.server.extras = {"image": None, **carried}

    def offer_image(self, image: bytes, sequence: int) -> None:
        """The next check-ins bring that image; its version is 1.<sequence>.0."""
        data = manifest(image, version=f"1.{sequence}.0", sequence=sequence)
        self.transfer = transfer_file.transfer(image)
        self.server.image = image
        self.server.offer, self.server.extras = (data, sign(self.key, data)), {}

    async def _serve(self, request: web.Request) -> web.Response:
        part = request.http_range
        self.asked.append((part.start or 0, len(self.transfer) if part.stop is None else part.stop))
        return ranged(request, self.transfer)

    @property
    def payload_bytes(self) -> int:
        """How many bytes of payloads were asked for since the last offer."""
        count, size = struct.unpack_from("<HI", self.transfer, 6)
        first = 12 + size + 4 * count
        return sum(end - max(first, start) for start, end in self.asked if end > first)

    def reported(self, event: str) -> list[tuple[str, str]]:
        """(version, reason) of the reports of an event, each once."""
        return list({r["id"]: (r["version"], r["reason"]) for r in self.server.reports if r["event"] == event}.values())


def tree(flash: Path, root: str) -> dict[str, bytes]:
    """What is in a tree of a board that is off, but its list; folders end with a slash."""
    found = Look(flash.read_bytes()).files or {}
    paths = {path: path.removeprefix(root + "/") for path in found if path.startswith(root + "/")}
    return {name: found[path] for path, name in paths.items() if name not in ("", ".list")}


def numbers(flash: Path) -> dict[str, int | None]:
    """What NVS of a board that is off has of `tree` and `spec_state`."""
    look = Look(flash.read_bytes())
    return {key: look.number(key) for key in ("tree", "spec_state")}


def take_over_nvs(source: Path, flash: Path) -> None:
    """The board has the other one's NVS and otadata; both are off."""
    data = bytearray(flash.read_bytes())
    data[NVS_AND_OTADATA] = source.read_bytes()[NVS_AND_OTADATA]
    flash.write_bytes(data)
