"""`twinslot sim`."""

import dataclasses
import sys
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from twinslot_tools import simulation, stopping
from twinslot_tools.errors import NotConfirmed, UsageError
from twinslot_tools.options import (
    DEFAULT_SERVER,
    Json,
    Server,
    checked_app,
    checked_device,
    checked_for_devices,
    checked_group,
    checked_token,
    checked_version,
    run,
)
from twinslot_tools.output import print_json, printable, say
from twinslot_tools.simulation import FACTORY_VERSION, Outcome, Plan, Simulated

GroupId = Annotated[str, typer.Option("--group", metavar="ID", help="The group's id.")]
GroupToken = Annotated[
    str, typer.Option("--token", metavar="T", help="The group's token, from `twinslot group create`.")
]
Application = Annotated[
    str | None, typer.Option("--app", help="What a fresh board runs. [default: the group's application]")
]
Version = Annotated[str, typer.Option(help="Which version of it a fresh board runs.")]
Until = Annotated[str | None, typer.Option(metavar="VERSION", help="End, with 0, once this version is confirmed.")]
Timeout = Annotated[
    float | None,
    typer.Option(min=0, metavar="S", help="End after so many seconds, with 1 if --until was not reached."),
]
LONGEST_POLL_S = 86_400
Poll = Annotated[
    int, typer.Option(min=1, max=LONGEST_POLL_S, metavar="SECONDS", help="How often a fresh board checks in.")
]
LONGEST_WAIT_S = 300
Wait = Annotated[
    int,
    typer.Option(
        min=0,
        max=LONGEST_WAIT_S,
        metavar="S",
        help="How long the server may hold a check-in of a fresh board, so that what is new reaches it at once.",
    ),
]


Flash = Annotated[Path, typer.Option(metavar="FILE", help="The board's flash; made when it is missing.")]
Group = Annotated[str | None, typer.Option(metavar="ID", help="The group's id.")]
Token = Annotated[str | None, typer.Option(metavar="T", help="The group's token, from `twinslot group create`.")]
Device = Annotated[str | None, typer.Option(metavar="ID", help="The device's id.")]
Heap = Annotated[int, typer.Option(min=16384, metavar="BYTES", help="The heap that MicroPython gets.")]
OneSlot = Annotated[
    bool,
    typer.Option(
        "--one-slot",
        help="A fresh board has MicroPython's default partition table: one app slot, so it takes bundles, no firmware.",
    ),
]
CutAtOp = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Cut the power at the Nth flash operation; it returns at once.")
]
KeepBytes = Annotated[int, typer.Option(min=0, metavar="K", help="How many bytes of that operation still take effect.")]


def sim(
    flash: Flash,
    group: Group = None,
    token: Token = None,
    device: Device = None,
    app: Application = None,
    version: Version = FACTORY_VERSION,
    until: Until = None,
    timeout: Timeout = None,
    poll: Poll = 1,
    wait: Wait = 0,
    one_slot: OneSlot = False,
    heap: Heap = 131072,
    power_cut_at_op: CutAtOp = None,
    keep_bytes: KeepBytes = 0,
    server: Server = DEFAULT_SERVER,
    json: Json = False,
) -> None:
    """Run a simulated ESP32 in the foreground: the device's own code on MicroPython, over a flash file.

    With --group, --token and --device a FILE that is missing becomes a provisioned board. With none of the three it
    becomes one as it comes from the shop, with MicroPython's OTA build (or its default one, --one-slot) and nothing
    else, for `twinslot provision`; one that is there boots as it is.

    The board's console is shown, after the path of its serial port, which mpremote can connect to. Killing this command
    (SIGKILL) is a power cut: the same FILE boots again.
    """
    named = [option for option in (group, token, device) if option is not None]
    if len(named) not in (0, 3):
        raise UsageError("give --group, --token and --device, all three, or none of them for a board from the shop")
    wanted = None if until is None else checked_version(until)
    name = str(flash) if device is None else checked_device(device)
    shown_on = sys.stderr if json else sys.stdout
    board = Simulated(name, flash, heap, power_cut_at_op, keep_bytes, on_line=lambda line: say(line, shown_on))

    if one_slot and simulation.has_two_slots(flash):
        say(f"twinslot: {printable(str(flash))} keeps its two slots: --one-slot is for a fresh board", sys.stderr)

    async def prepared() -> ExitStack | BinaryIO:
        if group is None or token is None:
            return simulation.shop_fresh(flash, one_slot=one_slot)
        plan = plan_of(server, group, token, app=app, version=version, poll_s=poll, wait_s=wait)
        plan = dataclasses.replace(plan, one_slot=one_slot)
        return await simulation.prepare([board], plan)

    outcome = _ran(board, prepared, wanted, timeout)
    kept = outcome.version or (version if named else None)
    if json:
        print_json({**dataclasses.asdict(outcome), "device": device, "version": kept})
    if until and not outcome.confirmed:
        raise NotConfirmed(f"{name} has not confirmed {until}; it keeps {printable(kept or 'nothing yet')}")


def _ran(
    board: Simulated,
    prepared: Callable[[], Coroutine[Any, Any, ExitStack | BinaryIO]],
    wanted: str | None,
    timeout_s: float | None,
) -> Outcome:
    """What came of the board, which was prepared and ran until it had confirmed `wanted`, or was stopped."""
    interpreter = simulation.interpreter()
    if not simulation.with_the_ram_of_a_board(interpreter):
        say("twinslot: this MicroPython has 64-bit words, so its RAM figures are not a board's", sys.stderr)

    async def work() -> Outcome:
        with stopping.on_signals(timeout_s) as stop:
            locks = await stopping.before(stop, prepared())
            with locks, simulation.translated():
                board.power_on(interpreter)
                board.on_line(f"serial port: {board.board.port}")
                return await board.run_until(wanted, stop)

    return run(work())


def plan_of(server: str, group: str, token: str, *, app: str | None, version: str, poll_s: int, wait_s: int) -> Plan:
    """The plan of boards with these options; raises `UsageError` for what can't be."""
    return Plan(
        checked_for_devices(server),
        checked_group(group),
        checked_token(token),
        checked_app(app) if app is not None else None,
        checked_version(version),
        poll_s,
        wait_s,
    )
