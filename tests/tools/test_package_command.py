"""`twinslot package` against a real server, and a simulated board that has what it says."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from twinslot_sim.vfs import read_file

UNKNOWN = "678edc16-96d1-4ea2-a99c-0474c2449381"
DEVICE = "stove-1"
FILES = {"heater/__init__.py": b"from .core import heat\n", "heater/core.py": b"heat = 1\n"}


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole ids stand in one line of a table."""
    monkeypatch.setenv("COLUMNS", "240")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A package whose `package.json` names some of what lies beside it."""
    made = tmp_path / "package"
    (made / "src").mkdir(parents=True)
    (made / "init.py").write_bytes(FILES["heater/__init__.py"])
    (made / "src" / "core.py").write_bytes(FILES["heater/core.py"])
    (made / "notes.txt").write_bytes(b"not in it\n")
    urls = [["heater/__init__.py", "init.py"], ["heater/core.py", "src/core.py"]]
    (made / "package.json").write_text(json.dumps({"urls": urls, "version": "1.0"}))
    return made


@pytest.fixture
def flash(twinslot, signed_in, tmp_path: Path) -> Iterator[Path]:
    """Of a simulated board, which waits for something to do."""
    group = twinslot("group", "create", "stoves", "--app", "stove", "--json").document
    whose = ("--group", group["id"], "--token", group["token"], "--device", DEVICE)
    lies = tmp_path / "flash"
    board = (*whose, "--flash", str(lies), "--wait", "60", "--timeout", "600")
    command = [sys.executable, "-m", "twinslot_tools", "sim", *board]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ)
    deadline = time.monotonic() + 90
    while (shown := twinslot("device", "show", DEVICE, "--json")).code or not shown.document["connected"]:
        assert process.poll() is None and time.monotonic() < deadline, shown
        time.sleep(0.1)
    yield lies
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


def installed(twinslot) -> Any:
    """The packages that the board tells of when it is asked."""
    told = twinslot("package", "installed", DEVICE, "--json").document
    assert "reportedOn" not in told
    return told["devicePackage"]


def uploaded(twinslot) -> list[str]:
    """The ids of the packages on the server."""
    return [each["id"] for each in twinslot("package", "list", "--json").document["items"]]


def test_package_is_uploaded_installed_told_uninstalled_and_deleted(twinslot, folder, flash) -> None:
    made = twinslot("package", "upload", folder, "--name", "heater", "--version", "1.0", "--json").document
    sizes = [(each["path"], each["size"]) for each in made["files"]]
    assert sizes == [(path, len(content)) for path, content in FILES.items()]
    assert made["id"] in uploaded(twinslot)
    assert made["id"] in twinslot("package", "list").out

    install = ("package", "install", DEVICE, "package:heater", "--version", "1.0", "--wait")
    done = twinslot(*install, "--json")
    assert (done.code, done.document["state"], done.document["progress"]) == (0, "succeeded", 100)
    modules = {"bundleInfo": [{"name": "heater", "version": "1.0"}]}
    assert installed(twinslot) == [{"name": "heater", "version": "1.0", "bundleInfos": modules}]
    assert "heater" in twinslot("package", "installed", DEVICE).out
    copy = shutil.copy(flash, flash.with_suffix(".look"))
    assert {path: read_file(copy, f"/packages/heater/1.0/{path}") for path in FILES} == FILES

    uninstall = ("package", "uninstall", DEVICE, "heater", "1.0", "--wait")
    assert twinslot(*uninstall).err.splitlines()[-1] == "succeeded"
    assert installed(twinslot) == []
    assert f"{DEVICE} has no packages" in twinslot("package", "installed", DEVICE).out
    again = twinslot(*uninstall)
    assert (again.code, again.out) == (1, "")
    assert f"{DEVICE}: failed: heater 1.0 is not installed" in again.err

    assert twinslot("package", "delete", made["id"], "--json").document == {"deleted": made["id"]}
    assert made["id"] not in uploaded(twinslot)
    assert twinslot(*install).code == 4


def test_package_of_that_name_and_version_is_not_uploaded_again(twinslot, signed_in, folder) -> None:
    upload = ("package", "upload", folder / "init.py", "--name", "twice", "--version", "1", "--json")
    assert [each["path"] for each in twinslot(*upload).document["files"]] == ["init.py"]
    again = twinslot(*upload)
    assert (again.code, again.out, "exists already" in again.err) == (4, "", True)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", 'no "urls"'),
        ("[]", 'no "urls"'),
        ('{"urls": [["a.py"]]}', 'no "urls"'),
        ('{"urls": []}', "1 to 64 files"),
        ('{"urls": [["a.py", "../a.py"]]}', "no file beside it"),
        ('{"urls": [["a.py", "http://packages.example/a.py"]]}', "no file beside it"),
        ('{"urls": [["a.py", "absent.py"]]}', "no such file"),
        ('{"urls": [["ä.py", "init.py"]]}', "no path for a board"),
        ('{"urls": [["a.py", "init.py"]], "deps": [["b", "latest"]]}', '"deps"'),
    ],
)
def test_package_json_that_is_no_good_exits_3(twinslot, signed_in, folder, content, words) -> None:
    (folder / "package.json").write_text(content)
    result = twinslot("package", "upload", folder, "--name", "bad", "--version", "1", "--json")
    assert (result.code, result.out, words in result.err) == (3, "", True), result.err
    assert " bad " not in twinslot("package", "list").out  # as a cell: ids have hex digits


def test_what_is_not_there_or_too_large_exits_3(twinslot, signed_in, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "large.py").write_bytes(b"#" * ((1 << 20) + 1))
    for name in ("absent", "empty", "large.py"):
        result = twinslot("package", "upload", tmp_path / name, "--name", "bad", "--version", "1")
        assert (result.code, result.out, name in result.err) == (3, "", True), result.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("delete", UNKNOWN),
        ("install", "nobody", "http://packages.example/x.py", "--name", "x", "--version", "1", "--wait"),
        ("install", "nobody", "ftp://packages.example/x.py", "--name", "x", "--version", "1"),
        ("install", "nobody", "http://[::1]/x.py", "--name", "x", "--version", "1"),
        ("install", "nobody", "http://packages.example/x.py", "--name", "x", "--version", "a b"),
        ("install", "nobody", "http://packages.example/x.py", "--name", "x", "--version", "1", "--hash", "MD5:0"),
        ("uninstall", "nobody", "x", "1", "--wait"),
        ("installed", "nobody"),
    ],
    ids=" ".join,
)
def test_what_the_server_refuses_exits_4(twinslot, signed_in, arguments) -> None:
    result = twinslot("package", *arguments, "--json")
    assert (result.code, result.out) == (4, "")
    assert result.err
