"""A bench with a real server and simulated boards: what the end-to-end tests are written with."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from twinslot_sim import applications, bootloader, factory, image, micropython, otadata, partitions
from twinslot_sim.board import Board
from twinslot_sim.nor import Nor
from twinslot_tools.board_files import board_files
from twinslot_tools.device_auth import device_key

if TYPE_CHECKING:
    from .conftest import Site

PATIENCE_S = 90
TRIAL_S = 8
SLOTS = {"ota_0": 0, "ota_1": 1}


def app_image(version: str, habit: str = "healthy", *, app: str = "kettle", size_bytes: int = 60_000) -> bytes:
    """An image with one of the simulator's own applications."""
    return applications.app_image(app, version, habit, size_bytes=size_bytes)


def own_image(version: str, source: str, *, app: str = "kettle", chip: int = 0, size_bytes: int = 0) -> bytes:
    """An image whose application is `source`."""
    return image.build(app, version, {"app.py": source.encode()}, chip=chip, size_bytes=size_bytes)


def late_image(version: str) -> bytes:
    """A healthy application that takes its time to start, so that a test can do something before it checks in."""
    return own_image(
        version,
        "import asyncio, time, twinslot\ndef main():\n    time.sleep(2)\n    asyncio.run(twinslot.Agent().run())\n",
    )


def modulus(key: rsa.RSAPrivateKey) -> str:
    return base64.b64encode(key.public_key().public_numbers().n.to_bytes(384, "big")).decode()


def modulus_of_pem(pem: bytes) -> str:
    key = serialization.load_pem_private_key(pem, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return modulus(key)


def make_flash(
    path: Path,
    server: str,
    group: dict[str, Any],
    trusted: list[str],
    *,
    device: str = "kettle-7",
    start: bytes | None = None,
    files: dict[str, bytes] | None = None,
    frozen: bool = False,
    table: Sequence[partitions.Partition] = partitions.MICROPYTHON_4MIB_OTA,
    **settings: object,
) -> Path:
    """A factory-fresh board on 1.0.0, provisioned as the tool does it; without the package in its file system when that
    is `frozen` in the image."""
    config = {
        "server": server,
        "group": group["id"],
        "device": device,
        "key": device_key(group["token"], device).hex(),
        "app": "kettle",
        "version": "1.0.0",
        "trusted": trusted,
        "wifi": {"ssid": "lab", "password": "lab"},
        "trial_s": TRIAL_S,
        "poll_s": 1,
        "allow_packages": True,
        **({"clock_s": int(time.time())} if server.startswith("https:") else {}),
        **settings,
    }
    package = {path: data for path, data in board_files().items() if not (frozen and path.startswith("/lib/"))}
    lying = {**package, "/twinslot.json": json.dumps(config).encode(), **(files or {})}
    factory.make_flash(path, start or app_image("1.0.0"), lying, table)
    return path


class Bench:
    """A board that is on, within `async with`. `log` is all it printed."""

    def __init__(self, flash: Path, **board: Any) -> None:
        self.log = ""
        self.flash = flash
        self._settings = board

    async def __aenter__(self) -> Bench:
        self.board = Board(self.flash, interpreter=micropython.find(), on_output=self._hear, **self._settings)
        self._running = asyncio.ensure_future(self.board.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.board.power_off()
        await self._running

    def _hear(self, data: bytes) -> None:
        self.log += data.decode("utf-8", "replace").replace("\r\n", "\n")

    @property
    def record(self) -> dict[str, Any]:
        return self.board.record() or {}

    async def until(self, what: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
        """Waits for something to become true; fails with the board's log when it does not."""
        limit = time.monotonic() + timeout_s
        while not what():
            assert not self._running.done(), f"the board stopped: {self._running}\n{self.log}"
            assert time.monotonic() < limit, f"waited {timeout_s} s in vain\n{self.log}"
            await asyncio.sleep(0.02)

    async def says(self, text: str, timeout_s: float = PATIENCE_S) -> None:
        """Waits for a line that holds the regular expression."""
        await self.until(lambda: re.search(text, self.log), timeout_s)

    async def confirmed(self, version: str) -> None:
        """Waits until the board keeps `version` and the server has its report."""
        await self.until(
            lambda: (
                self.record
                and self.record["confirmed"]["version"] == version
                and not self.record["trial"]
                and not self.record["report"]
            )
        )


class Flash:
    """What lies in a flash file, read without changing it."""

    def __init__(self, path: Path) -> None:
        self._copy = path.with_suffix(".look")
        self._copy.write_bytes(path.read_bytes())
        with Nor(self._copy) as nor:
            table = {row.label: row for row in partitions.read(nor)}
            self.boot = bootloader.boot_partition(nor).label
            entries = otadata.read(nor, table["otadata"])
            self.slots = {label: nor.read(table[label].offset, table[label].size) for label in ("ota_0", "ota_1")}
        self.states: dict[str, str] = {}
        for entry in sorted((e for e in entries if not e.is_blank), key=lambda e: e.sequence):
            self.states[f"ota_{(entry.sequence - 1) % 2}"] = otadata.State(entry.state).name

    def holds(self, slot: str, data: bytes) -> bool:
        return self.slots[slot][: len(data)] == data

    def is_erased(self, slot: str) -> bool:
        return self.slots[slot].count(0xFF) == len(self.slots[slot])


async def cut_off_in_trial(site: Site) -> Path:
    """The flash of a board whose power failed in its trial of 1.1.0, while the server, which is down, was not to be
    reached."""
    flash = site.flash()
    site.publish(late_image("1.1.0"), "1.1.0")
    async with Bench(flash) as bench:
        await bench.says("restarting into 1.1.0")
        site.kill()
        await bench.says("trial of 1.1.0")
    return flash
