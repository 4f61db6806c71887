"""Simulated boards as the commands use them: made, run, and watched until they have confirmed a version."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twinslot_sim import factory, micropython
from twinslot_sim.applications import app_image
from twinslot_sim.board import Board
from twinslot_sim.bootloader import NoBootableImage
from twinslot_sim.factory import FactoryError
from twinslot_sim.image import ImageError
from twinslot_sim.micropython import NoInterpreter
from twinslot_sim.nor import FlashFileError
from twinslot_tools import provision
from twinslot_tools.console_lines import Lines
from twinslot_tools.errors import BadFile, NoDevice

WIFI = {"ssid": "simulated", "password": "simulated"}
LOOK_EVERY_S = 0.1
FACTORY_VERSION = "1.0.0"


@dataclass
class Simulated:
    """A board in this process, and what is asked of it. `on_line` hears what it prints."""

    device: str
    flash: Path
    heap_bytes: int = 128 * 1024
    cut_at_op: int | None = None
    keep_bytes: int = 0
    on_line: Callable[[str], None] = lambda line: None
    board: Board = field(init=False)

    def power_on(self, interpreter: list[str]) -> None:
        """The board exists, and its serial port; it runs from `run_until` on."""
        self.board = Board(
            self.flash,
            interpreter=interpreter,
            heap_bytes=self.heap_bytes,
            cut_at_op=self.cut_at_op,
            keep_bytes=self.keep_bytes,
            on_output=Lines(self.on_line).feed,
        )

    def confirmed_version(self) -> str | None:
        """The version that the board keeps, `None` before its agent has first run."""
        record: dict[str, Any] | None = self.board.record()
        return str(record["confirmed"]["version"]) if record else None

    async def run_until(self, version: str | None, stop: asyncio.Event) -> "Outcome":
        """The board has run until it confirmed `version`, if one is given, or until `stop` was set; it is then off."""
        running = asyncio.ensure_future(self.board.run())
        stopped = asyncio.ensure_future(stop.wait())
        try:
            confirmed = False
            while not confirmed and not running.done() and not stopped.done():
                await asyncio.wait({running, stopped}, timeout=LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
                confirmed = not running.done() and version is not None and is_confirmed(self.board.record(), version)
            kept = None if running.done() else self.confirmed_version()
            outcome = Outcome(
                self.device,
                kept,
                confirmed,
                self.board.boots,
                self.board.flash_ops,
                self.board.flash_busy_ms,
                self.board.port,
            )
        finally:
            stopped.cancel()
            self.board.power_off()
            await running
        return outcome


def is_confirmed(record: dict[str, Any] | None, version: str) -> bool:
    """True when the board of this record keeps `version`, tries no other, and the server has heard all it reported."""
    if not record:
        return False
    return bool(record["confirmed"]["version"] == version and not record["trial"] and not record["report"])


@dataclass(frozen=True)
class Outcome:
    """How a board's run ended. `version` is what it keeps, `None` when its agent never ran."""

    device: str
    version: str | None
    confirmed: bool
    boots: int
    flash_ops: int
    flash_busy_ms: int
    port: str


async def make_board(
    flash: Path, group: provision.Group, device: str, *, app: str | None, version: str, poll_s: int
) -> None:
    """`flash` is a factory-fresh board of the group, running a healthy `version` of `app`, or else of the group's."""
    name = app or group.app
    settings = provision.configuration(group, device, app=name, version=version, wifi=WIFI, poll_s=poll_s)
    with translated():
        image = app_image(name, version)
        await asyncio.to_thread(factory.make_flash, flash, image, provision.files(settings))


def interpreter() -> list[str]:
    """The command that starts MicroPython; raises `NoDevice` when there is none."""
    with translated():
        return micropython.find()


@contextmanager
def translated() -> Iterator[None]:
    """What a user can put right becomes the command's own error; the simulator's others are bugs, to be seen whole."""
    try:
        yield
    except NoInterpreter as error:
        raise NoDevice(str(error)) from error
    except (FlashFileError, FactoryError, NoBootableImage, ImageError) as error:
        raise BadFile(str(error)) from error


@contextmanager
def stop_on_signals(timeout_s: float | None) -> Iterator[asyncio.Event]:
    """An event that is set by SIGTERM, by SIGINT (Ctrl-C), or after `timeout_s`."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    timer = None if timeout_s is None else loop.call_later(timeout_s, stop.set)
    try:
        yield stop
    finally:
        if timer:
            timer.cancel()
        for number in signals:
            loop.remove_signal_handler(number)
