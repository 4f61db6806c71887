"""`twinslot workflow` and `twinslot job` against a real server, and devices that do what they are told."""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from twinslot_tools import jobs

from ..host.clients import Board, Server

UNKNOWN = "678edc16-96d1-4ea2-a99c-0474c2449381"


@pytest.fixture(autouse=True)
def wide(monkeypatch) -> None:
    """Whole ids stand in one line of a table."""
    monkeypatch.setenv("COLUMNS", "240")


class Beside(Server):
    """The server that the commands talk to, for a device that speaks by hand."""

    def __init__(self, address: str, data: Path) -> None:
        self.data, self.port = data, int(address.rpartition(":")[2])


@pytest.fixture
def board(server, signed_in) -> Board:
    """A device of a group of its own, with a tag of its own."""
    beside = Beside(*server)
    made = Board(beside, beside.group(), f"board-{secrets.token_hex(4)}", {})
    made.inventory([])
    assert beside.api("PATCH", f"/devices/{made.device}", {"tags": [f"{made.device}-tag"]}).status == 200
    return made


@contextmanager
def working(board: Board, *outcomes: dict[str, Any]) -> Iterator[None]:
    """The device does as many operations as there are outcomes, each of which becomes that."""

    def work() -> None:
        for outcome in outcomes:
            while (operation := board.work(wait=5)) is None:
                pass
            board.tell(operation, **outcome)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield
    thread.join(60)
    assert not thread.is_alive()


def test_workflow_is_made_listed_shown_and_deleted(twinslot, signed_in) -> None:
    made = twinslot("workflow", "create", "look", "ls -l /", "--json").document
    assert (made["name"], made["command"]) == ("look", "ls -l /")
    assert made in twinslot("workflow", "list", "--json").document["items"]
    assert made["id"] in twinslot("workflow", "list").out
    assert twinslot("workflow", "show", made["id"], "--json").document == made
    assert "ls -l /" in twinslot("workflow", "show", made["id"]).out
    assert twinslot("workflow", "delete", made["id"], "--json").document == {"deleted": made["id"]}
    gone = twinslot("workflow", "show", made["id"])
    assert (gone.code, gone.out, made["id"] in gone.err) == (4, "", True)


def test_job_is_submitted_listed_shown_and_cancelled(twinslot, board) -> None:
    made = twinslot("job", "submit", "--device", board.device, "df", "--timeout", "5", "--json").document
    assert (made["name"], made["command"], made["timeout"], made["target_name"]) == ("df", "df", 5, board.device)
    assert twinslot("job", "list", "--json").document["items"][0] == made
    assert f"device {board.device}" in twinslot("job", "list").out
    shown = twinslot("job", "show", made["id"], "--json").document
    assert (shown.items() >= made.items(), [each["state"] for each in shown["children"]]) == (True, ["queued"])
    assert f"{board.device}: queued\n" in twinslot("job", "show", made["id"]).out
    assert twinslot("job", "cancel", made["id"]).out == f"cancelled job {made['id']}\n"
    assert (twinslot("job", "cancel", made["id"]).code, board.work()) == (4, None)


def test_submitting_makes_the_job_plain_without_waiting(twinslot, board) -> None:
    out = twinslot("job", "submit", "--tag", f"{board.device}-tag", "ls /", "--name", "look").out
    assert all(word in out for word in ("job look", f"tag {board.device}-tag", "ls /", "1 queued"))


@pytest.mark.parametrize("target", ["--device", "--group", "--tag"])
def test_waiting_ends_with_what_each_device_printed(twinslot, board, target) -> None:
    whom = {"--device": board.device, "--group": board.group, "--tag": f"{board.device}-tag"}
    with working(board, {"output": "one\ntwo\n", "exit_code": 0}):
        result = twinslot("job", "submit", target, whom[target], "--wait", "ls /")
    assert (result.code, result.out) == (0, f"{board.device}: succeeded\none\ntwo\n")
    assert result.err.splitlines()[-1] == "1 succeeded"


def test_waiting_for_a_job_that_fails_exits_1_and_says_how_it_failed(twinslot, board) -> None:
    failed = {"state": "failed", "output": "half\n", "errors": "no such verb\n", "exit_code": 127, "cut": True}
    failed["reason"] = "exit code 127"
    with working(board, failed):
        result = twinslot("job", "submit", "--device", board.device, "--wait", "boil")
    first = f"{board.device}: failed, exit code 127, some of what it printed is lost\n"
    assert (result.code, result.out) == (1, f"{first}half\nno such verb\n")
    assert "1 of 1 devices did not succeed" in result.err


def test_waiting_with_json_prints_one_document_with_the_children(twinslot, board) -> None:
    workflow = twinslot("workflow", "create", "boil", "boil", "--json").document["id"]
    with working(board, {"state": "failed", "reason": "dry"}):
        result = twinslot("job", "submit", "--device", board.device, "--workflow", workflow, "--wait", "--json")
    assert (result.code, result.document["name"], result.document["workflow"]) == (1, workflow, workflow)
    assert [(each["state"], each["reason"]) for each in result.document["children"]] == [("failed", "dry")]


def test_job_for_a_group_without_devices_is_over_at_once(twinslot, signed_in) -> None:
    group = twinslot("group", "create", "nobody here", "--app", "lamp", "--json").document["id"]
    result = twinslot("job", "submit", "--group", group, "--wait", "date")
    assert (result.code, result.out, "no devices" in result.err) == (0, "", True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("job", "submit", "--device", "nobody", "date", "--wait"),
        ("job", "submit", "--tag", "nothing", "date"),
        ("job", "submit", "--device", "nobody", "--workflow", UNKNOWN),
        ("job", "submit", "--device", "nobody", ""),
        ("job", "show", UNKNOWN),
        ("workflow", "delete", UNKNOWN),
        ("workflow", "create", "", "date"),
    ],
    ids=" ".join,
)
def test_what_the_server_refuses_exits_4(twinslot, signed_in, arguments) -> None:
    result = twinslot(*arguments, "--json")
    assert (result.code, result.out) == (4, "")
    assert result.err


def test_nothing_that_a_device_printed_moves_the_cursor(capsys) -> None:
    child = {"device": "a", "state": "failed", "exit_code": 1, "reason": "\x1b[1A", "cut": False}
    jobs.say_children({"children": [child | {"output": "one\x1b[2J\r\n", "errors": "two\x07"}]})
    out = capsys.readouterr().out
    assert [each for each in out if not each.isprintable()] == ["\n"] * out.count("\n")
    assert ("one" in out, "two" in out) == (True, True)
