"""The `twinslot` command run in this process, and a real server for it to talk to."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from twinslot_tools import cli


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output, which must be one JSON document."""
        return json.loads(self.out)


Twinslot = Callable[..., Result]


@pytest.fixture
def twinslot(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Twinslot:
    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["twinslot", *(str(argument) for argument in arguments)])
        capsys.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return run


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The developer's own environment and login do not reach the tests."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
    for name in ("TWINSLOT_SERVER", "TWINSLOT_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address and the data directory of a server that runs as a user would run it."""
    data = tmp_path_factory.mktemp("server") / "data"
    process = subprocess.Popen(
        [sys.executable, "-m", "twinslot_tools", "serve", "--data", str(data), "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("listening on ")
    yield line.removeprefix("listening on ").strip(), data
    process.terminate()
    assert process.wait(20) == 0
    process.stdout.close()


@pytest.fixture
def signed_in(server: tuple[str, Path], twinslot: Twinslot, monkeypatch: pytest.MonkeyPatch) -> str:
    """The environment names the server and has its token; the address is given."""
    address, data = server
    monkeypatch.setenv("TWINSLOT_SERVER", address)
    monkeypatch.setenv("TWINSLOT_TOKEN", twinslot("token", "--data", data).out.strip())
    return os.environ["TWINSLOT_SERVER"]


@pytest.fixture(scope="session")
def publisher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A publisher's private key; its public half lies beside it."""
    from twinslot_tools.signing import make_key

    key = tmp_path_factory.mktemp("publisher") / "publisher.pem"
    make_key(key)
    return key
