"""The verbs that every board knows. Each is called with the work that it is part of, and its arguments as texts; what
it prints and returns is its output (docs/protocol.md, "Operations")."""

import builtins
import gc
import os
import sys
import time

from micropython import const

from . import config, hw
from .paths import is_secret, whole_path

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from collections.abc import Callable

    from .agent import Agent
    from .operations import Work

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_FOLDER = 0x4000
_PIECE = 256


class Restart(Exception):
    """The board is to restart now, and the command succeeds with that."""


def known(agent: "Agent") -> "dict[str, Callable]":
    """The verbs of this board by their names. Those of the application come before those that are built in."""
    found = dict(_BUILT_IN)
    if agent.config.allow_exec:
        found["exec"] = _exec
    found.update(agent.verbs)
    return found


def _readable(path: str) -> str:
    """The whole path of a file that may be shown. Raises SystemExit for the board's configuration."""
    path = whole_path(path, os.getcwd())
    if is_secret(path):
        raise SystemExit("{} has the board's key in it, and is not shown".format(config.PATH))
    return path


def _date(work: "Work") -> str:
    year, month, day, hour, minute, second, weekday = time.gmtime()[:7]
    return "{} {} {:2} {:02}:{:02}:{:02} UTC {}".format(
        _DAYS[weekday], _MONTHS[month - 1], day, hour, minute, second, year
    )


def _uname(work: "Work") -> str:
    agent, python = work.agent, sys.implementation
    version = ".".join(str(number) for number in python.version[:3])
    runs = "{} {} (slot {})".format(agent.config.app, agent.record.running["version"], agent.running)
    return "MicroPython {} {} {} {}".format(agent.config.device, version, runs, python._machine)


def _uptime(work: "Work") -> str:
    minutes = int(time.time() - hw.started_s) // 60
    days, minutes = divmod(minutes, 1440)
    _, _, _, hour, minute, second = time.gmtime()[:6]
    return "{:02}:{:02}:{:02} up {} days, {:2}:{:02}".format(hour, minute, second, days, minutes // 60, minutes % 60)


def _free(work: "Work") -> None:
    gc.collect()
    used, free = gc.mem_alloc(), gc.mem_free()
    print("         total     used     free")
    print("heap  {:8} {:8} {:8}".format(used + free, used, free))


def _df(work: "Work") -> None:
    size, _, blocks, free = os.statvfs("/")[:4]
    total, left = size * blocks // 1024, size * free // 1024
    print("1K-blocks     Used     Free  Use%  Mounted on")
    print("{:9} {:8} {:8}  {:3}%  /".format(total, total - left, left, (total - left) * 100 // total))


async def _ls(work: "Work", *arguments: str) -> None:
    long = "-l" in arguments
    for path in [argument for argument in arguments if argument != "-l"] or ["."]:
        path = whole_path(path, os.getcwd())
        is_folder = _stat("ls", path)[0] & _FOLDER
        folder, names = (path, os.listdir(path)) if is_folder else ("", [path])
        for name in sorted(names):
            await work.drained()
            print(_long(name, _stat("ls", whole_path(name, folder))) if long else name)


def _stat(verb: str, path: str) -> "tuple[int, ...]":
    try:
        return os.stat(path)
    except OSError:
        raise SystemExit("{}: {}: no such file or folder".format(verb, path))


def _long(name: str, status: "tuple[int, ...]") -> str:
    kind, size = ("d", 0) if status[0] & _FOLDER else ("-", status[6])  # littlefs knows no size of a folder
    return "{} {:8} {:04}-{:02}-{:02} {:02}:{:02} {}".format(kind, size, *time.gmtime(status[8])[:5], name)


async def _cat(work: "Work", *paths: str) -> None:
    for path in paths:
        path = _readable(path)
        if _stat("cat", path)[0] & _FOLDER:
            raise SystemExit("cat: {}: a folder".format(path))
        with open(path) as file:
            try:
                while True:
                    await work.drained()
                    text = file.read(_PIECE)
                    if not text:
                        break
                    print(text, end="")
            except UnicodeError:
                raise SystemExit("cat: {}: not a text".format(path))


async def _ping(work: "Work") -> str:
    return "{}: answered in {} ms".format(work.agent.config.server, await work.ping())


def _reboot(work: "Work") -> None:
    raise Restart


def _update(work: "Work") -> str:
    return "{} runs; the server is asked for an update next".format(work.agent.record.running["version"])


def _python(work: "Work", path: str, *arguments: str) -> None:
    path = _readable(path)
    _stat("python", path)
    sys.argv[:] = [path] + list(arguments)
    builtins.execfile(path, {"__name__": "__main__"})  # pyright: ignore[reportAttributeAccessIssue] - MicroPython's own


def _exec(work: "Work", *code: str) -> None:
    scope = {"__name__": "__main__", "agent": work.agent}
    exec(" ".join(code), scope)  # noqa: S102 - the board's own configuration allows it


_BUILT_IN = {
    "cat": _cat,
    "date": _date,
    "df": _df,
    "free": _free,
    "ls": _ls,
    "ping-server": _ping,
    "python": _python,
    "reboot": _reboot,
    "uname": _uname,
    "update": _update,
    "uptime": _uptime,
}
