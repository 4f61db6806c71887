"""`make demo`, as it runs where nobody watches."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from twinslot_tools.demo import story
from twinslot_tools.demo.__main__ import main


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the demonstration puts what it makes."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def servers_over(folder: Path) -> list[str]:
    """The processes that still work in `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if Path(process / "cwd").readlink().is_relative_to(folder):
                found.append(process.name)
        except OSError:
            continue
    return found


def last_event(device: story.Device) -> str:
    return str((device["last_result"] or {}).get("event"))


def test_demo_keeps_its_promises_and_leaves_nothing(temporary) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "twinslot_tools.demo"], capture_output=True, text=True, env=os.environ, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    files = ["confirmed 1.3.0", "confirmed 1.4.0"]
    for board in story.ALL:
        ends = re.findall(rf"^{board}: ((?:confirmed|rolled back) .*)$", done.stdout, re.MULTILINE)
        assert ends == (files if board == story.ONE_SLOT else ["confirmed 1.1.0", "rolled back 1.2.0: crash", *files])
    assert "this board's partition table has no second app slot" in done.stdout
    assert "Seen, and checked against the server's own view:" in done.stdout
    assert list(temporary.iterdir()) == []
    assert servers_over(temporary) == []


def test_broken_promise_is_told_and_fails_the_demo(temporary, monkeypatch, capfd) -> None:
    publish, until = story.Stage.publish, story.Stage.until

    async def publish_crashing(stage: story.Stage, version: str, habit: str) -> str:
        return await publish(stage, version, "crashing")

    async def until_broken(
        stage: story.Stage, promise: str, seen: Callable[[story.Device], bool], names: Sequence[str] = story.BOARDS
    ) -> None:
        if promise == "every board confirmed 1.1.0":
            await until(stage, "every board went back", lambda device: last_event(device) == "rolled_back")
            monkeypatch.setattr(story, "ACT_S", 1)  # no more of it will come
        await until(stage, promise, seen, names)

    monkeypatch.setattr(story.Stage, "publish", publish_crashing)
    monkeypatch.setattr(story.Stage, "until", until_broken)
    assert main() == 1
    captured = capfd.readouterr()
    assert "every board confirmed 1.1.0" in captured.err and "kettle-1 | " in captured.err
    assert "Seen, and checked" not in captured.out
    assert list(temporary.iterdir()) == []
    assert servers_over(temporary) == []
