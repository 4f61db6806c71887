"""No bundle brings a module in the place of one of MicroPython's that the board imports: which these are."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = {"twinslot", "app"}
FROZEN = {  # what those of MicroPython's own that are Python import in their turn, by v1.21 to v1.26
    "asyncio": {"_asyncio", "errno", "select", "socket", "ssl", "sys", "time"},  # extmod/asyncio
    "ntptime": {"machine", "socket", "struct", "time"},  # micropython-lib, micropython/net/ntptime
    "ssl": {"tls"},  # micropython-lib, python-stdlib/ssl
}


def imported(node: ast.AST) -> Iterator[str]:
    """The top-level name of every absolute import that is made on a board."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return
    if isinstance(node, ast.Import):
        yield from (alias.name.split(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        yield node.module.split(".")[0]
    for child in ast.iter_child_nodes(node):
        yield from imported(child)


def test_every_module_that_the_board_imports_is_refused_by_protocol_and_wire_examples() -> None:
    files = [*(ROOT / "boot").glob("*.py"), *(ROOT / "firmware" / "twinslot").glob("*.py")]
    names = {name for file in files for name in imported(ast.parse(file.read_text()))} - OURS
    names = names.union(*(FROZEN[name] for name in names & FROZEN.keys()))
    bad = json.loads((ROOT / "tests" / "vectors" / "bundles.json").read_text())["bad_lists"]
    _, marked, listed = (ROOT / "docs" / "protocol.md").read_text().partition("whose place it would take:")
    assert {each["why"].rpartition(" ")[2] for each in bad if each["why"].startswith("in the place of")} == names
    assert marked and set(re.findall(r"`(\w+)`", listed.partition(".")[0])) == names
