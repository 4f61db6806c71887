"""What an operation does, and in which state, with which exit code and for which reason it ends. What packages and
commands need is loaded for them alone."""

import asyncio

from micropython import const

from . import hw
from .errors import PackageError
from .hooks import load

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from .agent import Agent
    from .operations import Work

    Ending = tuple[str, int | None, str]  # state, exit code, reason

RESTARTING = "restarting"
"""The state of a command that succeeds with the boot which is due now."""

_RESTART_LOOK_MS = 100


async def do(work: "Work", order: dict) -> "Ending":
    """What the operation `order` says has been done, or has failed."""
    kind = order["kind"]
    try:
        if kind == "command":
            return await load("twinslot.command").run(work, order)
        if kind == "install":
            await _install(work, order)
        elif kind == "uninstall":
            from . import packages  # as in `_install`

            packages.uninstall(order["name"], order["version"], int(order["attempt"]) > 1)
        else:
            return "failed", None, "this board knows no operations of kind {}".format(kind)
    except PackageError as error:
        return "failed", None, str(error)
    except Exception as error:  # noqa: BLE001 - a broken file system, no memory: the board goes on
        return "failed", None, type(error).__name__  # its text may hold an address with a password
    return "succeeded", None, ""


async def _install(work: "Work", order: dict) -> None:
    """The package is installed, and the restart that was asked for is due. Raises PackageError."""
    config = work.agent.config
    if not config.allow_packages:
        raise PackageError("this board takes only what its publisher has signed")
    from . import packages  # not by `load`: it stays, since each check-in tells its digest

    def say(line: str) -> None:
        work.telling.output.write(line + "\n")

    def progress(percent: int) -> None:
        work.telling.progress = percent

    fetch = load("twinslot.fetch").Fetcher(config.server, config.ca).open
    await packages.install(fetch, order, progress, say)
    if order.get("reboot"):
        delay_ms = order.get("reboot_delay") or 0
        say("restarts in {} ms".format(delay_ms))
        asyncio.create_task(_restart(work.agent, delay_ms))


async def _restart(agent: "Agent", delay_ms: int) -> None:
    """The board has restarted, as soon after the delay as the agent has nothing else to do."""
    await asyncio.sleep_ms(delay_ms)
    while agent.state != "idle":
        await asyncio.sleep_ms(_RESTART_LOOK_MS)
    hw.reset()
