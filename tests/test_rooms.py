"""The imports between rooms: every arrow that the design does not have is an error here."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = {"twinslot", "twinslot_host", "twinslot_sim", "twinslot_tools"}
HARDWARE = {"esp32", "machine", "network"}

# The longest matching folder or file decides: which of OURS, and whether HARDWARE may be imported there.
RULES: dict[str, tuple[set[str], bool]] = {
    "firmware/twinslot": ({"twinslot"}, False),
    "firmware/twinslot/hw.py": ({"twinslot"}, True),
    "bench": ({"twinslot_tools", "twinslot_sim"}, False),
    "bench/adding_on_board.py": ({"twinslot"}, False),  # runs on the simulated chip
    "bench/transfers.py": ({"twinslot_host"}, False),
    "boot": ({"twinslot"}, True),
    "examples": ({"twinslot"}, True),
    "host": ({"twinslot_host"}, False),
    "sim": ({"twinslot_sim"}, False),
    "sim/twinslot_sim/port": (set(), True),  # runs on the simulated chip; these modules *are* its hardware
    "sim/twinslot_sim/apps": ({"twinslot"}, False),  # runs on the simulated chip
    "tools": ({"twinslot_tools", "twinslot_sim"}, False),
    "tools/make_power_loss.py": ({"twinslot"}, False),  # the table of states, for the docs
    "tools/twinslot_tools/on_board": ({"twinslot"}, True),  # runs on the board, through its prompt
    "tools/twinslot_tools/commands/server.py": ({"twinslot_tools", "twinslot_host"}, False),
    "tools/twinslot_tools/commands/transfer.py": ({"twinslot_tools", "twinslot_host"}, False),
    "tools/twinslot_tools/manifests.py": ({"twinslot_tools", "twinslot_host"}, False),  # pure rules of `domain` alone
}


def rule_of(path: str) -> tuple[set[str], bool]:
    """What may be imported in the file at `path`, relative to the project."""
    place = max((rule for rule in RULES if path == rule or path.startswith(rule + "/")), key=len)
    return RULES[place]


def imported(source: str) -> Iterator[str]:
    """The top-level name of every absolute import in `source`, those inside functions too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]


def forbidden(path: str, source: str) -> set[str]:
    """The imports of `source`, lying at `path`, that the design does not allow."""
    rooms, hardware = rule_of(path)
    not_allowed = (OURS - rooms) | (set() if hardware else HARDWARE)
    return set(imported(source)) & not_allowed


def test_set_up_imports_nothing_that_is_to_be_installed() -> None:
    load = "import runpy, sys; runpy.run_path(sys.argv[1], run_name='loaded')"
    subprocess.run([sys.executable, "-I", "-S", "-B", "-c", load, ROOT / "tools" / "setup.py"], check=True)


def test_every_file_imports_only_what_its_room_may() -> None:
    rooms = {rule.split("/")[0] for rule in RULES}
    files = [path for room in sorted(rooms) for path in (ROOT / room).rglob("*.py")]
    wrong = {
        name: bad
        for name, path in ((path.relative_to(ROOT).as_posix(), path) for path in files)
        if (bad := forbidden(name, path.read_text(encoding="utf-8")))
    }
    assert files
    assert wrong == {}


@pytest.mark.parametrize(
    ("path", "source", "bad"),
    [
        ("host/twinslot_host/app.py", "import twinslot_sim.nor", {"twinslot_sim"}),
        ("host/twinslot_host/app.py", "from twinslot_host import store", set()),
        ("sim/twinslot_sim/board.py", "def f():\n    from twinslot_host.app import serve", {"twinslot_host"}),
        ("sim/twinslot_sim/port/esp32.py", "import machine", set()),
        ("tools/twinslot_tools/client.py", "import twinslot_host", {"twinslot_host"}),
        ("tools/twinslot_tools/commands/server.py", "import twinslot_host", set()),
        ("firmware/twinslot/agent.py", "import machine, os", {"machine"}),
        ("firmware/twinslot/hw.py", "import machine, esp32", set()),
        ("firmware/twinslot/hw.py", "import twinslot_tools", {"twinslot_tools"}),
        ("firmware/twinslot/agent.py", "from . import hw", set()),
        ("boot/boot.py", "import twinslot_sim", {"twinslot_sim"}),
    ],
)
def test_an_import_across_rooms_is_found(path: str, source: str, bad: set[str]) -> None:
    assert forbidden(path, source) == bad
