"""`twinslot monitor` at the serial port of simulated boards."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from twinslot_tools.console_view import Colours

from .boards import OnTheDesk

FLICKERS = b"import time\nwhile True:\n    print('\\x1b[2Jhello')\n    time.sleep(0.2)\n"
FAILS = b"import time\nprint('begins')\ntime.sleep(2)\n1/0\n"


def monitored(port: object, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "twinslot_tools", "monitor", "--port", str(port), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until(process: subprocess.Popen[str], line: str) -> list[str]:
    """The lines up to this one."""
    assert process.stdout
    lines = []
    for each in process.stdout:
        lines.append(each.rstrip("\n"))
        if line in each:
            return lines
    raise AssertionError(lines)


def test_console_is_shown_and_goes_on_when_the_port_comes_back(tmp_path: Path) -> None:
    port = tmp_path / "port"
    with OnTheDesk(tmp_path / "a", files={"/main.py": FAILS}) as desk:
        port.symlink_to(desk.port)
        process = monitored(port, "--json")
        documents = [json.loads(line) for line in until(process, "ZeroDivisionError")]
        at = [each["line"] for each in documents].index("Traceback (most recent call last):")
        assert [each["traceback"] for each in documents[at:]] == [True] * 3
        assert not any(each["traceback"] for each in documents[:at])
        port.unlink()  # before its end goes, whose name the system may give to another
    with OnTheDesk(tmp_path / "b", files={"/main.py": b"import time\ntime.sleep(1)\nprint('back')\n"}) as desk:
        port.symlink_to(desk.port)
        until(process, "back")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "went away" in said and "Traceback" not in said


def test_sigterm_ends_it_with_0(tmp_path: Path) -> None:
    with OnTheDesk(tmp_path / "a", files={"/main.py": FLICKERS}) as desk:
        process = monitored(desk.port)
        assert "\x1b" not in until(process, "hello")[-1]
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 0


def test_port_that_is_none_or_in_use_exits_5(twinslot) -> None:
    assert twinslot("monitor", "--port", "/dev/nothing").code == 5
    near, far = os.openpty()
    fcntl.flock(far, fcntl.LOCK_EX)
    result = twinslot("monitor", "--port", os.ttyname(far))
    os.close(near)
    os.close(far)
    assert (result.code, "in use by another program" in result.err) == (5, True)


@pytest.mark.parametrize("after", ["MPY: soft reboot", ">>> "])
def test_traceback_is_coloured_to_its_last_line_and_no_further(after: str) -> None:
    colours = Colours()
    lines = ["hello", "Traceback (most recent call last):", '  File "main.py", line 4, in <module>']
    styles = [colours.style(line) for line in (*lines, "ZeroDivisionError: divide by zero", after)]
    assert styles == ["", "bold red", "cyan", "bold red", ""]
