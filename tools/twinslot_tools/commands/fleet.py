"""`twinslot fleet`: many simulated boards at once."""

import dataclasses
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from twinslot_tools import simulation, stopping
from twinslot_tools.commands.sim import Application, GroupId, GroupToken, Poll, Timeout, Until, Version, Wait, plan_of
from twinslot_tools.errors import BadFile, NotConfirmed
from twinslot_tools.fleet_view import FleetView
from twinslot_tools.options import DEFAULT_SERVER, Json, Server, checked_device, checked_version, run
from twinslot_tools.output import print_json, printable, say
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
    wait: Wait = 0,
    server: Server = DEFAULT_SERVER,
    json: Json = False,
) -> None:
    """Run many simulated boards of one group, and watch them update."""
    plan = plan_of(server, group, token, app=app, version=version, poll_s=poll, wait_s=wait)
    wanted = None if until is None else checked_version(until)
    names = [checked_device(f"{prefix}{number}") for number in range(1, count + 1)]
    interpreter = simulation.interpreter()

    async def work() -> list[Outcome]:
        with stopping.on_signals(timeout) as stop, _folder(directory) as folder:
            boards = [Simulated(name, folder / f"{name}.flash") for name in names]
            locks = await stopping.before(stop, simulation.prepare(boards, plan))
            with locks, simulation.translated(), FleetView(f"fleet of {count}", names, to_stderr=json) as view:
                for board in boards:
                    board.on_line = view.listener(board.device)
                    board.power_on(interpreter)
                return await stopping.together([board.run_until(wanted, stop) for board in boards])

    report(run(work()), until, json=json)


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    """`kept`, which is made when it is missing, or else a folder that is gone after the block."""
    if kept is None:
        with tempfile.TemporaryDirectory(prefix="twinslot-fleet-") as temporary:
            yield Path(temporary)
        return
    try:
        kept.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadFile(f"can't make {kept}: {error.strerror}") from error
    yield kept


def report(outcomes: list[Outcome], until: str | None, *, json: bool) -> None:
    """The outcomes are printed; raises `NotConfirmed` when `until` was given and not reached by all."""
    confirmed = sum(outcome.confirmed for outcome in outcomes)
    if json:
        print_json({"devices": [dataclasses.asdict(outcome) for outcome in outcomes], "confirmed": confirmed})
    else:
        for outcome in outcomes:
            state = "confirmed" if outcome.confirmed or not until else "not yet " + until
            keeps = printable(outcome.version or "nothing yet")
            say(f"{outcome.device}: keeps {keeps} ({state}), {outcome.boots} boots")
    if until and confirmed < len(outcomes):
        raise NotConfirmed(f"{len(outcomes) - confirmed} of {len(outcomes)} boards have not confirmed {until}")
