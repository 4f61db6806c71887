"""The demonstration, act by act. Every claim that it ends with was seen in the server's own view."""

import asyncio
import dataclasses
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from twinslot_tools import client, shapes, simulation
from twinslot_tools.demo import kettle
from twinslot_tools.demo.shell import Shell
from twinslot_tools.demo.wire import Wire
from twinslot_tools.errors import TwinslotError
from twinslot_tools.fleet_view import FleetView
from twinslot_tools.simulation import Plan, Simulated

APP = "kettle"
BOARDS = ("kettle-1", "kettle-2", "kettle-3")
ONE_SLOT = "kettle-4"
ALL = (*BOARDS, ONE_SLOT)
IMAGE_BYTES = 1_400_000  # about what a MicroPython build with an application has
ACT_S = 120
LOOK_EVERY_S = 0.3
CONSOLE_LINES = 12

Device = dict[str, Any]


class Broken(TwinslotError):
    """A promise was not kept; the message says which, and what was seen."""


class Stage:
    """The server, the wire to it, the boards and the view of them. `http` speaks to the server as its operator."""

    def __init__(
        self,
        shell: Shell,
        http: aiohttp.ClientSession,
        server: str,
        wire: Wire,
        view: FleetView,
        boards: list[Simulated],
    ) -> None:
        self.shell = shell
        self.wire = wire
        self._devices = client.api(server, "/devices")
        self._http = http
        self.view = view
        self.boards = boards
        self.consoles: dict[str, deque[str]] = {board.device: deque(maxlen=CONSOLE_LINES) for board in boards}

    def act(self, headline: str) -> None:
        """A new act begins."""
        self.view.say(f"\n{headline}")

    async def publish(self, version: str, habit: str) -> str:
        """`version`, which behaves as `habit` says, is on the server, signed with the publisher's key; its SHA-256."""
        file = f"{APP}-{version}.app-bin"
        size = str(IMAGE_BYTES)
        await self.shell.twinslot(
            "image", "build", "--app", APP, "--version", version, f"--{habit}", "--size", size, "--out", file
        )
        release = await self._release(file, version)
        return str(release["sha256"])

    async def publish_files(self, version: str, boil_c: int) -> str:
        """As `publish`, of a bundle whose kettle boils at `boil_c`; the SHA-256 of its list."""
        await asyncio.to_thread(kettle.write, self.shell.folder / APP, boil_c)
        file = f"{APP}-{version}.tar.gz"
        await self.shell.typed("bundle", APP, "--out", file)
        release = await self._release(file, version)
        return str(release["bundle"]["sha256"])

    async def _release(self, file: str, version: str) -> dict[str, Any]:
        release: dict[str, Any] = await self.shell.typed(
            "publish", file, "--app", APP, "--version", version, "--key", "publisher.pem"
        )
        return release

    async def device(self, name: str) -> Device:
        """What the server knows of a board."""
        known: Device = await client.call(self._http, "GET", f"{self._devices}/{name}", shapes.DEVICE_WITH_EVENTS)
        return known

    async def until(self, promise: str, seen: Callable[[Device], bool], names: Sequence[str] = BOARDS) -> None:
        """The server has seen `promise` kept by each of these boards; raises `Broken` when that takes too long."""
        known: dict[str, Device] = {}
        try:
            async with asyncio.timeout(ACT_S):
                while True:
                    known = {
                        device["id"]: device for device in await client.pages(self._http, self._devices, shapes.DEVICE)
                    }
                    if all(name in known and seen(known[name]) for name in names):
                        return
                    await asyncio.sleep(LOOK_EVERY_S)
        except TimeoutError:
            missing = [name for name in names if name not in known or not seen(known[name])]
            raise Broken(f"not seen within {ACT_S} s: {promise}\n{self.evidence(missing)}") from None

    def evidence(self, names: list[str]) -> str:
        """The last lines that these boards printed."""
        return "\n".join(f"{name} | {line}" for name in names for line in self.consoles[name])

    def listen(self) -> None:
        """What the boards print is shown, and its end kept as evidence."""
        for board in self.boards:
            board.on_line = partial(self._heard, board.device, self.view.listener(board.device))

    def _heard(self, name: str, show: Callable[[str], None], line: str) -> None:
        self.consoles[name].append(line)
        show(line)


async def tell(folder: Path) -> None:
    """The whole demonstration has run and everything of it is put away; raises `Broken` for a promise not kept."""
    interpreter = simulation.interpreter()
    with FleetView("simulated ESP32 boards", ALL) as view:
        shell = Shell(folder, view.say)
        view.say("A server, and a publisher whose signing key stays on the publisher's machine.")
        async with shell.server("data") as server, Wire(server).laid() as wire:
            group = await _open_shop(shell, server)
            boards = [Simulated(name, folder / f"{name}.flash") for name in ALL]
            plan = Plan(wire.address, group["id"], group["token"])
            token = shell.environment["TWINSLOT_TOKEN"]
            with (
                await simulation.prepare(boards[:-1], plan),
                await simulation.prepare(boards[-1:], dataclasses.replace(plan, one_slot=True)),
                simulation.translated(),
            ):
                async with client.session(server, token) as http:
                    stage = Stage(shell, http, server, wire, view, boards)
                    stage.listen()
                    async with _switched_on(boards, interpreter):
                        kept = await _acts(stage)
    print("\nSeen, and checked against the server's own view:")
    for promise in kept:
        print(f"  - {promise}")


async def _open_shop(shell: Shell, server: str) -> dict[str, str]:
    """There is a group that trusts the publisher alone; returns it."""
    issued = await shell.twinslot("token", "--data", "data")
    shell.environment |= {"TWINSLOT_SERVER": server, "TWINSLOT_TOKEN": issued["token"]}
    await shell.typed("keygen", "--out", "publisher.pem")
    group: dict[str, str] = await shell.typed(
        "group", "create", "kitchen", "--app", APP, "--trust", "publisher", "--key", "publisher.pem.pub"
    )
    return group


@asynccontextmanager
async def _switched_on(boards: list[Simulated], interpreter: list[str]) -> AsyncIterator[None]:
    """The boards run for as long as the `async with` block; when one of them fails, so does the block."""
    stop = asyncio.Event()
    try:
        async with asyncio.TaskGroup() as group:
            for board in boards:
                board.power_on(interpreter)
                group.create_task(board.run_until(None, stop))
            try:
                yield
            finally:
                stop.set()
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None


async def _acts(stage: Stage) -> list[str]:
    """The acts have been played; returns the promises that were kept."""
    stage.act(f"1. Four boards on 1.0.0 check in. {ONE_SLOT} has one app slot, as most boards come.")
    await stage.until("every board runs 1.0.0", lambda device: _runs(device, "1.0.0") and device["last_seen_at"], ALL)

    stage.act("2. Release 1.1.0, signed: the boards download it, switch to it, prove it and confirm it.")
    image = await stage.publish("1.1.0", "healthy")
    await stage.until("every board confirmed 1.1.0", lambda device: _ended(device, "confirmed", "1.1.0", image))
    await _is_not_offered(stage, ONE_SLOT)

    stage.act("3. Release 1.2.0 crashes as it starts: the boards go back to 1.1.0 by themselves.")
    await stage.publish("1.2.0", "crashing")
    await stage.until("every board went back", lambda device: _ended(device, "rolled_back", "1.2.0", image))

    stage.act("4. It is not tried again.")
    boots = {board.device: board.board.boots for board in stage.boards}
    for name in BOARDS:
        await _is_left_alone(stage, name)
    rebooted = [board.device for board in stage.boards if board.board.boots != boots[board.device]]
    if rebooted:
        raise Broken(f"restarted without a reason:\n{stage.evidence(rebooted)}")

    stage.act(f"5. Release 1.3.0 is a bundle, the application as files, which {ONE_SLOT} takes too.")
    whole_bytes = await _bundle(stage, "1.3.0", 98)

    stage.act("6. Release 1.4.0 changes one line of it: the boards copy the other files from those that run.")
    changed_bytes = await _bundle(stage, "1.4.0", 96)
    if 2 * changed_bytes > whole_bytes:
        raise Broken(f"1.4.0 brought {changed_bytes} bytes over the wire, where 1.3.0 had brought {whole_bytes}")
    return [
        "three boards updated from 1.0.0 to 1.1.0, signed by a key that never left the publisher, and confirmed it",
        "1.2.0 crashed at its first start, and all three went back to 1.1.0 by themselves",
        "each reported why, and the server knows: rolled_back, crash",
        "1.2.0 was downloaded once by each, and is neither offered nor tried again",
        f"{ONE_SLOT}, with one slot, was offered neither, and updated its files as the others did",
        f"1.3.0, a bundle, came to four boards as {_kib(whole_bytes)}, check-ins and all, and 1.4.0, which changes one "
        f"line, as {_kib(changed_bytes)}",
    ]


async def _bundle(stage: Stage, version: str, boil_c: int) -> int:
    """Every board has confirmed the version, a bundle; returns the bytes that came over the wire meanwhile."""
    before = stage.wire.brought_bytes
    listed = await stage.publish_files(version, boil_c)

    def confirmed(device: Device) -> bool:
        return _reported(device, "confirmed", version) and _runs(device, version) and device["bundle"] == listed

    await stage.until(f"every board confirmed {version}", confirmed, ALL)
    return stage.wire.brought_bytes - before


def _kib(size_bytes: int) -> str:
    return f"{size_bytes / 1024:.0f} KiB"


async def _is_not_offered(stage: Stage, name: str) -> None:
    """Nothing is offered to the board, which the server gives a reason for."""
    explained = await stage.shell.typed("explain", name)
    stage.view.say(f"    {explained['reason']}")
    if explained["offer"]:
        raise Broken(f"{name} is offered {explained['offer']}")


async def _is_left_alone(stage: Stage, name: str) -> None:
    """The board has checked in since it went back, and nobody wants it to take 1.2.0 again."""
    before = (await stage.device(name))["last_seen_at"]
    await stage.until(
        f"{name} goes on checking in", lambda device: device["id"] != name or device["last_seen_at"] > before
    )
    explained = await stage.shell.typed("explain", name)
    stage.view.say(f"    {explained['reason']}")
    offers = [release["version"] for release in explained["releases"] if release["offered"]]
    events = (await stage.device(name))["events"]
    tries = [event for event in events if event["version"] == "1.2.0" and event["event"] == "downloading"]
    reasons = [event["reason"] for event in events if event["event"] == "rolled_back"]
    if offers or explained["offer"]:
        raise Broken(f"{name} is still offered {offers or explained['offer']}")
    if len(tries) != 1 or reasons != ["crash"]:
        raise Broken(f"{name} tried 1.2.0 {len(tries)} times, with these reasons for going back: {reasons}")


def _runs(device: Device, version: str) -> bool:
    return bool(device["version"] == version and device["confirmed_version"] == version and device["state"] == "idle")


def _reported(device: Device, event: str, version: str) -> bool:
    """True when the last outcome that the board reported is `event` of `version`."""
    result = device["last_result"]
    return bool(result and (result["event"], result["version"]) == (event, version))


def _ended(device: Device, event: str, version: str, image: str) -> bool:
    """True when the board last reported `event` of `version`, and keeps 1.1.0, whose SHA-256 is `image`."""
    return _reported(device, event, version) and _runs(device, "1.1.0") and device["image"] == image
