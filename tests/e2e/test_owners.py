"""Boards of an owner who signs, with the real server between: keys that change, and a downgrade that is meant."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from pathlib import Path
from typing import Any

from .configuring import app, in_force
from .conftest import Site
from .impostor import manifest, sign
from .lab import Bench, Flash, app_image, make_flash, modulus
from .rotating import Key, changing, confirmed, fingerprints, trusted_set
from .rotating import raw as raw_modulus
from .working import known

YET = "the device does not trust the key that signed it yet"


class Owner:
    """A group that trusts one key, and releases that are signed here, each with a higher sequence."""

    def __init__(self, site: Site, key: Key) -> None:
        self.site = site
        self.sequence = int(time.time()) - 1000
        self.group: dict[str, Any] = site.server.group("owners", "kettle", key=key)

    def publish(self, key: Key, version: str, image: bytes = b"", change: Any = None, **fields: Any) -> int:
        """The release's sequence: of the image, or of a specification alone, `change` being added and retired keys."""
        self.sequence += 1
        specification = None if image else json.dumps({"of": version}).encode()
        data = manifest(image, specification, version=version, sequence=self.sequence)
        data = changing(data, *change) if change else data
        signed = {"manifest": data, "signature": sign(key, data)}
        encoded = {name: base64.b64encode(part).decode() for name, part in signed.items()}
        answer = self.site.server.publish(image or None, version, specification=specification, **encoded, **fields)
        assert answer.status == 201, answer.body
        return self.sequence

    def reasons(self, device: str) -> dict[str, str]:
        """Why the device gets each release, or does not."""
        return {each["version"]: each["reason"] for each in self.site.explain(device)["releases"]}


async def test_board_that_missed_the_change_of_keys_gets_that_first_and_then_what_the_new_key_signed(
    site: Site, owner: Key, successor: Key, tmp_path: Path
) -> None:
    ours = Owner(site, owner)
    flash = make_flash(tmp_path / "a.bin", site.address, ours.group, [modulus(owner)], start=app("1.0.0"))
    async with Bench(flash) as bench:
        await known(site, bench)
    first = ours.publish(owner, "1.1.0", change=([successor], [owner]))
    ours.publish(successor, "1.2.0")
    assert ours.reasons("kettle-7")["1.2.0"] == YET
    async with Bench(flash) as bench:
        await bench.confirmed("1.2.0")
        await bench.until(lambda: site.device()["trusted"] == fingerprints(successor))
    assert [version for event, version, _ in site.events() if event == "confirmed"] == ["1.1.0", "1.2.0"]
    assert (in_force(flash), trusted_set(flash)) == (("1.2.0", b'{"of": "1.2.0"}'), raw_modulus(successor))
    assert confirmed(flash)["sequence"] == first + 1


async def test_downgrade_that_is_meant_is_a_new_signature_with_a_newer_sequence(
    site: Site, owner: Key, tmp_path: Path
) -> None:
    ours = Owner(site, owner)
    flash = make_flash(tmp_path / "a.bin", site.address, ours.group, [modulus(owner)])
    old, new = app_image("1.1.0", size_bytes=30_000), app_image("1.2.0", size_bytes=30_000)
    group, release = f"/groups/{ours.group['id']}", "/applications/kettle/releases/1.1.0"
    ours.publish(owner, "1.1.0", old)
    ours.publish(owner, "1.2.0", new)
    async with Bench(flash) as bench:
        await bench.confirmed("1.2.0")
        assert site.server.api("PATCH", group, {"target": "1.1.0"}).status == 200
        stale = "its signature is older than what the device has confirmed; sign it again"
        await bench.until(lambda: ours.reasons("kettle-7")["1.1.0"] == stale)
        assert site.server.api("PATCH", group, {"target": None}).status == 200
        assert site.server.api("DELETE", release).status == 204
        again = ours.publish(owner, "1.1.0", old, strategy="suspended")
        assert site.server.api("PATCH", group, {"target": "1.1.0"}).status == 200
        await bench.confirmed("1.1.0")
    assert Flash(flash).holds(Flash(flash).boot, old)
    assert (confirmed(flash)["sequence"], confirmed(flash)["sha256"]) == (again, hashlib.sha256(old).hexdigest())
