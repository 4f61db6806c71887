"""`docs/troubleshooting.md` quotes messages as the code has them."""

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from .pages import DOCS

ROOMS = ("tools", "host", "sim", "firmware", "boot")
QUOTED = re.findall(r"^> (.*)$", (DOCS / "troubleshooting.md").read_text(), re.MULTILINE)


def texts(tree: ast.AST) -> Iterator[str]:
    """Every text in the code, with … in the place of what is put in."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value.replace("{}", "…")


@cache
def messages() -> str:
    """All texts of the product's code."""
    files = [path for room in ROOMS for path in (DOCS.parent / room).rglob("*.py")]
    return "\0".join(text for path in files for text in texts(ast.parse(path.read_text())))


@pytest.mark.parametrize("quoted", QUOTED)
def test_quoted_message_is_one_of_the_code(quoted: str) -> None:
    is_there = quoted in messages()
    assert is_there  # without all the messages in the report
