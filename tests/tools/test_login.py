"""`twinslot login` and `logout`, with the real server: what is kept, for whom, and what goes before it."""

import io
import json
import os
import pty
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from twinslot_tools import login


@pytest.fixture
def token(server: tuple[str, Path], twinslot) -> str:
    return twinslot("token", "--data", server[1]).out.strip()


@pytest.fixture
def log_in(server: tuple[str, Path], twinslot, monkeypatch: pytest.MonkeyPatch):
    def run(token: str, *words: object):
        monkeypatch.setattr(sys, "stdin", io.StringIO(token + "\n"))
        return twinslot("login", "--server", server[0], *words)

    return run


def test_login_is_kept_for_the_user_alone_and_used_by_other_commands(server, twinslot, log_in, token) -> None:
    result = log_in(token)
    assert (result.code, result.out) == (0, f"logged in at {server[0]}\n")
    assert stat.S_IMODE(login.path().stat().st_mode) == 0o600
    assert stat.S_IMODE(login.path().parent.stat().st_mode) == 0o700
    assert json.loads(login.path().read_text()) == {"server": server[0], "token": token}
    assert [path.name for path in login.path().parent.iterdir()] == ["config.json"]
    assert twinslot("group", "list", "--json").document == {"items": [], "total": 0}


def test_token_is_in_no_output_of_login(log_in, token) -> None:
    result = log_in(token, "--json")
    assert result.document["file"] == str(login.path())
    assert token not in result.out + result.err


def test_token_for_something_else_than_groups_is_taken(server, twinslot, log_in) -> None:
    narrow = twinslot("token", "--data", server[1], "--scope", "device:read").out.strip()
    assert log_in(narrow).code == 0
    assert twinslot("device", "list").code == 0


@pytest.mark.parametrize("wrong", ["not-a-token", "", "töken"])
def test_wrong_token_is_refused_and_the_login_before_stays(log_in, token, wrong) -> None:
    log_in(token)
    kept = login.path().read_bytes()
    result = log_in(wrong)
    assert result.code == (4 if wrong == "not-a-token" else 2)
    assert "twinslot token --data DIR" in result.err
    assert login.path().read_bytes() == kept


def test_server_that_is_none_of_ours_is_refused_and_nothing_kept(twinslot, monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("token\n"))
    assert twinslot("login", "--server", "http://127.0.0.1:1").code == 4
    assert not login.path().exists()


def test_token_of_the_login_goes_to_no_other_server(twinslot, log_in, token) -> None:
    log_in(token)
    result = twinslot("group", "list", "--server", "http://127.0.0.1:1")
    assert result.code == 2
    assert "no token for http://127.0.0.1:1" in result.err


def test_environment_goes_before_the_login(twinslot, log_in, token, monkeypatch) -> None:
    log_in(token)
    monkeypatch.setenv("TWINSLOT_TOKEN", "not-a-token")
    assert twinslot("group", "list").code == 4
    monkeypatch.setenv("TWINSLOT_SERVER", "http://127.0.0.1:1")
    assert "no answer from http://127.0.0.1:1" in twinslot("group", "list").err


def test_logout_forgets_and_says_whether_there_was_a_login(twinslot, log_in, token) -> None:
    log_in(token)
    assert twinslot("logout").out == "logged out\n"
    assert not login.path().exists()
    assert "twinslot login" in twinslot("group", "list").err
    assert twinslot("logout", "--json").document == {"logged_out": False}


def test_login_that_can_not_be_written_leaves_the_one_before(log_in, token, monkeypatch) -> None:
    log_in(token)
    kept = login.path().read_bytes()

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    result = log_in(token)
    assert result.code == 3
    assert "No space left" in result.err
    assert login.path().read_bytes() == kept
    assert [path.name for path in login.path().parent.iterdir()] == ["config.json"]


def test_damaged_file_is_named_with_the_way_out(twinslot) -> None:
    login.path().parent.mkdir()
    login.path().write_text('{"server": 1}')
    result = twinslot("group", "list")
    assert result.code == 3
    assert str(login.path()) in result.err
    assert "`twinslot logout` removes it" in result.err
    assert twinslot("logout").code == 0


def test_file_that_others_can_read_is_refused_with_the_way_out(twinslot, log_in, token) -> None:
    log_in(token)
    login.path().chmod(0o644)
    result = twinslot("group", "list")
    assert (result.code, "others can read" in result.err, token in result.err) == (3, True, False)
    assert twinslot("logout").code == 0


@pytest.mark.parametrize("key", [b"\x03", b"\x04"], ids=["Ctrl-C", "Ctrl-D"])
@pytest.mark.parametrize("command", [["login"], ["provision", "--port", "/dev/null", "--group", "g"]])
def test_key_that_ends_a_question_ends_the_command_in_silence(command, key) -> None:
    pid, near = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-m", "twinslot_tools", *command, "--server", "http://127.0.0.1:1"])
    shown = b""
    while b": " not in shown:
        shown += os.read(near, 1024)
    os.write(near, key)
    with suppress(OSError):  # the terminal's end is an error here
        while more := os.read(near, 1024):
            shown += more
    os.close(near)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 130
    assert len(shown.split(b"\n")) <= 2 and b"bug" not in shown, shown


def test_token_typed_at_a_terminal_is_not_shown(server, token) -> None:
    near, far = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "twinslot_tools", "login", "--server", server[0]],
        stdin=far,
        stdout=far,
        stderr=far,
        start_new_session=True,
    )
    os.close(far)
    shown = b""
    while b"token for" not in shown:
        shown += os.read(near, 1024)
    os.write(near, token.encode() + b"\n")
    while b"logged in" not in shown:
        shown += os.read(near, 1024)
    assert process.wait(20) == 0
    os.close(near)
    assert token.encode() not in shown
    assert login.load() == login.Login(server[0], token)
