"""`twinslot fleet`: many simulated boards at once."""

import asyncio
import dataclasses
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from twinslot_tools import provision, simulation
from twinslot_tools.commands.sim import Application, GroupId, GroupToken, Poll, Timeout, Until, Version
from twinslot_tools.errors import BadFile, NotConfirmed
from twinslot_tools.fleet_view import FleetView
from twinslot_tools.options import DEFAULT_SERVER, Json, Server, checked_app, checked_version, run
from twinslot_tools.output import print_json
from twinslot_tools.simulation import FACTORY_VERSION, Outcome, Simulated


def fleet(
    group: GroupId,
    token: GroupToken,
    count: Annotated[int, typer.Option(min=1, metavar="N", help="How many boards.")],
    directory: Annotated[
        Path | None,
        typer.Option("--dir", metavar="DIR", help="Keep the flash files here. [default: they are thrown away]"),
    ] = None,
    prefix: Annotated[str, typer.Option(help="The devices are called PREFIX1, PREFIX2, …")] = "sim-",
    app: Application = None,
    version: Version = FACTORY_VERSION,
    until: Until = None,
    timeout: Timeout = None,
    poll: Poll = 1,
    server: Server = DEFAULT_SERVER,
    json: Json = False,
) -> None:
    """Run many simulated boards of one group, and watch them update."""
    fresh_app, fresh_version = checked_app(app) if app else None, checked_version(version)
    names = [f"{prefix}{number}" for number in range(1, count + 1)]

    async def work(folder: Path) -> list[Outcome]:
        boards = [Simulated(name, folder / f"{name}.flash") for name in names]
        for board in boards:
            if not board.flash.exists():
                known = await provision.ask_group(server, group, token, board.device)
                await simulation.make_board(
                    board.flash, known, board.device, app=fresh_app, version=fresh_version, poll_s=poll
                )
        with (
            simulation.translated(),
            simulation.stop_on_signals(timeout) as stop,
            FleetView(f"fleet of {count}", names, to_stderr=json) as view,
        ):
            for board in boards:
                board.on_line = view.listener(board.device)
                board.power_on(interpreter)
            return await run_all(boards, until, stop)

    interpreter = simulation.interpreter()
    try:
        if directory:
            directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadFile(f"can't make {directory}: {error.strerror}") from error
    with tempfile.TemporaryDirectory(prefix="twinslot-fleet-") as temporary:
        outcomes = run(work(directory or Path(temporary)))
    report(outcomes, until, json=json)


async def run_all(boards: list[Simulated], until: str | None, stop: asyncio.Event) -> list[Outcome]:
    """All boards have run at once, each until it confirmed `until`; when one fails, all are switched off."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(board.run_until(until, stop)) for board in boards]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]


def report(outcomes: list[Outcome], until: str | None, *, json: bool) -> None:
    """The outcomes are printed; raises `NotConfirmed` when `until` was given and not reached by all."""
    confirmed = sum(outcome.confirmed for outcome in outcomes)
    if json:
        print_json({"devices": [dataclasses.asdict(outcome) for outcome in outcomes], "confirmed": confirmed})
    else:
        for outcome in outcomes:
            state = "confirmed" if outcome.confirmed or not until else "not yet " + until
            print(f"{outcome.device}: keeps {outcome.version or 'nothing yet'} ({state}), {outcome.boots} boots")
    if until and confirmed < len(outcomes):
        raise NotConfirmed(f"{len(outcomes) - confirmed} of {len(outcomes)} boards have not confirmed {until}")
