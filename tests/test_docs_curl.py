"""The pages that are made of commands: pasted in order against a fresh server, each does what the page shows."""

import json
import subprocess
from pathlib import Path

import pytest

from .pages import DOCS, FENCED, without_chance

PAGES = ("kaa.md", "iotaap.md", "socketxp.md", "everyware.md")


def commands_of(text: str) -> list[tuple[str, str | None]]:
    """Each block of commands, with what the JSON block after it shows; None when none does."""
    blocks = FENCED.findall(text)
    shown = [following if kind == "json" else None for kind, following in [*blocks[1:], ("", "")]]
    return [(block, after) for (kind, block), after in zip(blocks, shown, strict=True) if kind == "sh"]


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
            assert json.loads(without_chance(path.read_text())) == json.loads(without_chance(shown)), block
