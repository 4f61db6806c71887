"""What the tests of specifications share: an application with habits, a server of the owner's, a look into NVS."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from twinslot_sim import bootloader
from twinslot_sim.errors import EspError
from twinslot_sim.nor import Nor
from twinslot_sim.nvs import Nvs

from .impostor import GROUP, Impostor, manifest, sign
from .lab import Bench, make_flash, modulus, own_image

APP = """
import asyncio, json, machine, twinslot
at_start = twinslot.specification()
print("at start", json.dumps(at_start))
habit = at_start.get("habit") if isinstance(at_start, dict) else None
{line}
if habit == "crash":
    raise ValueError("cannot be configured so")
while habit == "hang":
    pass
if habit == "soft reset" and machine.reset_cause() != machine.SOFT_RESET:
    machine.soft_reset()
async def configure(specification):
    print("configured", json.dumps(specification))
    later = machine.reset_cause() == machine.PWRON_RESET
    if habit == "raise" or habit == "raise later" and later:
        raise ValueError("not so")
    if habit == "wait" or habit == "wait later" and later:
        await asyncio.sleep(3600)
async def run():
    await twinslot.Agent(configure=configure, self_test=lambda: print("self-test") or True).run()
def main():
    asyncio.run(run())
"""
OLD = b'{"litres": 1}'
NEW = b'{"litres": 2}'
VALID = 2  # of `spec_state`, as in otadata
NVS_AND_OTADATA = slice(0x9000, 0xF000)
_confirmed: dict[bytes, bytes] = {}  # what a board left there, which is the same whatever its server's address


def app(version: str, line: str = "") -> bytes:
    """An image whose application prints the specification that it starts with (`at start`) and the one that it is given
    (`configured`), and does what the first one's `habit`, or `line`, says."""
    return own_image(version, APP.format(line=line))


def with_habit(habit: str) -> bytes:
    """A specification with which that application has that habit."""
    return json.dumps({"habit": habit}).encode()


class Kettle:
    """A server of the owner's, and boards that trust the owner."""

    def __init__(self, server: Impostor, key: rsa.RSAPrivateKey, folder: Path) -> None:
        self.server = server
        self.key = key
        self._folder = folder

    def flash(self, name: str = "board", start: bytes | None = None, **settings: Any) -> Path:
        path, trusted = self._folder / f"{name}.bin", [modulus(self.key)]
        return make_flash(path, self.server.address, GROUP, trusted, start=start or app("1.0.0"), **settings)

    def propose(self, data: bytes, **fields: object) -> None:
        """The next check-ins bring that manifest, signed; the fields come into the offer."""
        self.server.offer = data, sign(self.key, data)
        self.server.extras = fields

    def offer(self, signed: bytes | None, sequence: int = 200, image: bytes = b"", **fields: object) -> None:
        """The next check-ins bring a release of a specification, an image or both; its version is 1.<sequence>.0."""
        self.server.image = image
        carried = {"specification": base64.b64encode(signed).decode()} if signed is not None else {}
        data = manifest(image, signed, version=f"1.{sequence}.0", sequence=sequence)
        self.propose(data, **{**carried, **({} if image else {"transfer": None, "image": None}), **fields})

    def reported(self, event: str) -> list[tuple[str, str]]:
        """(version, reason) of the reports of an event, each once."""
        return list({r["id"]: (r["version"], r["reason"]) for r in self.server.reports if r["event"] == event}.values())

    async def configured(self, specification: bytes = OLD, **settings: Any) -> Path:
        """The flash of a board that has confirmed a first specification, as 1.100.0."""
        flash = self.flash(**settings)
        if specification not in _confirmed:
            first = self.flash("first")
            self.offer(specification, 100)
            async with Bench(first) as bench:
                await self.server.hears(bench, "1.100.0")
            _confirmed[specification] = first.read_bytes()[NVS_AND_OTADATA]
            self.server.reports.clear()
            self.server.checks.clear()
        data = bytearray(flash.read_bytes())
        data[NVS_AND_OTADATA] = _confirmed[specification]
        flash.write_bytes(data)
        return flash


def in_nvs(flash: Path) -> dict[str, Any]:
    """What the device package keeps in NVS of its state and specifications, read without changing it."""
    copy = flash.with_suffix(".nvs")
    copy.write_bytes(flash.read_bytes())
    found: dict[str, Any] = {}
    with Nor(copy) as nor:
        partition = bootloader.nvs_partition(nor)
        nvs = Nvs(nor, partition.offset, partition.size)
        blobs = [(key, nvs.get_blob) for key in ("state", "spec0", "spec1")]
        for key, get in (*blobs, ("spec_state", nvs.get_i32)):
            try:
                found[key] = get("twinslot", key)
            except EspError:
                continue
    return found


def in_force(flash: Path) -> tuple[str, bytes | None]:
    """The version that a board without a trial has confirmed, and the specification that it is configured with."""
    stored = in_nvs(flash)
    record = json.loads(stored["state"])
    assert record["trial"] is None
    place = record["confirmed"]["place"]
    return record["confirmed"]["version"], None if place is None else stored[f"spec{place}"]


def said(bench: Bench, *beginnings: str) -> list[str]:
    """The lines of the board's log that begin so."""
    return [line for line in bench.log.splitlines() if line.startswith(beginnings)]
