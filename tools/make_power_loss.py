"""Writes anew what `docs/power-loss.md` has from the code; `make docs` runs it.

- `<!-- states -->`: the rows of `states.TABLE`, with their comments;
- `<!-- boots: … -->`: `states.judge_boot`, called with all that a boot can find, as a table of what it depends on;
- a row of a table whose second cell names a durable write, `module.function` (with a number when there are several in
  it): its last cell is the write's `# CUT:` comment.
"""

import ast
import re
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "power-loss.md"
DEVICE = (*sorted((ROOT / "firmware" / "twinslot").glob("*.py")), *sorted((ROOT / "boot").glob("*.py")))
BOOTLOADER = ROOT / "sim" / "twinslot_sim" / "bootloader.py"

CHIP_WRITES = {"writeblocks", "ioctl", "set_boot", "mark_app_valid_cancel_rollback", "set_i32", "set_blob", "erase_key"}
FILE_WRITES = {"rename", "remove", "rmdir", "mkdir"}
PASSED_ON = {"keep", "forget", "_keep_or_forget", "_store"}
"""Functions of the device package that write what their callers tell them to: so the callers have the comments."""
BOOTLOADER_WRITES = {"write", "_write", "erase"}

_BLOCK = re.compile(r"(<!-- (states|boots: (.+?)) -->\n).*?(<!-- end -->)", re.DOTALL)
ON_PAGE = re.compile(r"^(\|.*?\| `(\w+(?:\.\w+)+)`(?: \((\d)\))? \|).*\|$", re.MULTILINE)
_TABLE_ROW = re.compile(r'^    \("(\w+)",\s+"(\w+)"\):\s+"(\w+)",(?:\s+# (.+))?$', re.MULTILINE)


@dataclass(frozen=True)
class Write:
    """A durable write: `where` is module and function, `number` counts those of a function; `cut` is what its comment
    says, empty when it has none."""

    where: str
    number: int
    cut: str


def writes(path: Path) -> list[Write]:
    """The durable writes of a module, as they follow each other there. Raises ValueError for a comment that belongs to
    none."""
    source = path.read_text(encoding="utf-8")
    cuts = _cuts(source.split("\n"))
    found: list[Write] = []
    for where, line in _writing_lines(ast.parse(source)):
        name = f"{path.stem}.{where}"
        found.append(Write(name, 1 + sum(write.where == name for write in found), cuts.pop(line, "")))
    if cuts:
        raise ValueError(f"{path}: no durable write follows the comment in line {min(cuts) - 1}")
    return found


def _cuts(lines: list[str]) -> dict[int, str]:
    """What each comment says, by the number of the line that it stands above."""
    found: dict[int, str] = {}
    for number, line in enumerate(lines):
        comment, _, text = line.strip().partition("CUT: ")
        if not (comment.startswith("#") and text):
            continue
        said, end = [text], number + 1
        while lines[end].strip().startswith("# "):
            said.append(lines[end].strip().removeprefix("# "))
            end += 1
        found[end + 1] = " ".join(said)
    return found


def _writing_lines(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The function, and the line in which the statement begins, of each durable write; not of those that are passed
    on."""
    imported = {each.module for each in ast.walk(tree) if isinstance(each, ast.ImportFrom)}
    passed_on, names = PASSED_ON, {*PASSED_ON, "save_record"} | (CHIP_WRITES if "esp32" in imported else set())
    if "twinslot_sim" in imported:
        passed_on, names = {"_write"}, BOOTLOADER_WRITES

    def visit(node: ast.AST, where: tuple[str, ...]) -> Iterator[tuple[str, int]]:
        for child in ast.iter_child_nodes(node):
            inside = where
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inside = (*where, child.name)
                if child.name in passed_on:
                    continue
            if isinstance(child, ast.Call) and _writes(child, names):
                yield ".".join(where), child.lineno
            yield from visit(child, inside)

    yield from visit(tree, ())


def _writes(call: ast.Call, names: set[str]) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name == "open":
        return any(isinstance(mode, ast.Constant) and set(str(mode.value)) & set("wax+") for mode in call.args[1:2])
    of_os = isinstance(call.func, ast.Attribute) and getattr(call.func.value, "id", "") == "os"
    return name in names or (of_os and name in FILE_WRITES)


def device_states() -> Any:
    """The device package's module, which is pure."""
    if "twinslot" not in sys.modules:
        package = types.ModuleType("twinslot")
        package.__path__ = [str(ROOT / "firmware" / "twinslot")]
        sys.modules["twinslot"] = package
    from twinslot import states  # type: ignore[import-not-found]  # on no path but the board's

    return states


def state_table() -> str:
    """`states.TABLE` with its comments."""
    source = (ROOT / "firmware" / "twinslot" / "states.py").read_text(encoding="utf-8")
    rows = [match.groups() for match in _TABLE_ROW.finditer(source)]
    assert {(state, event): following for state, event, following, _ in rows} == device_states().TABLE
    cells = [(f"`{state}`", f"`{event}`", said or "", f"`{following}`") for state, event, following, said in rows]
    return _markdown(("state", "event", "what that is", "next state"), cells)


Choices = Mapping[str, Mapping[str, Any]]
"""What a boot can find: by its name, the values that it can have, by theirs."""
OTADATA = {"NEW": 0, "PENDING_VERIFY": 1, "VALID": 2, "INVALID": 3, "ABORTED": 4, "none": None}
TRIAL: Choices = {
    "ended by the device": {"yes": "expired", "no": ""},
    "switches": {"fewer than 4": 3, "4": 4},
    "the last was made": {"no": False, "yes": True},
    "reset cause": {"power on": 1, "another": 2},
}
BOOTS: dict[str, tuple[Choices, Callable[..., str]]] = {
    "nothing on its way": (
        {
            "runs": {"the slot that is kept": 0, "the other one": 1, "any, the record being lost": -1},
            "otadata selects": {"what runs": True, "the other slot": False},
            "state of what runs": OTADATA,
            "state that boot.py keeps": {"PENDING_VERIFY": 1, "another": 2},
            "tree that runs": {"the one that is kept": 1, "none": 0, "the other one": 2},
        },
        lambda kept, same, state, alone, tree: _judged(
            {}, kept=kept, kept_tree=1, running_tree=tree, boot=0 if same else 1, states=[state, 2], alone=alone
        ),
    ),
    "an image": (
        {
            "runs": {"the new image": 1, "the old one": 0},
            "state of the new slot": OTADATA,
            "otadata selects": {"the new slot": 1, "the old one": 0},
            **TRIAL,
        },
        lambda running, state, boot, ended, arms, switched, cause: _judged(
            {"slot": 1, "ended": ended, "arms": arms, "switched": switched},
            running=running,
            boot=boot,
            states=[2, state],
            cause=cause,
        ),
    ),
    "a specification alone": (
        {"state that boot.py keeps": OTADATA, **TRIAL},
        lambda state, ended, arms, switched, cause: _judged(
            {"slot": 0, "kind": 1, "ended": ended, "arms": arms, "switched": switched}, alone=state, cause=cause
        ),
    ),
    "a bundle": (
        {
            "tree that is kept": {"the new one": 2, "the old one, or none": 1},
            "state that boot.py keeps": OTADATA,
            "tree that runs": {"the new one": 2, "the old one, or none": 1},
            **TRIAL,
        },
        lambda kept, state, running, ended, arms, switched, cause: _judged(
            {"slot": 0, "kind": 8, "tree": 2, "ended": ended, "arms": arms, "switched": switched},
            kept_tree=kept,
            running_tree=running,
            alone=state,
            cause=cause,
        ),
    ),
}


def _judged(
    trial: dict[str, Any],
    *,
    kept: int = 0,
    kept_tree: int = 0,
    running: int = 0,
    running_tree: int = 0,
    boot: int = 0,
    states: Sequence[int | None] = (2, None),
    alone: int | None = None,
    cause: int = 1,
) -> str:
    """What `states.judge_boot` says; `alone` is the state that boot.py keeps, and what is not given is as on a board
    that keeps what runs in its first slot."""
    event: str = device_states().judge_boot(trial, kept, kept_tree, running, running_tree, boot, states, alone, cause)
    return event


def boot_table(about: str) -> str:
    """What a boot is, by what it depends on; an empty cell: by nothing of that column."""
    choices, judge = BOOTS[about]
    rows = [(*cells, f"`{event}`") for cells, event in cases(list(choices.items()), judge)]
    return _markdown((*choices, "the boot is"), rows)


def cases(
    choices: list[tuple[str, Mapping[str, Any]]], judge: Callable[..., str], chosen: tuple[Any, ...] = ()
) -> list[tuple[tuple[str, ...], str]]:
    """What `judge` says of all choices, after those that are `chosen`: a cell for each, and what it says. Values that
    lead to the same cases share theirs; where all do, the cell is empty."""
    if not choices:
        return [((), judge(*chosen))]
    (_, values), rest = choices[0], choices[1:]
    groups: list[tuple[list[str], list[tuple[tuple[str, ...], str]]]] = []
    for name, value in values.items():
        follows = cases(rest, judge, (*chosen, value))
        names = next((names for names, others in groups if others == follows), None)
        if names is None:
            groups.append(([name], follows))
        else:
            names.append(name)
    if len(groups) == 1:
        groups[0][0][:] = []
    return [((", ".join(names), *cells), event) for names, follows in groups for cells, event in follows]


def _markdown(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join("|" + "|".join(f" {cell} " if cell else " " for cell in cells) + "|\n" for cells in lines)


def page(text: str) -> str:
    """The page `text` with everything in it that comes from the code. Raises KeyError for a write that is not there."""
    known = {(w.where, w.number): w.cut for path in (*DEVICE, BOOTLOADER) for w in writes(path)}

    def row(match: re.Match[str]) -> str:
        cut = known[match[2], int(match[3] or 1)]
        return f"{match[1]} {cut[:1].upper()}{cut[1:].removesuffix('.')} |"

    text = _BLOCK.sub(lambda m: m[1] + (boot_table(m[3]) if m[3] else state_table()) + m[4], text)
    return ON_PAGE.sub(row, text)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
