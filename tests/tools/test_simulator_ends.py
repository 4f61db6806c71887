"""`twinslot sim` and `twinslot fleet` where something is in their way, and however they are ended."""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from twinslot_sim import vfs

NOBODY = "http://127.0.0.1:1"
COMMAND = (sys.executable, "-m", "twinslot_tools")


@pytest.fixture
def group(twinslot, signed_in):
    app = f"app-{secrets.token_hex(8)}"
    return twinslot("group", "create", app, "--app", app, "--json").document


@pytest.fixture
def of_group(group):
    return ("--group", group["id"], "--token", group["token"])


@pytest.fixture
def board(group, of_group, tmp_path):
    return (*of_group, "--device", "b-" + group["id"], "--flash", tmp_path / "flash")


@pytest.fixture
def silent_server() -> Iterator[str]:
    """The address of something that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@contextlib.contextmanager
def started(*arguments: object, **settings: object) -> Iterator[subprocess.Popen[str]]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    words = [*COMMAND, *map(str, arguments)]
    with subprocess.Popen(words, text=True, **pipes | settings) as process:
        try:
            yield process
        finally:
            process.kill()


def connected(twinslot, device: str) -> bool:
    shown = twinslot("device", "show", device, "--json")
    return shown.code == 0 and shown.document["connected"]


@pytest.mark.parametrize("what", ["sim", "fleet"])
def test_board_that_may_wait_has_its_check_in_held(twinslot, board, group, of_group, signed_in, what) -> None:
    prefix = group["id"] + "-"
    boards = board if what == "sim" else (*of_group, "--count", 1, "--prefix", prefix)
    device = "b-" + group["id"] if what == "sim" else prefix + "1"
    with started(what, *boards, "--poll", 3600, "--wait", 300, "--timeout", 600, env=os.environ) as process:
        deadline = time.monotonic() + 90
        while not connected(twinslot, device):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
        job = twinslot("job", "submit", "--device", device, "--wait", "uname", "--json")
    assert [each["state"] for each in job.document["children"]] == ["succeeded"]


def test_flash_of_another_board_is_refused_and_not_changed(twinslot, board, group, tmp_path) -> None:
    flash = tmp_path / "flash"
    assert twinslot("sim", *board, "--until", "1.0.0", "--timeout", 60).code == 0
    before = flash.read_bytes()
    mine, other = "b-" + group["id"], "f" * 24
    wrong = {
        "device": (("--group", group["id"], "--token", group["token"], "--device", "b-other"), ("b-other", mine)),
        "group": (("--group", other, "--token", group["token"], "--device", mine), (other, group["id"])),
        "token": (("--group", group["id"], "--token", "x" * 32, "--device", mine), ("token", mine)),
    }
    for arguments, named in wrong.values():
        result = twinslot("sim", *arguments, "--flash", flash, "--server", NOBODY, "--timeout", 5, "--json")
        assert (result.code, result.out) == (3, "")
        assert all(name in result.err for name in named)
        assert group["token"] not in result.err and "x" * 32 not in result.err
    assert flash.read_bytes() == before


def test_server_that_moved_is_written_into_the_flash_and_the_board_stays(twinslot, board, signed_in, tmp_path) -> None:
    flash = tmp_path / "flash"
    assert twinslot("sim", *board, "--until", "1.0.0", "--timeout", 60).code == 0
    before = json.loads(vfs.read_file(flash, "/twinslot.json"))
    assert (before["trial_s"], before["server"]) == (20, signed_in)
    moved = signed_in.replace("127.0.0.1", "localhost")
    arguments = ("--app", "ignored", "--version", "7.7.7", "--server", moved + "/", "--until", "1.0.0", "--timeout", 60)
    assert twinslot("sim", *board, *arguments).code == 0
    assert json.loads(vfs.read_file(flash, "/twinslot.json")) == {**before, "server": moved}


def test_flash_that_another_simulator_runs_is_refused(twinslot, board) -> None:
    with started("sim", *board) as first:
        assert first.stdout is not None
        assert any("settled" in line for line in first.stdout)
        second = twinslot("sim", *board, "--timeout", 5, "--json")
        assert (second.code, second.out) == (3, "")
        assert "another simulator runs this flash" in second.err
        first.kill()
        first.wait()
    assert twinslot("sim", *board, "--until", "1.0.0", "--timeout", 60).code == 0


def test_fleet_over_a_flash_of_another_board_is_refused(twinslot, of_group, group, tmp_path) -> None:
    prefix, folder = group["id"] + "-", tmp_path / "boards"
    arguments = ("--until", "1.0.0", "--timeout", 60, "--dir", folder)
    assert twinslot("fleet", *of_group, "--count", 1, "--prefix", prefix, *arguments).code == 0
    (folder / f"{prefix}1.flash").rename(folder / f"{prefix}2.flash")
    assert twinslot("fleet", *of_group, "--count", 2, "--prefix", prefix, *arguments).code == 3


@pytest.mark.parametrize("flash", ["no/folder/flash", "f" * 250, "f" * 300, "file/flash", "."])
def test_flash_that_cannot_be_written_exits_3_before_the_server_is_asked(twinslot, tmp_path, flash) -> None:
    (tmp_path / "file").touch()
    arguments = ("--group", "g", "--token", "t", "--device", "b", "--flash", tmp_path / flash, "--server", NOBODY)
    result = twinslot("sim", *arguments, "--timeout", 10)
    assert (result.code, result.out) == (3, "")
    assert result.err.startswith("twinslot: ") and "bug" not in result.err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("size_bytes", [4096, 1 << 20, 4 << 20])
def test_file_that_is_no_boards_flash_exits_3_and_is_not_changed(twinslot, board, tmp_path, size_bytes) -> None:
    (tmp_path / "flash").write_bytes(b"\xff" * size_bytes)
    result = twinslot("sim", *board, "--timeout", 10)
    assert (result.code, result.out) == (3, "")
    assert (tmp_path / "flash").read_bytes() == b"\xff" * size_bytes


@pytest.mark.parametrize("command", ["sim", "fleet"])
def test_time_that_is_up_before_the_server_answers_exits_1(twinslot, tmp_path, silent_server, command) -> None:
    which = ("--device", "b", "--flash", tmp_path / "flash") if command == "sim" else ("--count", "20")
    arguments = ("--group", "g", "--token", "t", *which, "--server", silent_server, "--timeout", "0.2", "--json")
    result = twinslot(command, *arguments)
    assert (result.code, result.out) == (1, "")
    assert "provisioned" in result.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 1), (signal.SIGINT, 130)])
def test_fleet_that_is_stopped_while_it_provisions_leaves_nothing(tmp_path, number, code) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = f"http://127.0.0.1:{listening.getsockname()[1]}"
        arguments = ("--group", "g", "--token", "t", "--count", "3", "--server", server)
        with started("fleet", *arguments, env={**os.environ, "TMPDIR": str(tmp_path)}) as process:
            listening.accept()
            process.send_signal(number)
            out, errors = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "")
    assert errors == "" or (code == 1 and "Traceback" not in errors)
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_at_the_terminal_ends_a_running_board_quietly_with_130(board, tmp_path) -> None:
    with started("sim", *board, start_new_session=True) as process:
        assert process.stdout is not None
        assert any("settled" in line for line in process.stdout)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors and "Interrupt" not in errors
    assert {path.name for path in tmp_path.iterdir()} == {"flash", "flash.wear"}


@pytest.mark.parametrize("command", ["sim", "fleet"])
def test_reader_that_goes_away_ends_it_quietly(board, of_group, group, command) -> None:
    fleet = (*of_group, "--count", 2, "--prefix", group["id"] + "-")
    reader, writer = os.pipe()
    os.close(reader)  # before the first line: nothing may follow the last one for ever
    with started(command, *(board if command == "sim" else fleet), stdout=writer) as process:
        os.close(writer)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in errors, "rror" in errors) == (141, False, False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("arguments", [("keygen", "--out", "key"), ("--help",), ("image", "info", "missing")])
def test_output_that_cannot_be_written_exits_3_with_a_message(tmp_path, arguments) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*COMMAND, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    assert done.returncode == 3
    assert done.stderr.startswith("twinslot: ") and "Traceback" not in done.stderr


def test_closed_output_is_no_bug(tmp_path) -> None:
    shell = f"{sys.executable} -m twinslot_tools keygen --out key >&-"
    done = subprocess.run(["sh", "-c", shell], stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "key").read_text().startswith("-----BEGIN PRIVATE KEY-----")


@pytest.mark.parametrize("says", ["", "cpython 9223372036854775807"])
def test_interpreter_that_is_no_micropython_exits_5(twinslot, board, monkeypatch, tmp_path, says) -> None:
    program = tmp_path / "other"
    program.write_text(f"#!/bin/sh\necho {says}\n")
    program.chmod(0o755)
    monkeypatch.setenv("MICROPYTHON", str(program))
    result = twinslot("sim", *board, "--timeout", 10)
    assert (result.code, result.out) == (5, "")
    assert str(program) in result.err
    assert not (tmp_path / "flash").exists()


def test_interpreter_of_64_bits_is_warned_of(twinslot, board, monkeypatch, tmp_path) -> None:
    from twinslot_sim import micropython

    program = tmp_path / "wide"
    real = " ".join(micropython.find())
    wide = "micropython 9223372036854775807"
    program.write_text(f'#!/bin/sh\ncase "$2" in *maxsize*) echo {wide}; exit;; esac\nexec {real} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("MICROPYTHON", str(program))
    result = twinslot("sim", *board, "--until", "1.0.0", "--timeout", 60, "--json")
    assert (result.code, result.document["version"]) == (0, "1.0.0")
    assert "64-bit" in result.err
