"""The interpreter that plays the ESP32's CPU: MicroPython's Unix port, as `make setup` provides it."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from twinslot_sim.errors import TwinslotError

FETCHED = Path(__file__).resolve().parents[2] / ".cache" / "micropython"


class NoInterpreter(TwinslotError):
    """There is no MicroPython to simulate with; the message says how to get one."""


def find(environ: Mapping[str, str] = os.environ, fetched: Path = FETCHED) -> list[str]:
    """The command that starts MicroPython, to be followed by its arguments.

    In this order: what $MICROPYTHON names; what `make setup` fetched, the 32-bit build first, since its RAM figures are
    a board's; `micropython` on PATH. Raises `NoInterpreter` when there is none.
    """
    named = environ.get("MICROPYTHON")
    if named:
        path = shutil.which(named, path=environ.get("PATH"))
        if path is None:
            raise NoInterpreter(f"MICROPYTHON={named} is not a program that can be run; correct it or unset it")
        return [path]
    for root in sorted(fetched.glob("[!.]*"), key=lambda path: path.name != "i386"):
        argv = _through_its_own_loader(root)
        if argv:
            return argv
    path = shutil.which("micropython", path=environ.get("PATH"))
    if path is None:
        raise NoInterpreter(
            "the simulator needs MicroPython's Unix port: run `make setup`, "
            "or name one, 1.25 or newer, in the environment as MICROPYTHON"
        )
    return [path]


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


def _through_its_own_loader(root: Path) -> list[str] | None:
    """The command for Debian's packages unpacked at `root`: the system's C library may be older than they need."""
    binary = root / "usr" / "bin" / "micropython"
    loaders = sorted(root.glob("usr/lib*/ld-linux*.so.*"))
    libraries = sorted(path.parent for path in root.glob("usr/lib/*/libffi.so.8"))
    if not binary.exists() or not loaders or not libraries:
        return None
    return [str(loaders[0]), "--library-path", str(libraries[0]), str(binary)]
