"""Simulated boards at the end of a serial cable, each running in a thread of the test's own process."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twinslot_sim import applications, factory, micropython, vfs
from twinslot_sim.board import Board
from twinslot_sim.nor import Nor
from twinslot_sim.partitions import MICROPYTHON_4MIB_OTA, Partition

PATIENCE_S = 60


class OnTheDesk:
    """A board that is switched on within `with`; `log` is all that it printed. A flash that is missing is made, as from
    the shop, with `files` if there are any."""

    def __init__(
        self,
        flash: Path,
        *,
        files: dict[str, bytes] | None = None,
        image: bytes = b"",
        table: Sequence[Partition] = MICROPYTHON_4MIB_OTA,
        **board: Any,
    ) -> None:
        self.flash = flash
        self.log = ""
        self._settings = board
        if not flash.exists():
            factory.make_flash(flash, image or applications.micropython(), files, table)

    def __enter__(self) -> OnTheDesk:
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(ready)))
        self._thread.start()
        assert ready.wait(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self.board.power_off)
        self._thread.join()

    async def _run(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self.board = Board(self.flash, interpreter=micropython.find(), on_output=self._hear, **self._settings)
        ready.set()
        await self.board.run()

    def _hear(self, data: bytes) -> None:
        self.log += data.decode("utf-8", "replace").replace("\r\n", "\n")

    @property
    def port(self) -> str:
        return self.board.port

    def says(self, pattern: str, since: int = 0) -> None:
        """Waits until it has printed what the regular expression matches, after the first `since` characters."""
        limit = time.monotonic() + PATIENCE_S
        while not re.search(pattern, self.log[since:]):
            assert time.monotonic() < limit, f"no {pattern!r} in:\n{self.log}"
            time.sleep(0.02)


def lying(flash: Path, path: str) -> bytes:
    """The content of a file on a board that is off."""
    copy = flash.with_suffix(".look")
    copy.write_bytes(flash.read_bytes())
    return vfs.read_file(copy, path)


def settings(flash: Path) -> dict[str, Any]:
    """The configuration of a board that is off."""
    found: dict[str, Any] = json.loads(lying(flash, "/twinslot.json"))
    return found


def put(flash: Path, path: str, content: bytes) -> None:
    """A board that is off has the file."""
    with Nor(flash) as nor:
        vfs.write_file(nor, path, content)
