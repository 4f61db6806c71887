"""Simulated boards as the commands use them: made, run, and watched until they have confirmed a version."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from twinslot_sim import applications, factory, flash_lock, micropython, partitions
from twinslot_sim.board import Board
from twinslot_sim.bootloader import NoBootableImage
from twinslot_sim.factory import FactoryError
from twinslot_sim.image import ImageError
from twinslot_sim.micropython import NoInterpreter
from twinslot_sim.nor import FlashFileError
from twinslot_sim.partitions import Partition
from twinslot_sim.vfs import NoFileSystem
from twinslot_tools import identity, provision
from twinslot_tools.console_lines import Lines
from twinslot_tools.errors import BadFile, NoDevice, TwinslotError
from twinslot_tools.stopping import together

WIFI = {"ssid": "simulated", "password": "simulated"}
TRIAL_S = 20
"""How long a release may take to prove itself; short, so that somebody who waits sees one that does not go. Each
further board adds a second, since all of them share this machine's processors."""
LOOK_EVERY_S = 0.1
PROVISIONED_AT_ONCE = 8
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
    _unheard: TwinslotError | None = field(init=False, default=None)

    def power_on(self, interpreter: list[str]) -> None:
        """The board exists, and its serial port; it runs from `run_until` on."""
        self.board = Board(
            self.flash,
            interpreter=interpreter,
            heap_bytes=self.heap_bytes,
            cut_at_op=self.cut_at_op,
            keep_bytes=self.keep_bytes,
            on_output=self._heard,
        )
        self._lines = Lines(self.on_line)

    def _heard(self, data: bytes) -> None:
        """`on_line` has heard it; when it can't, the board is switched off, and `run_until` raises why."""
        try:
            self._lines.feed(data)
        except TwinslotError as error:
            self._unheard = error
            self.board.power_off()

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
        if self._unheard:
            raise self._unheard
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


@dataclass(frozen=True)
class Plan:
    """Whose boards they are, and what those run that have to be made. `app` is `None` for the group's own."""

    server: str
    group: str
    token: str
    app: str | None = None
    version: str = FACTORY_VERSION
    poll_s: int = 1
    wait_s: int = 0
    one_slot: bool = False


async def prepare(boards: Sequence[Simulated], plan: Plan) -> ExitStack:
    """The boards' flashes are there, each of its own board, and no other simulator runs them until the result closes.

    A flash that is missing is made, factory-fresh; one that exists stays as it is, but for the server's address. Raises
    `BadFile` when it is another board's, or can't be used or made, `ServerRefused` when the server does not know the
    group.
    """
    limit = asyncio.Semaphore(PROVISIONED_AT_ONCE)
    with ExitStack() as locks:

        async def prepare_one(board: Simulated) -> None:
            async with limit:
                locks.enter_context(await _prepared(board, plan, TRIAL_S + len(boards) - 1))

        await together([prepare_one(board) for board in boards])
        return locks.pop_all()


def table(*, one_slot: bool) -> Sequence[Partition]:
    """The partition table of MicroPython's default build, or of its OTA build with two slots."""
    return partitions.MICROPYTHON_4MIB if one_slot else partitions.MICROPYTHON_4MIB_OTA


def has_two_slots(flash: Path) -> bool:
    """Whether a flash lies there with the table of two slots."""
    rows = partitions.build(table(one_slot=False))
    try:
        with flash.open("rb") as file:
            file.seek(partitions.TABLE_OFFSET)
            return file.read(len(rows)) == rows
    except OSError:
        return False  # none, or what is told when it is to be run


def shop_fresh(flash: Path, *, one_slot: bool) -> BinaryIO:
    """`flash` is there, and no other simulator runs it until the result, a lock, closes.

    One that is missing is made: a board as it comes from the shop with MicroPython's default build on it, or with its
    OTA build. Raises `BadFile` when it can't be used or made.
    """
    with translated():
        if _is_there(flash):
            return flash_lock.locked(flash)
        factory.check_writable(flash)
        return flash_lock.made(
            flash, lambda: factory.make_flash(flash, applications.micropython(), None, table(one_slot=one_slot))
        )


async def _prepared(board: Simulated, plan: Plan, trial_s: int) -> BinaryIO:
    """The lock on the board's flash."""
    with translated():
        if _is_there(board.flash):
            return _adopted(board, plan)
        factory.check_writable(board.flash)
        group = await provision.ask_group(plan.server, plan.group, plan.token, board.device)
        make = partial(_make_flash, board.flash, group, board.device, plan, trial_s)
        making = asyncio.ensure_future(asyncio.to_thread(flash_lock.made, board.flash, make))
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            (await making).close()  # the thread can't be stopped, and the folder may be about to go
            raise


def _adopted(board: Simulated, plan: Plan) -> BinaryIO:
    lock = flash_lock.locked(board.flash)
    try:
        identity.adopt(board.flash, server=plan.server, group=plan.group, token=plan.token, device=board.device)
    except BaseException:
        lock.close()
        raise
    return lock


def _is_there(flash: Path) -> bool:
    try:
        return flash.exists()
    except OSError as error:
        raise BadFile(f"the flash file {flash} can't be used: {error.strerror}") from error


def _make_flash(flash: Path, group: provision.Group, device: str, plan: Plan, trial_s: int) -> None:
    app = plan.app or group.app
    settings = provision.configuration(
        group,
        device,
        app=app,
        version=plan.version,
        wifi=WIFI,
        poll_s=plan.poll_s,
        wait_s=plan.wait_s,
        trial_s=trial_s,
    )
    image = applications.app_image(app, plan.version)
    factory.make_flash(flash, image, provision.files(settings), table(one_slot=plan.one_slot))


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
    except (FlashFileError, FactoryError, NoBootableImage, NoFileSystem, ImageError) as error:
        raise BadFile(str(error)) from error


def with_the_ram_of_a_board(command: list[str]) -> bool:
    """True when that interpreter's heap holds what a board's does; raises `NoDevice` when it is no MicroPython."""
    with translated():
        return micropython.is_32_bit(command)
