"""`twinslot doctor`."""

import dataclasses
import sys
from typing import Any

from twinslot_tools import checkup, provisioning
from twinslot_tools.board_port import BoardPort
from twinslot_tools.checkup import Check
from twinslot_tools.commands.flash import Port
from twinslot_tools.errors import Unhealthy
from twinslot_tools.options import Json, run
from twinslot_tools.output import print_json, printable
from twinslot_tools.output import say as say_on

MARKS = {True: "✓", False: "✗", None: "-"}


def doctor(port: Port, json: Json = False) -> None:
    """Look what a board needs for updates, and what of that it lacks.

    Chip, slots, files, memory, clock, configuration, Wi-Fi, server, certificate and key are looked at, each with a hint
    where something is wrong. Nothing is changed; the board's program is interrupted, and starts anew afterwards. Exits
    with 1 when something is wrong.
    """
    board_port = BoardPort(port)
    board_port.check()

    def say(line: str) -> None:
        say_on(printable(line), sys.stderr if json else sys.stdout)

    checks = run(_examined(board_port, say))
    healthy = all(check.ok is not False for check in checks)
    if json:
        print_json({"port": port, "healthy": healthy, "checks": [dataclasses.asdict(_told(each)) for each in checks]})
    else:
        for check in checks:
            say(f"{MARKS[check.ok]} {check.name:<14} {check.found}")
            if check.ok is False:
                say(f"  {'':<14} {check.hint}")
    if not healthy:
        wrong = ", ".join(check.name for check in checks if check.ok is False)
        raise Unhealthy(f"not all is well with the board at {port}: {wrong}")


async def _examined(port: BoardPort, say: Any) -> list[Check]:
    try:
        say(f"reading the board at {port.path}")
        board, plan, mpy = await provisioning.examine(port)
        checks = checkup.offline(board, plan, mpy)
        told: dict[str, Any] = {}
        if all(check.ok is not False for check in checks if check.name in ("micropython", "package")):
            say("asking it to reach its server")
            told = (await port.ask("online", silence_s=provisioning.ONLINE_S))[1]
        return checks + checkup.online(board, told)
    finally:
        await provisioning.run_on(port)


def _told(check: Check) -> Check:
    """As it is shown: a hint belongs to a cross."""
    return dataclasses.replace(check, hint=check.hint if check.ok is False else "")
