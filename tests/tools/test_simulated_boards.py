"""`twinslot sim` and `twinslot fleet` against a real server."""

import json
import os
import secrets
import signal
import subprocess
import sys

import pytest

from twinslot_sim.applications import app_image
from twinslot_tools.simulation import is_confirmed

from ..host.clients import until

NOBODY = "http://127.0.0.1:1"


@pytest.fixture
def group(twinslot, signed_in):
    """A new group whose application is this test's own, so that releases do not meet."""
    app = f"app-{secrets.token_hex(8)}"
    return twinslot("group", "create", app, "--app", app, "--json").document


@pytest.fixture
def board(group, tmp_path):
    """The arguments that name a board of the group."""
    return (
        "--group",
        group["id"],
        "--token",
        group["token"],
        "--device",
        "b-" + group["id"],
        "--flash",
        tmp_path / "flash",
    )


def publish(twinslot, group, tmp_path, version: str) -> None:
    (tmp_path / "image").write_bytes(app_image("kettle", version, size_bytes=100_000))
    assert twinslot("publish", tmp_path / "image", "--app", group["app"], "--version", version).code == 0


def test_fresh_board_runs_the_factory_version(twinslot, board, group, tmp_path) -> None:
    result = twinslot("sim", *board, "--until", "1.0.0", "--timeout", 60, "--json")
    assert result.code == 0
    assert result.document["version"] == "1.0.0" and result.document["confirmed"] is True
    assert set(result.document) == {"device", "version", "confirmed", "boots", "flash_ops", "flash_busy_ms", "port"}
    assert group["token"].encode() not in (tmp_path / "flash").read_bytes()


def test_console_begins_with_the_serial_port(twinslot, board) -> None:
    result = twinslot("sim", *board, "--until", "1.0.0", "--timeout", 60)
    assert result.code == 0
    assert result.out.startswith("serial port: /dev/")
    assert "I boot: Loaded app" in result.out


def test_published_version_is_taken_and_confirmed(twinslot, board, group, tmp_path) -> None:
    publish(twinslot, group, tmp_path, "1.1.0")
    result = twinslot("sim", *board, "--until", "1.1.0", "--timeout", 120, "--json")
    assert (result.code, result.document["version"], result.document["boots"]) == (0, "1.1.0", 2)
    known = twinslot("device", "show", "b-" + group["id"], "--json").document
    assert (known["confirmed_version"], known["last_result"]["event"]) == ("1.1.0", "confirmed")


def test_power_cut_at_an_operation_is_survived(twinslot, board, group, tmp_path) -> None:
    publish(twinslot, group, tmp_path, "1.1.0")
    arguments = ("--until", "1.1.0", "--timeout", 120, "--power-cut-at-op", 200, "--keep-bytes", 7, "--json")
    result = twinslot("sim", *board, *arguments)
    assert (result.code, result.document["version"]) == (0, "1.1.0")
    assert result.document["boots"] >= 3


def test_flash_that_exists_boots_without_a_server(twinslot, board) -> None:
    assert twinslot("sim", *board, "--until", "1.0.0", "--timeout", 60).code == 0
    again = twinslot("sim", *board, "--until", "1.0.0", "--timeout", 60, "--server", NOBODY, "--json")
    assert (again.code, again.document["version"]) == (0, "1.0.0")


def test_version_that_never_comes_exits_1_with_the_document(twinslot, board) -> None:
    assert twinslot("sim", *board, "--until", "1.0.0", "--timeout", 60).code == 0
    result = twinslot("sim", *board, "--until", "9.9.9", "--timeout", 2, "--json")
    assert (result.code, result.document["confirmed"]) == (1, False)
    assert "9.9.9" in result.err


@pytest.mark.parametrize("address", ["the server", NOBODY])
def test_board_that_cannot_be_provisioned_exits_4_and_leaves_no_flash(twinslot, group, tmp_path, address) -> None:
    flash = tmp_path / "flash"
    server = () if address == "the server" else ("--server", address)
    arguments = ("--group", group["id"], "--token", "x" * 32, "--device", "stranger", "--flash", flash)
    result = twinslot("sim", *arguments, "--timeout", 10, *server, "--json")
    assert (result.code, result.out) == (4, "")
    assert not flash.exists()


def test_board_from_the_shop_needs_no_group_and_has_nothing_but_a_prompt(twinslot, tmp_path) -> None:
    printed = tmp_path / "printed"
    command = [sys.executable, "-m", "twinslot_tools", "sim", "--flash", str(tmp_path / "flash"), "--timeout", "90"]
    with printed.open("w") as file, subprocess.Popen(command, stdout=file) as process:
        until(lambda: 'Type "help()" for more information.' in printed.read_text(), 60)
        process.terminate()
    assert (process.returncode, "twinslot" in printed.read_text()) == (0, False)
    again = twinslot("sim", "--flash", tmp_path / "flash", "--timeout", 1, "--json")
    assert (again.code, again.document["device"], again.document["version"]) == (0, None, None)


def test_slots_of_a_flash_that_is_there_stay_and_that_is_said(twinslot, tmp_path) -> None:
    for slots, says in (((), True), (("--one-slot",), False)):
        flash = ("--flash", tmp_path / f"flash-{len(slots)}", "--timeout", 1, "--json")
        assert twinslot("sim", *flash, *slots).code == 0
        again = twinslot("sim", *flash, "--one-slot")
        assert (again.code, "keeps its two slots" in again.err) == (0, says)


def test_file_that_is_no_flash_exits_3_and_is_not_touched(twinslot, board, tmp_path) -> None:
    (tmp_path / "flash").write_bytes(b"precious")
    result = twinslot("sim", *board, "--timeout", 10, "--json")
    assert (result.code, result.out) == (3, "")
    assert (tmp_path / "flash").read_bytes() == b"precious"


def test_missing_micropython_exits_5(twinslot, board, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("MICROPYTHON", "/nowhere/micropython")
    result = twinslot("sim", *board, "--timeout", 10)
    assert (result.code, result.out) == (5, "")
    assert not (tmp_path / "flash").exists()


def test_sigterm_switches_the_board_off_and_exits_0(board, signed_in) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "twinslot_tools", "sim", *map(str, board), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    assert process.stderr is not None
    assert any("settled" in line for line in process.stderr)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert json.loads(out)["version"] == "1.0.0"


def test_fleet_updates_and_leaves_nothing(twinslot, group, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    publish(twinslot, group, tmp_path, "1.1.0")
    arguments = ("--group", group["id"], "--token", group["token"], "--count", 2, "--prefix", group["id"] + "-")
    result = twinslot("fleet", *arguments, "--until", "1.1.0", "--timeout", 120, "--json")
    assert (result.code, result.document["confirmed"]) == (0, 2)
    assert [device["version"] for device in result.document["devices"]] == ["1.1.0", "1.1.0"]
    assert list((tmp_path / "temporary").iterdir()) == []


def test_fleet_keeps_its_flash_files_when_told_where(twinslot, group, tmp_path) -> None:
    arguments = ("--group", group["id"], "--token", group["token"], "--count", 2, "--prefix", group["id"] + "-")
    result = twinslot("fleet", *arguments, "--until", "1.0.0", "--timeout", 60, "--dir", tmp_path / "boards")
    assert result.code == 0
    assert f"{group['id']}-1: keeps 1.0.0 (confirmed)" in result.out
    kept = {path.name for path in (tmp_path / "boards").iterdir()}
    assert {f"{group['id']}-1.flash", f"{group['id']}-2.flash"} <= kept


@pytest.mark.parametrize(
    ("trial", "report", "confirmed"),
    [(None, None, True), ({"version": "1.2.0"}, None, False), (None, {"event": "confirmed"}, False)],
    ids=["settled", "on trial", "not reported yet"],
)
def test_version_counts_as_confirmed_when_nothing_is_pending(trial, report, confirmed) -> None:
    record = {"confirmed": {"version": "1.1.0"}, "trial": trial, "report": report}
    assert is_confirmed(record, "1.1.0") is confirmed
    assert not is_confirmed(record, "1.2.0")
    assert not is_confirmed(None, "1.1.0")
