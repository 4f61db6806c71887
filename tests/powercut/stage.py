"""What scenarios are set on: a server of the owner's, and boards of it on 1.0.0, with the package frozen in each image,
where a boot takes a fifth of the time that it takes from the file system; the flash operations are the same."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from aiohttp import web

from twinslot_sim import image
from twinslot_sim.nor import SECTOR_SIZE

from ..e2e.bundles import bundle_manifest
from ..e2e.impostor import GROUP, Impostor, manifest, ranged, sign
from ..e2e.lab import make_flash, modulus
from ..e2e.rotating import Key, changing
from ..vectors import transfer_file
from ..vectors.bundle_file import transfer_of
from .flash import Content, Look
from .runs import Ended, Run, Scenario

ROOT = Path(__file__).resolve().parents[2]
NEW = "1.1.0"
HEALTHY = """
import asyncio, twinslot
from twinslot import liaison, pace
liaison.random_id = lambda: "0123456789abcdef"  # so that boards which do the same leave the same
pace.jittered = lambda seconds, percent: min(seconds, 8) / 8  # so that nobody waits long for a second try
def main():
    asyncio.run(twinslot.Agent().run())
"""


@dataclass(frozen=True)
class Variant:
    """From which slot a scenario starts, and whether the other one holds remains or nothing."""

    slot: int
    dirty: bool

    def __str__(self) -> str:
        return f"from slot {self.slot} into a {'dirty' if self.dirty else 'clean'} one"


VARIANTS = [Variant(slot, dirty) for slot in (0, 1) for dirty in (False, True)]


@lru_cache(maxsize=64)
def frozen(device: Path, version: str, application: str = HEALTHY, sectors: int = 0, table: bytes = b"") -> bytes:
    """An image with that application, a table of its own and the package of `device`, a folder with `firmware/` and
    `boot/`."""
    package = device / "firmware" / "twinslot"
    modules = {f"twinslot/{path.name}": path.read_bytes() for path in package.glob("*.py")}
    modules["app.py"] = application.encode()
    modules["app_version.py"] = f"VERSION = {version!r}\n".encode()
    modules["table.bin"] = table
    return image.build("kettle", version, modules, size_bytes=sectors * SECTOR_SIZE)


@lru_cache(maxsize=8)
def _transfer(content: bytes, base: bytes) -> bytes:
    return transfer_file.transfer(content, base)


class Stage:
    """The server `server`, the key `owner` that signs, and boards that run the package of `device`; `sectors` is how
    many an image has where its size matters."""

    def __init__(
        self, server: Impostor, owner: Key, folder: Path, variant: Variant, sectors: int, device: Path
    ) -> None:
        self.server = server
        self.owner = owner
        self.variant = variant
        self.sectors = sectors
        self.table = b""  # in each image
        self._folder = folder
        self._device = device
        self._bundle = b""  # its transfer, when one is proposed
        server.transfer = self._serve

    def image(self, version: str, application: str = HEALTHY, sectors: int = 0) -> bytes:
        return frozen(self._device, version, application, sectors, self.table)

    def propose(
        self, content: bytes, version: str, specification: bytes | None = None, successor: Key | None = None
    ) -> None:
        """The next check-ins bring that release: an image, unless that is empty, and the specification, if there is
        one; the successor, if there is one, takes the owner's place. The sequence is the version, with two digits for
        each number."""
        data = manifest(content, specification, version=version, sequence=sequence(version))
        if successor:
            data = changing(data, [successor], [self.owner])
        carried = {} if specification is None else {"specification": base64.b64encode(specification).decode()}
        self.server.extras = {**carried, **({} if content else {"transfer": None, "image": None})}
        self.server.image, self._bundle = content, b""
        self.server.offer = data, sign(self.owner, data)

    def propose_bundle(self, files: dict[str, bytes], version: str) -> None:
        """The next check-ins bring that release: a bundle of these files, which are in the order of their paths."""
        data = bundle_manifest(files, version=version, sequence=sequence(version))
        self.server.extras, self._bundle = {"image": None}, transfer_of(files)
        self.server.offer = data, sign(self.owner, data)

    async def board(self, application: str = HEALTHY, **settings: object) -> bytes:
        """The flash of a board that has confirmed 1.0.0 by an update, in the variant's slot; the other one is as the
        variant has it."""
        path = self._folder / "base.bin"
        boot = {f"/{file.name}": file.read_bytes() for file in (self._device / "boot").glob("*.py")}
        boot["/boot.py"] = boot["/boot.py"].replace(b"_MARGIN_S = 10", b"_MARGIN_S = 1")  # a watchdog that waits less
        trusted = [modulus(self.owner)]
        start, files = self.image("0.8.0", application), {**boot, **settings.pop("files", {})}  # type: ignore[dict-item]
        settings = {"trial_s": 60, "version": "0.8.0", **settings}
        make_flash(path, self.server.address, GROUP, trusted, start=start, frozen=True, files=files, **settings)
        content = path.read_bytes()
        for version in ("0.9.0", "1.0.0")[self.variant.slot :]:
            self.propose(self.image(version, application), version)
            content = await self.after(content, confirmed(version))
        self.server.offer = None
        return self._with_other_slot(content)

    async def after(self, start: bytes, what: Ended) -> bytes:
        """What that flash holds when `what` becomes true, on the way of a board whose power does not fail."""
        run = Run(Scenario(start, what, lambda look: ""), Content(start))
        await run.go(self._folder / "set-up.bin", reboots=0)
        assert not run.broken, (run.broken, run.log)
        return run.content_when(what)

    def _with_other_slot(self, content: bytes) -> bytes:
        """The slot that does not run holds remains of an image, or nothing."""
        if self.variant.dirty:
            return content
        slot = Look(content).slots[1 - self.variant.slot]
        return content[: slot.offset] + b"\xff" * slot.size + content[slot.offset + slot.size :]

    async def _serve(self, request: web.Request) -> web.Response:
        if self._bundle:
            return ranged(request, self._bundle)
        base = self.server.base if request.query["runs"] else b""
        return ranged(request, _transfer(self.server.image, base))


def with_image(stage: Stage, start: bytes, image: bytes) -> bytes:
    """The flash, and the image lies in the slot that does not run."""
    at = Look(start).slots[1 - stage.variant.slot].offset
    return start[:at] + image + start[at + len(image) :]


def sequence(version: str) -> int:
    """The version's: each of its numbers has two digits."""
    major, minor, patch = map(int, version.split("."))
    return 10000 * major + 100 * minor + patch


def confirmed(version: str) -> Ended:
    """The board keeps that version, and the server has its report."""

    def ended(look: Look) -> bool:
        record = look.record
        return bool(record) and record["confirmed"]["version"] == version and is_idle(look)

    return ended


def is_idle(look: Look) -> bool:
    """Nothing is on its way, and nothing is to be told."""
    record = look.record
    return bool(record) and not record["trial"] and not record["report"]


def keeps(*versions: str) -> Callable[[Look], str]:
    """The rule that no other version is ever confirmed."""

    def rule(look: Look) -> str:
        record = look.record
        kept = record["confirmed"]["version"] if record else "no"
        return "" if kept in versions else f"{kept} is confirmed"

    return rule
