"""The interpreter that plays the ESP32's CPU: MicroPython's Unix port."""

import functools
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from twinslot_sim import fetch_micropython
from twinslot_sim.errors import TwinslotError
from twinslot_sim.fetch_micropython import FetchError

_SOURCE_TREE = Path(__file__).resolve().parents[2]


class NoInterpreter(TwinslotError):
    """There is no MicroPython to simulate with; the message says how to get one."""


def fetched(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder for one that was fetched: of the checkout that this is run from, else of the user's cache."""
    if (_SOURCE_TREE / "boot").is_dir():
        return _SOURCE_TREE / ".cache" / "micropython"
    named = Path(environ.get("XDG_CACHE_HOME", ""))  # one that is not absolute is to be ignored, says its standard
    return (named if named.is_absolute() else Path.home() / ".cache") / "twinslot" / "micropython"


def find(environ: Mapping[str, str] = os.environ, folder: Path | None = None) -> list[str]:
    """The command that starts MicroPython, to be followed by its arguments, as `fetch_micropython.provide` has it.

    `folder` is in place of `fetched()`. Raises `NoInterpreter` when there is none, and none can be fetched.
    """
    say = functools.partial(print, file=sys.stderr, flush=True)
    try:
        return fetch_micropython.provide(folder or fetched(environ), environ, say)
    except FetchError as error:
        raise NoInterpreter(str(error)) from error


def is_32_bit(argv: Sequence[str]) -> bool:
    """True when the interpreter has an ESP32's 4-byte words, so that its heap holds what a board's does.

    Raises `NoInterpreter` when it is no MicroPython.
    """
    ask = [*argv, "-c", "import sys; print(sys.implementation.name, sys.maxsize)"]
    try:
        done = subprocess.run(ask, capture_output=True, text=True, check=True, start_new_session=True)
        name, maxsize = done.stdout.split()
        if name != "micropython":
            raise NoInterpreter(f"{argv[-1]} is {name}, and the simulator needs MicroPython; correct MICROPYTHON")
        return int(maxsize) < 1 << 32
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        raise NoInterpreter(f"{argv[-1]} does not run as MicroPython does; correct MICROPYTHON or unset it") from error
