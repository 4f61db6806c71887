"""What the commands make of an answer that no Twinslot server gave, and of one that is hard to show."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from twinslot_sim.applications import app_image

Answer = tuple[int, bytes]
Foreign = Callable[[Callable[[str, str], Answer]], str]


@pytest.fixture
def foreign(monkeypatch) -> Iterator[Foreign]:
    """Starts a server that answers each request (method and path) as it is told; gives its address."""
    servers = []

    def start(answer: Callable[[str, str], Answer]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                while "chunked" in self.headers.get("Transfer-Encoding", "") and int(self.rfile.readline(), 16):
                    while self.rfile.readline() != b"\r\n":
                        pass
                status, body = answer(self.command, self.path)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - the names that http.server looks for

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("TWINSLOT_SERVER", address)
        monkeypatch.setenv("TWINSLOT_TOKEN", "x")
        return address

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "image"
    path.write_bytes(app_image("kettle", "1.1.0"))
    return path


BODIES = [b"", b"null", b"[]", b"{}", b'"ok"', b'{"items": 5, "total": "x"}', b'{"items": [{}], "total": 1}', b"<html>"]


@pytest.mark.parametrize("status", [200, 404])
@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize(
    "command",
    [
        ("account", "create", "workshop"),
        ("account", "list"),
        ("group", "create", "kitchen", "--app", "kettle"),
        ("group", "list"),
        ("group", "token", "g"),
        ("group", "show", "g"),
        ("group", "update", "g", "--poll", "60"),
        ("group", "tokens", "g"),
        ("group", "rotate", "g", "--grace", "0"),
        ("device", "list"),
        ("device", "show", "kettle-1"),
        ("device", "tag", "kettle-1"),
        ("device", "set", "kettle-1", "room=hall"),
        ("device", "move", "kettle-1", "g"),
        ("explain", "kettle-1"),
        ("filter", "create", "f"),
        ("filter", "list"),
        ("filter", "update", "f", "--percentage", "5"),
    ],
    ids=" ".join,
)
def test_answer_of_another_shape_exits_4_with_a_message(twinslot, foreign, command, body, status) -> None:
    address = foreign(lambda method, path: (status, body))
    result = twinslot(*command)
    assert (result.code, result.out) == (4, "")
    assert address in result.err and "Traceback" not in result.err


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"app": "kettle", "version": "1.1.0"}'])
@pytest.mark.parametrize("signed", [True, False])
def test_nothing_is_called_published_by_another_server(twinslot, foreign, image, publisher, body, signed) -> None:
    foreign(lambda method, path: (200, body if method == "POST" else b'{"last_sequence": 1}'))
    key = ("--key", publisher) if signed else ()
    result = twinslot("publish", image, "--app", "kettle", "--version", "1.1.0", *key)
    assert (result.code, result.out) == (4, "")


def test_simulated_board_is_not_made_by_another_server(twinslot, foreign, tmp_path) -> None:
    foreign(lambda method, path: (200, b'{"app": "kettle", "trusted": ["x"]}'))
    result = twinslot("sim", "--group", "g", "--token", "t", "--device", "b", "--flash", tmp_path / "flash")
    assert (result.code, result.out) == (4, "")
    assert not (tmp_path / "flash").exists()


def device(**fields: Any) -> dict[str, Any]:
    shown = ("id", "group", "group_name", "app", "version", "confirmed_version", "state")
    return {**dict.fromkeys(shown, "x"), "last_result": None, "last_seen_at": None, "events": [], **fields}


@pytest.mark.parametrize("words", ["[/red]", "[bold]kettle", ":smile:", "[link=http://x]x[/link]"])
def test_what_a_device_says_is_shown_literally(twinslot, foreign, words, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    result = {"event": "rolled_back", "version": words, "reason": words}
    known = device(app=words, version=words, last_result=result, events=[{"at": "now", **result, "sequence": 1}])
    explained = {"offer": {"version": words, "transfer": None}, "reason": words}
    explained["releases"] = [{"version": words, "sequence": 1, "offered": True, "reason": words}]
    bodies = {"devices": {"items": [known], "total": 1}, "kettle-1": known, "explain": explained}
    foreign(lambda method, path: (200, json.dumps(bodies[path.partition("?")[0].rpartition("/")[2]]).encode()))
    for command in (("device", "list"), ("device", "show", "kettle-1"), ("explain", "kettle-1")):
        result = twinslot(*command)
        assert (result.code, result.err) == (0, "")
        assert words in result.out


def test_what_a_device_says_does_not_move_the_cursor(twinslot, foreign) -> None:
    hostile = "\x1b]0;title\x07\x1b[2J\r"
    foreign(lambda method, path: (200, json.dumps(device(version=hostile)).encode()))
    result = twinslot("device", "show", hostile.replace("\r", ""))
    assert result.code == 0
    assert not {"\x1b", "\x07", "\r"} & set(result.out)
    foreign(lambda method, path: (404, json.dumps({"detail": hostile}).encode()))
    result = twinslot("device", "show", "kettle-1")
    assert result.code == 4 and "\x1b" not in result.err


@pytest.mark.parametrize(("taken", "code"), [(4, 0), (5, 4)])
def test_sequence_that_was_taken_meanwhile_is_signed_anew_up_to_5_times(
    twinslot, foreign, image, publisher, taken, code
) -> None:
    posts: list[str] = []
    last = 1

    def answer(method: str, path: str) -> Answer:
        nonlocal last
        if method == "GET":
            return 200, json.dumps({"last_sequence": last}).encode()
        posts.append(path)
        if len(posts) <= taken:
            last = max(last, int(time.time()) + 1000) + 1
            return 409, b'{"detail": "taken"}'
        release = {"app": "kettle", "version": "1.1.0", "sequence": 1, "sha256": "", "size": 1, "signed_by": ""}
        return 201, json.dumps(release).encode()

    foreign(answer)
    result = twinslot("publish", image, "--app", "kettle", "--version", "1.1.0", "--key", publisher, "--json")
    assert result.code == code
    assert len(posts) == 5


def test_other_conflict_is_not_tried_again(twinslot, foreign, image, publisher) -> None:
    posts = []

    def answer(method: str, path: str) -> Answer:
        if method == "GET":
            return 200, b'{"last_sequence": 1}'
        posts.append(path)
        return 409, b'{"detail": "kettle 1.1.0 exists already"}'

    foreign(answer)
    result = twinslot("publish", image, "--app", "kettle", "--version", "1.1.0", "--key", publisher)
    assert (result.code, len(posts)) == (4, 1)
    assert "exists already" in result.err


@pytest.mark.parametrize(
    ("base", "what"), [(None, "at most 4321 bytes\n"), ("ab" * 32, "4321 bytes: what the image that it runs lacks\n")]
)
def test_explain_says_how_much_a_device_downloads(twinslot, foreign, base, what) -> None:
    offer = {"version": "1.1.0", "transfer": {"size": 4321, "base": base}}
    explained = {"offer": offer, "reason": "it is the highest", "releases": []}
    foreign(lambda method, path: (200, json.dumps(explained).encode()))
    result = twinslot("explain", "kettle-1")
    assert result.code == 0
    assert f"it downloads {what}" in result.out


def test_chip_and_format_of_a_device_are_named(twinslot, foreign) -> None:
    foreign(lambda method, path: (200, json.dumps(device(chip=9, mpy=0x2B06, bundle="ab")).encode()))
    words = twinslot("device", "show", "kettle-1").out
    assert "ESP32-S3" in words and "6.3 xtensawin" in words
    assert twinslot("device", "show", "kettle-1", "--json").document["chip"] == 9
    foreign(lambda method, path: (200, json.dumps(device(chip=[], mpy="x")).encode()))
    assert twinslot("device", "show", "kettle-1").code == 0
