"""What the tests of changing keys share: releases that change them, and what a board says that it trusts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from twinslot_sim import bootloader
from twinslot_sim.nor import Nor
from twinslot_sim.nvs import Nvs

from .configuring import Kettle, in_nvs
from .impostor import GROUP, manifest
from .lab import Bench, make_flash, modulus

Key = rsa.RSAPrivateKey


def raw(key: Key) -> bytes:
    """The modulus as boards keep it."""
    return key.public_key().public_numbers().n.to_bytes(384, "big")


def fingerprints(*keys: Key) -> list[str]:
    """The keys as a check-in tells them."""
    return [hashlib.sha256(raw(key)).hexdigest() for key in keys]


def changing(data: bytes, added: list[Key], retired: list[Key]) -> bytes:
    """The manifest, which changes the trusted keys as well."""
    data = data[:5] + bytes([data[5] | 4]) + data[6:]
    data += bytes([len(added)]) + b"".join(map(raw, added))
    return data + bytes([len(retired)]) + b"".join(hashlib.sha256(raw(key)).digest() for key in retired)


def rotate(kettle: Kettle, specification: bytes, sequence: int, added: list[Key], retired: list[Key]) -> None:
    """The next check-ins bring a release of a specification that changes the keys; its version is 1.<sequence>.0."""
    kettle.offer(specification, sequence)
    data = manifest(b"", specification, version=f"1.{sequence}.0", sequence=sequence)
    kettle.propose(changing(data, added, retired), **kettle.server.extras)


async def rotated(kettle: Kettle, successor: Key, **settings: Any) -> Path:
    """The flash of a board that trusted the owner, and has confirmed the successor in the owner's place as 1.200.0."""
    flash = await kettle.configured(**settings)
    rotate(kettle, b"2", 200, [successor], [kettle.key])
    async with Bench(flash) as bench:
        await kettle.server.hears(bench, "1.200.0")
    kettle.server.offer = None
    kettle.server.checks.clear()
    kettle.server.reports.clear()
    return flash


def provisioned_again(flash: Path, kettle: Kettle, key: Key, **settings: Any) -> Path:
    """The flash of the board with new files, by which it trusts that key; its NVS and otadata are as they were."""
    anew = make_flash(flash.with_name("anew.bin"), kettle.server.address, GROUP, [modulus(key)], **settings)
    kept = bytearray(anew.read_bytes())
    kept[0x9000:0xF000] = flash.read_bytes()[0x9000:0xF000]
    anew.write_bytes(kept)
    return anew


def change_nvs(flash: Path, change: Callable[[Nvs], None]) -> None:
    """The board's NVS, while it is off, is changed."""
    with Nor(flash) as nor:
        partition = bootloader.nvs_partition(nor)
        change(Nvs(nor, partition.offset, partition.size))


def trusted_set(flash: Path) -> bytes:
    """The moduli that the release which the board keeps has put into NVS."""
    copy, place = flash.with_suffix(".nvs"), confirmed(flash)["keys"][0]
    found: list[bytes] = []
    change_nvs(copy, lambda nvs: found.append(nvs.get_blob("twinslot", f"keys{place}")))
    return found[0]


def confirmed(flash: Path) -> dict[str, Any]:
    """The release that the board keeps, as its record has it."""
    kept: dict[str, Any] = json.loads(in_nvs(flash)["state"])["confirmed"]
    return kept
