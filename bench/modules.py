"""What each module of the device package takes as `.mpy`, and which of them an update needs."""

import ast
from pathlib import Path, PurePosixPath

from twinslot_tools.board_files import board_files

PACKAGE = Path(__file__).resolve().parents[1] / "firmware" / "twinslot"
BUDGET_BYTES = 50 * 1024


def sizes() -> dict[str, int]:
    """Bytes of each module of the device package, compiled."""
    return {PurePosixPath(path).stem: len(data) for path, data in board_files().items() if path.endswith(".mpy")}


def of_updates(package: Path = PACKAGE) -> set[str]:
    """The modules that an update may load. The others come with operations and packages.

    What is imported at the start, and what is loaded later, is the update's, with all that it leads to in turn; but for
    those modules that are not there from the start and lead to `packages`, and what only these lead to.
    """
    loaded, named = {}, {}
    for path in package.glob("*.py"):
        loaded[path.stem], named[path.stem] = _references(ast.parse(path.read_text()))
    later = {name: (loaded[name] | named[name]) & loaded.keys() for name in loaded}
    start = _reached("__init__", loaded)
    rest = {name: leads_to - start for name, leads_to in later.items()}
    doors = {name for name in loaded.keys() - start if "packages" in _reached(name, rest)}
    return _reached("__init__", {name: leads_to - doors for name, leads_to in later.items()})


def _reached(name: str, leads_to: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    wanted = {name}
    while wanted:
        found |= wanted
        wanted = {each for name in wanted for each in leads_to[name]} - found
    return found


def _references(tree: ast.Module) -> tuple[set[str], set[str]]:
    """The modules that are imported with this one; and those that it imports later, or calls by their full name, as
    `hooks.load` takes it. What is imported for types alone is in neither."""
    first = {name for node in tree.body for name in _imported(node)}
    later: set[str] = set()
    nodes: list[ast.AST] = [tree]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        later.update(_imported(node))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("twinslot."):
            later.add(node.value.removeprefix("twinslot."))
        nodes += ast.iter_child_nodes(node)
    return first, later


def _imported(node: ast.AST) -> set[str]:
    if not isinstance(node, ast.ImportFrom) or not node.level:
        return set()
    return {node.module} if node.module else {each.name for each in node.names}
