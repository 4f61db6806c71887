"""Jobs and packages: what a device is sent and tells, and `--wait` when the server is busy, starts anew or is away, and
when somebody presses Ctrl-C."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from twinslot_tools import watching

from ..host.clients import Board, Server, held_port

DEVICE = "board-1"
INSTALL = ("package", "install", DEVICE, "http://packages.example/x.py", "--name", "x", "--version", "1", "--wait")
SUBMIT = ("job", "submit", "--device", DEVICE, "--wait", "ls /")
BOTH = pytest.mark.parametrize("command", [SUBMIT, INSTALL], ids=["job", "package"])
PATIENCE_S = 90


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server of the test's own, which the environment names; nobody else can take its port while it is away."""
    with held_port() as port:
        server = Server(tmp_path / "data", port=port.getsockname()[1])
        monkeypatch.setenv("TWINSLOT_SERVER", f"http://127.0.0.1:{server.port}")
        monkeypatch.setenv("TWINSLOT_TOKEN", server.token())
        yield server
        server.stop(signal.SIGKILL)


@pytest.fixture
def board(server: Server) -> Board:
    made = server.board(server.group(), DEVICE)
    made.inventory([])
    return made


@contextmanager
def beside(work: Callable[[], object]) -> Iterator[None]:
    """`work` is done in a thread meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(work)
        yield
        done.result(PATIENCE_S)


def succeed(board: Board) -> None:
    """The device has done the next operation of its queue."""
    assert board.tell(taken(board)).status == 200


def taken(board: Board) -> dict[str, Any]:
    """The next operation of the device's queue, which it waits for."""
    deadline = time.monotonic() + PATIENCE_S
    while (operation := board.work(wait=5)) is None:
        assert time.monotonic() < deadline
    return operation


class Door(ThreadingHTTPServer):
    """Before the server: the GETs whose numbers are in `busy` are answered 503, those in `cut` not at all, and those in
    `alone` as a proxy does behind which nobody answers."""

    def __init__(self, server: Server, busy: range = range(0), cut: range = range(0), alone: range = range(0)) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behind, self.busy, self.cut, self.alone = server, busy, cut, alone
        self.gets: list[float] = []


class Handler(BaseHTTPRequestHandler):
    server: Door

    def do_POST(self) -> None:
        self.forward(self.rfile.read(int(self.headers["Content-Length"])))

    def do_GET(self) -> None:
        number = len(self.server.gets)
        self.server.gets.append(time.monotonic())
        if number in self.server.busy:
            self.answer(503, b'{"detail": "too much to do"}', {"Retry-After": "1"})
        elif number in self.server.alone:
            self.answer(502 + 2 * (number % 2), b"<h1>Bad Gateway</h1>", {})
        elif number not in self.server.cut:
            self.forward(None)

    def forward(self, body: bytes | None) -> None:
        wanted = {name: value for name, value in self.headers.items() if name in ("Authorization", "Content-Type")}
        answer = self.server.behind.request(self.command, self.path, body, wanted)
        self.answer(answer.status, answer.body, {"Content-Type": answer.headers["Content-Type"]})

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def opened(door: Door, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment names the door in place of the server."""
    monkeypatch.setenv("TWINSLOT_SERVER", f"http://127.0.0.1:{door.server_port}")
    with door, beside(lambda: door.serve_forever(0.01)):
        try:
            yield
        finally:
            door.shutdown()


@contextmanager
def waiting(command: tuple[str, ...]) -> Iterator[subprocess.Popen[str]]:
    """The command as a process, which has told that the device has it in its queue."""
    words = [sys.executable, "-m", "twinslot_tools", *command]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ) as process:
        try:
            assert process.stderr is not None and "queued" in process.stderr.readline()
            yield process
        finally:
            process.kill()


@BOTH
def test_busy_server_is_asked_again_when_it_said(twinslot, server, board, monkeypatch, command) -> None:
    door = Door(server, busy=range(2))
    with opened(door, monkeypatch), beside(lambda: succeed(board)):
        result = twinslot(*command)
    assert result.code == 0, result.err
    assert all(door.gets[n + 1] - door.gets[n] >= 1 for n in door.busy)
    assert "goes on" not in result.err


@BOTH
def test_server_that_starts_anew_behind_a_proxy_is_waited_for(twinslot, server, board, monkeypatch, command) -> None:
    door = Door(server, alone=range(2))
    with opened(door, monkeypatch), beside(lambda: succeed(board)):
        result = twinslot(*command)
    assert result.code == 0, result.err
    assert len(door.gets) > 2


@BOTH
def test_server_that_starts_anew_is_waited_for(server, board, command) -> None:
    with waiting(command) as process:
        server.stop(signal.SIGKILL)
        with socket.create_server(("127.0.0.1", server.port)) as in_its_place:
            in_its_place.accept()[0].close()  # the command has asked in vain
        server.__init__(server.data, port=server.port)
        succeed(board)
        out, told = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, told
    assert "succeeded" in out + told


@pytest.mark.parametrize(("how", "said"), [("cut", "no answer from"), ("alone", "answered 50")])
@BOTH
def test_server_that_stays_away_exits_4_and_the_work_goes_on(
    twinslot, server, board, monkeypatch, command, how, said
) -> None:
    door = Door(server, **{how: range(1, 1000)})
    monkeypatch.setattr(watching, "AWAY_S", 2)
    monkeypatch.setattr(watching, "time", SimpleNamespace(monotonic=lambda: len(door.gets)))  # a second for each GET
    with opened(door, monkeypatch):
        result = twinslot(*command)
    assert (result.code, result.out) == (4, "")
    assert said in result.err and " goes on\n" in result.err
    assert len(door.gets) > watching.AWAY_S
    succeed(board)


@BOTH
def test_ctrl_c_ends_the_waiting_and_the_work_goes_on(server, board, command) -> None:
    with waiting(command) as process:
        process.send_signal(signal.SIGINT)
        out, told = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out) == (130, "")
    assert told.endswith(" goes on\n")
    succeed(board)


@BOTH
def test_device_that_runs_out_of_time_exits_1_and_it_is_told(twinslot, board, command) -> None:
    with beside(lambda: board.tell(taken(board), "timed out", reason="not over within 600 s")):
        result = twinslot(*command)
    assert result.code == 1
    assert f"{DEVICE}: timed out" in result.out + result.err and "not over within 600 s" in result.out + result.err
    assert "goes on" not in result.err


def test_reboot_delay_reaches_the_device_in_ms(twinslot, board) -> None:
    assert twinslot(*INSTALL[:-1], "--reboot", "--reboot-delay", "1500").code == 0
    order = board.work()
    assert order is not None
    assert (order["kind"], order["reboot"], order["reboot_delay"]) == ("install", True, 1500)


def test_inventory_over_8_kib_is_refused_and_what_was_known_is_still_shown(twinslot, server, board) -> None:
    few = [{"name": "heater", "version": "1.0", "modules": ["heater"]}]
    board.inventory(few)
    many = [{"name": f"package-{n:03}", "version": "1.0", "modules": [f"module_{n:03}"]} for n in range(200)]
    body = json.dumps({"digest": "f" * 16, "packages": many}).encode()
    assert len(body) > 8192
    assert board.send("POST", "/device/v1/inventory", body).status == 413
    shown = twinslot("package", "installed", DEVICE, "--timeout", "0.1", "--json").document
    assert [each["name"] for each in shown["devicePackage"]] == ["heater"]


def test_job_that_is_deleted_meanwhile_is_not_said_to_go_on(server, board) -> None:
    with waiting(SUBMIT) as process:
        (job,) = server.api("GET", "/jobs").json["items"]
        assert server.api("DELETE", f"/jobs/{job['id']}").status == 204
        _, told = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, "goes on" in told) == (4, False)
