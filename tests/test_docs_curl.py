"""The pages that are made of commands: pasted in order against a fresh server, each does what the page shows."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[1] / "docs"
PAGES = ("kaa.md", "iotaap.md", "socketxp.md", "everyware.md")

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ASIDE = (
    (re.compile(r"http://127\.0\.0\.1:\d+"), "SERVER"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "DATE"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|[A-Z][a-z]{2} \d+, \d{4}, [\d:]+ UTC"), "DATE"),
    (re.compile(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d [\d:]+ UTC \d{4}"), "DATE"),
    (re.compile(r"expires=\d+"), "expires=DATE"),
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "ID"),
    (re.compile(r"\b[0-9a-f]{24}\w*"), "ID"),
)


def commands_of(text: str) -> list[tuple[str, Any]]:
    """Each block of commands, with what the JSON block after it shows; None when none does."""
    blocks = FENCED.findall(text)
    shown = [following if kind == "json" else None for kind, following in [*blocks[1:], ("", "")]]
    return [(block, after) for (kind, block), after in zip(blocks, shown, strict=True) if kind == "sh"]


def without_chance(text: str) -> Any:
    """The JSON document, with the same word for every id, every date and every server."""
    for pattern, word in ASIDE:
        text = pattern.sub(word, text)
    return json.loads(text)


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """That of a shell beside a server which has just made its data directory, ./data."""
    serve = [sys.executable, "-m", "twinslot_tools", "serve", "--data", str(tmp_path / "data"), "--port", "0"]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told, _, address = process.stdout.readline().strip().rpartition(" ")
        assert told == "listening on"
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        plain = {name: value for name, value in os.environ.items() if not name.startswith("TWINSLOT_")}
        yield {**plain, "PATH": path, "TWINSLOT_SERVER": address}
        process.terminate()


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_a_page_do_what_it_shows(page: str, tmp_path: Path, environment: dict[str, str]) -> None:
    commands = commands_of((DOCS / page).read_text())
    said = [tmp_path / f"said-{number}" for number in range(len(commands))]
    script = "\n".join(f"exec >{path}\n{block}" for path, (block, _) in zip(said, commands, strict=True))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=300,
    )
    last = max(number for number, path in enumerate(said) if path.exists())
    assert done.returncode == 0, f"{commands[last][0]}\n{said[last].read_text()}\n{done.stderr}"
    assert any(shown is not None for _, shown in commands)
    for path, (block, shown) in zip(said, commands, strict=True):
        if shown is not None:
            assert without_chance(path.read_text()) == without_chance(shown), block
