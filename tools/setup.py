"""Sets up all that `make demo`, `make test` and `make lint` need; standard library only, since it runs before all else.

Two steps, each of which does nothing when it was done before: `.venv` with the locked dependencies and this project,
and MicroPython's Unix port in `.cache/micropython`. Nothing outside of this folder changes, but for what a Debian
machine lacks of `python3-venv` and a compiler, when root runs this.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import List

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "sim"))

from twinslot_sim import fetch_micropython  # noqa: E402 - nothing is installed yet
from twinslot_sim.fetch_micropython import FetchError  # noqa: E402

OLDEST_PYTHON = (3, 11)


class SetupError(Exception):
    """The set-up can't go on; the message says why and what to do."""


def say(line: str) -> None:
    """`line` is on the terminal, also when the output is a pipe."""
    print(f"setup: {line}", flush=True)


def run(argv: List[str], purpose: str) -> None:
    """`argv` ran quietly; raises `SetupError` with its output when it failed."""
    done = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise SetupError(f"could not {purpose}:\n{done.stdout.decode('utf-8', 'replace').strip()}")


def fingerprint(root: Path) -> str:
    """What `.venv` depends on, as hex: the lock, the project file, and the place, since a venv can't be moved."""
    digest = hashlib.sha256(str(root).encode())
    for name in ("requirements.lock", "pyproject.toml"):
        digest.update((root / name).read_bytes())
    return digest.hexdigest()


def set_up_venv(root: Path) -> None:
    """`.venv` has what the lock names, checked by hash, and this project. The stamp is written last."""
    venv = root / ".venv"
    stamp = venv / "twinslot-setup.stamp"
    wanted = fingerprint(root)
    if stamp.exists() and stamp.read_text() == wanted and runs(venv):
        return
    stamp.unlink(missing_ok=True)
    if not runs(venv):
        say("creating .venv")
        create_venv(venv)
    pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    say("installing the locked Python packages into .venv")
    install = [*pip, "--require-hashes", "-r", "requirements.lock"], "install the packages of requirements.lock"
    try:
        run(*install)
    except SetupError:
        if can_build():
            raise
        install_packages("Python packages that come as source need a compiler", "g++", headers_package())
        run(*install)
    say("installing twinslot into .venv")
    run([*pip, "--no-build-isolation", "--no-deps", "-e", "."], "install this project into .venv")
    # One path for pyright's configuration, whatever the Python version: the device's type stubs lie there.
    packages = next((venv / "lib").glob("python3*/site-packages"))
    link = venv / "site-packages"
    link.unlink(missing_ok=True)
    link.symlink_to(packages.relative_to(venv))
    stamp.write_text(wanted)


def runs(venv: Path) -> bool:
    """True when `venv` is complete enough to install into."""
    python = venv / "bin" / "python"
    if not python.exists():
        return False
    done = subprocess.run([str(python), "-c", "import pip"], stderr=subprocess.DEVNULL, check=False)
    return done.returncode == 0


def create_venv(venv: Path) -> None:
    """`venv` is a fresh virtual environment; Debian's package for that is installed when it lacks and root asks."""
    try:
        import ensurepip  # noqa: F401  (Debian splits it off, and `venv` fails late and at length without it)
    except ImportError:
        install_packages("this Python has no `venv`", f"python3.{sys.version_info.minor}-venv")
    run([sys.executable, "-m", "venv", "--clear", str(venv)], f"create {venv}")


def can_build() -> bool:
    """True when pip can build a package that comes as C or C++ source."""
    compilers = [(sysconfig.get_config_var(name) or "cc").split()[0] for name in ("CC", "CXX")]
    return all(shutil.which(each) for each in compilers) and Path(sysconfig.get_path("include"), "Python.h").exists()


def headers_package() -> str:
    """Debian's package with the headers of this Python."""
    return f"python3.{sys.version_info.minor}-dev"


def install_packages(lack: str, *packages: str) -> None:
    """This Debian machine has the packages; raises `SetupError` with the command when only a person can see to that."""
    names = " ".join(packages)
    if shutil.which("apt-get") is None:
        raise SetupError(f"{lack}: install what your system calls {names}, and run this again")
    if os.geteuid() != 0:
        raise SetupError(f"{lack}. Run `sudo apt-get install {names}`, then this again")
    say(f"installing {names}")
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    run(["apt-get", "-qq", "update"], "update the package lists")
    run(["apt-get", "-qq", "-y", "install", "--no-install-recommends", *packages], f"install {names}")


def main() -> int:
    """Everything is set up and 0 is returned, or 1 after saying what to do."""
    try:
        if sys.version_info < OLDEST_PYTHON:
            found = ".".join(str(part) for part in sys.version_info[:3])
            raise SetupError(
                f"Python 3.11 or newer is needed, and {sys.executable} is {found}. Try `make PYTHON=python3.11`"
            )
        set_up_venv(ROOT)
        fetch_micropython.provide(ROOT / ".cache" / "micropython", os.environ, say)
    except (SetupError, FetchError) as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
