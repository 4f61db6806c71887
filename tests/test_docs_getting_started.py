"""`docs/getting-started.md`: its commands, pasted in order, bring a simulated board to its first updates."""

import re
import shlex
import subprocess
from pathlib import Path

from typer.main import get_group

from twinslot_tools.command_line import app

from .pages import DOCS, FENCED, without_chance

PAGE = (DOCS / "getting-started.md").read_text()
SHARED, WITHOUT, WITH = "shared", "without", "with"
OWN_TERMINAL = ("twinslot sim", "twinslot monitor")
COPIED = re.compile(r"copying (\d+) files, (\d+) KiB")
PUBLISHED = re.compile(r"^twinslot publish .*--version (\S+)$", re.MULTILINE)
CONFIRMED = "grep -q 'confirmed {0}' terminal-* && [[ $(twinslot device show kettle-7) == *'confirmed {0}'* ]]"
UNTIL = "\nfor _ in {{1..600}}; do {0} && break; sleep 0.1; done; {0}\n"


def blocks_of(page: str) -> list[tuple[str, str]]:
    """Each block of commands, with whom it is for: the heading says so, or before the block a word in bold."""
    found, section, end = [], SHARED, 0
    for block in FENCED.finditer(page):
        before, end = page[end : block.start()], block.end()
        for heading in re.findall(r"^##+ (.*)$", before, re.MULTILINE):
            section = {"Without": WITHOUT, "With": WITH}.get(heading, SHARED)
        bold = re.findall(r"\*\*(With|Without)\s+a\s+board\b", before)
        if block[1] == "sh":
            found.append((bold[-1].lower() if bold else section, block[2]))
    return found


def pasted(block: str, number: int) -> str:
    """The block as a person pastes it: what goes on until it is stopped, into a terminal of its own; after a release
    it is watched until the board has confirmed that and the server knows."""
    if not block.startswith(OWN_TERMINAL):
        released = PUBLISHED.findall(block)
        return block + "".join(UNTIL.format(CONFIRMED.format(version)) for version in released)
    ready = "grep -q 'for more information' board.log" if block.startswith("twinslot sim") else "true"
    return f"{{ exec {block} }} > terminal-{number} 2>&1 &{UNTIL.format(ready)}"


def test_page_pasted_without_a_board_ends_with_confirmed_releases(tmp_path: Path, environment: dict[str, str]) -> None:
    blocks = [block for way, block in blocks_of(PAGE) if way != WITH]
    made, serve, *rest = blocks
    assert made.startswith("make setup\n") and serve == "twinslot serve --data ./data\n"  # there already
    script = "\n".join(pasted(block, number) for number, block in enumerate(rest))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"trap 'kill $(jobs -p); wait' EXIT\n{script}"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )
    raw = done.stdout + "".join(path.read_text() for path in tmp_path.glob("terminal-*"))
    printed = without_chance(raw)
    assert done.returncode == 0, printed
    sizes = [[int(number) for number in COPIED.findall(text)[0]] for text in (PAGE, raw)]
    assert all(abs(there - here) <= here // 10 for there, here in zip(*sizes, strict=True)), sizes
    shown = [block[2] for block in FENCED.finditer(PAGE) if block[1] == "text"]
    assert [line for line in without_chance("".join(shown)).splitlines() if line not in printed] == []


def test_commands_for_a_board_on_the_desk_have_the_options_that_the_page_gives_them() -> None:
    lines = [shlex.split(line) for way, block in blocks_of(PAGE) if way == WITH for line in block.splitlines()]
    given = [(words[1], word) for words in lines if words[0] == "twinslot" for word in words if word.startswith("--")]
    commands = get_group(app).commands
    assert ("flash", "--firmware") in given and ("provision", "--wifi") in given
    for name, option in given:
        assert any(option in parameter.opts for parameter in commands[name].params), (name, option)
