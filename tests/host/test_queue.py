"""A device's queue, as whoever manages it and the device see it: one operation at a time, in order, each told once."""

import secrets
import sqlite3

import pytest

from .clients import NO_PACKAGES, Server, until
from .samples import make_image

UNKNOWN = "00000000-0000-4000-8000-000000000000"


class Queue:
    """A board that takes operations, and its queue on our own API."""

    def __init__(self, server: Server) -> None:
        self.server, self.device = server, f"board-{secrets.token_hex(4)}"
        self.group = server.group()
        self.board = server.board(self.group, self.device)
        self.board.inventory([], NO_PACKAGES)

    def submit(self, command: str = "date", timeout_s: int = 60) -> str:
        """A command's id; a job for one device has one operation."""
        body = {"name": "job", "command": command, "device": self.device, "timeout": timeout_s}
        answer = self.server.api("POST", "/jobs", body)
        assert answer.status == 201, answer.body
        return self.listed()[-1]["id"]

    def install(self, uri: str, **fields) -> str:
        body = {"uri": uri, "name": "heater", "version": "1.0"} | fields
        path = f"/v1/_/devices/{self.device}/packages/_download"
        answer = self.server.say("POST", path, body, self.server.token())
        assert answer.status == 200, answer.body
        return answer.json["operationId"]

    def listed(self, query: str = "") -> list[dict]:
        answer = self.server.api("GET", f"/devices/{self.device}/queue{query}")
        assert answer.status == 200, answer.body
        return answer.json["items"]

    def shown(self, operation: str) -> dict:
        answer = self.server.api("GET", f"/operations/{operation}")
        assert answer.status == 200, answer.body
        return answer.json

    def cancel(self, operation: str) -> dict:
        answer = self.server.api("POST", f"/operations/{operation}/cancel")
        assert answer.status == 200, answer.body
        return answer.json

    def states(self) -> list[str]:
        return [each["state"] for each in self.listed()]


@pytest.fixture
def queue(shared) -> Queue:
    return Queue(shared)


def sql(server: Server, text: str, *values) -> list[tuple]:
    with sqlite3.connect(server.data / "twinslot.db", timeout=30) as db:
        return db.execute(text, values).fetchall()


def test_operations_go_out_one_at_a_time_in_the_order_of_submission(queue):
    ids = [queue.submit(f"echo {number}") for number in range(3)]
    for number, each in enumerate(ids):
        sent = queue.board.work()
        assert sent == {"id": each, "attempt": 1, "kind": "command", "timeout": 60, "command": f"echo {number}"}
        state = ("failed", "succeeded", "timed out")[number]
        assert queue.board.tell(sent, state, output=f"{number}\n", exit_code=number).json == {"stop": False}
    assert queue.board.work() is None
    assert queue.states() == ["failed", "succeeded", "timed out"]
    last = queue.shown(ids[2])
    assert (last["output"], last["exit_code"], last["attempt"], last["stopping"]) == ("2\n", 2, 1, False)
    assert last["created_at"] <= last["started_at"] <= last["ended_at"]


def test_running_operation_keeps_what_each_part_prints_once(queue):
    operation = queue.submit()
    sent = queue.board.work()
    for _ in range(2):
        queue.board.tell(sent, "running", 0, output="one\n", errors="oh\n", progress=10)
    queue.board.tell(sent, "running", 1, output="two\x1b[2J\n")
    shown = queue.shown(operation)
    assert (shown["state"], shown["output"], shown["errors"]) == (
        "running",
        "one\ntwo\N{REPLACEMENT CHARACTER}[2J\n",
        "oh\n",
    )
    assert (shown["progress"], shown["ended_at"], shown["cut"]) == (10, None, False)
    queue.board.tell(sent, "succeeded", 2, output="three", cut=True, exit_code=0)
    shown = queue.shown(operation)
    assert (shown["state"], shown["output"][-5:], shown["cut"]) == ("succeeded", "three", True)


def test_outcome_counts_even_with_a_part_that_is_known_and_nothing_counts_after_it(queue):
    operation = queue.submit()
    sent = queue.board.work()
    queue.board.tell(sent, "running", 0, output="one")
    assert queue.board.tell(sent, "failed", 0, output="one", reason="it broke", exit_code=1).json == {"stop": False}
    over = queue.shown(operation)
    assert (over["state"], over["output"], over["reason"], over["exit_code"]) == ("failed", "one", "it broke", 1)
    for state in ("running", "succeeded"):
        assert queue.board.tell(sent, state, 1, output="more").json == {"stop": True}
    assert queue.shown(operation) == over


def test_output_is_kept_up_to_16_kib_and_then_marked_as_cut(queue):
    operation = queue.submit()
    sent = queue.board.work()
    for part in range(10):
        queue.board.tell(sent, "running", part, output="é" * 1024 if part else "x")
    shown = queue.shown(operation)
    assert (shown["output"], shown["errors"], shown["cut"]) == ("x" + "é" * 8191, "", True)
    queue.board.tell(sent, "succeeded", 16, errors="y" * 1024)
    assert queue.shown(operation)["errors"] == "y" * 1024


def test_device_that_lost_an_operation_gets_it_four_times_and_then_the_next(queue):
    lost, following = queue.submit(), queue.submit()
    for attempt in range(1, 5):
        sent = queue.board.work()
        assert (sent["id"], sent["attempt"]) == (lost, attempt)
        queue.board.tell(sent, "running", output=f"attempt {attempt}", progress=attempt)
        early = sent | {"attempt": attempt - 1}
        if attempt > 1:
            assert queue.board.tell(early, "succeeded", 9).json == {"stop": True}
        assert queue.shown(lost)["output"] == f"attempt {attempt}"
    assert queue.board.work()["id"] == following
    over = queue.shown(lost)
    assert (over["state"], over["reason"]) == ("failed", "the device vanished in it 4 times")
    assert queue.states() == ["failed", "sent"]


def test_operation_goes_out_only_to_a_board_that_can_take_it(queue):
    operation = queue.submit()
    queue.board.told.pop("inventory")
    assert queue.board.check().status == 204
    assert queue.board.work(inventory=NO_PACKAGES, state="trial") is None
    assert queue.shown(operation)["state"] == "queued"
    assert queue.board.work(state="safe")["id"] == operation
    assert queue.board.work(state="trial") is None
    assert (queue.shown(operation)["state"], queue.shown(operation)["attempt"]) == ("sent", 1)


def test_cancelled_operation_never_goes_out_and_one_that_is_out_is_to_stop(queue):
    running, waiting = queue.submit(), queue.submit()
    sent = queue.board.work()
    assert (queue.cancel(waiting)["state"], queue.cancel(running)["state"]) == ("cancelled", "sent")
    assert queue.shown(running)["stopping"] is True
    assert queue.board.tell(sent, "running").json == {"stop": True}
    assert queue.board.tell(sent, "cancelled", 1, output="stopped").json == {"stop": True}
    assert (queue.states(), queue.shown(running)["output"]) == (["cancelled", "cancelled"], "stopped")
    assert queue.cancel(running) == queue.shown(running)
    assert queue.board.work() is None
    for each in (running, waiting):
        (line,) = queue.server.api("GET", f"/audit?subject=operation:{each}").json["items"]
        assert (line["action"], line["detail"]) == ("operation.cancel", {"device": queue.device})


def test_cancelled_operation_that_the_device_lost_is_not_sent_again(queue):
    operation = queue.submit()
    queue.board.work()
    queue.cancel(operation)
    assert queue.board.work() is None
    assert queue.states() == ["cancelled"]


def test_operation_whose_time_is_over_is_timed_out_and_its_device_is_told_to_stop(start):
    server = start(bounds={"HELD_SWEEP_S": 0.05})
    queue = Queue(server)
    late, cancelled, due = queue.submit(timeout_s=1), queue.submit(timeout_s=1), queue.submit(timeout_s=3600)
    sent = queue.board.work()
    sql(server, "UPDATE operations SET started_at_ms = started_at_ms - 61001 WHERE id = ?", late)
    until(lambda: queue.shown(late)["state"] == "timed out")
    assert queue.board.tell(sent, "running").json == {"stop": True}
    queue.board.work()
    queue.cancel(cancelled)
    sql(server, "UPDATE operations SET started_at_ms = started_at_ms - 61001 WHERE id = ?", cancelled)
    until(lambda: queue.shown(cancelled)["state"] == "cancelled")
    queue.board.work()
    sql(server, "UPDATE operations SET started_at_ms = started_at_ms - 61001 WHERE id = ?", due)
    other = Queue(server)
    swept = other.submit(timeout_s=1)
    other.board.work()
    sql(server, "UPDATE operations SET started_at_ms = started_at_ms - 61001 WHERE id = ?", swept)
    until(lambda: other.shown(swept)["state"] == "timed out")
    assert queue.states() == ["timed out", "cancelled", "sent"]


def test_operation_that_is_late_at_a_check_in_is_timed_out_and_the_next_goes_out(queue):
    late, following = queue.submit(timeout_s=1), queue.submit()
    queue.board.work()
    sql(queue.server, "UPDATE operations SET started_at_ms = started_at_ms - 61001 WHERE id = ?", late)
    assert queue.board.work()["id"] == following
    assert queue.states() == ["timed out", "sent"]


def test_another_devices_report_changes_nothing(queue):
    operation = queue.submit()
    sent = queue.board.work()
    other = Queue(queue.server).board
    assert other.tell(sent).json == {"stop": True}
    assert other.tell(sent | {"id": UNKNOWN}).json == {"stop": True}
    assert queue.shown(operation)["state"] == "sent"


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "queued"},
        {"attempt": 0},
        {"part": -1},
        {"output": "x" * 1025},
        {"errors": None},
        {"cut": 1},
        {"progress": 101},
        {"exit_code": 1 << 31},
        {"reason": "x" * 201},
        {"id": "x"},
        {"more": 1},
    ],
)
def test_wrong_report_is_refused_and_changes_nothing(queue, fields):
    operation = queue.submit()
    sent = queue.board.work()
    state = fields.pop("state", "running")
    assert queue.board.tell(sent, state, **fields).status == 400
    assert queue.shown(operation)["state"] == "sent"


def test_deleted_devices_operations_are_cancelled_and_stay_readable(queue):
    ran, out, waiting = queue.submit(), queue.install("http://anna:secret@example.org/heater.py"), queue.submit()
    queue.board.tell(queue.board.work())
    queue.board.work()
    assert queue.server.api("DELETE", f"/devices/{queue.device}").status == 204
    shown = [queue.shown(each) for each in (ran, out, waiting)]
    assert [each["state"] for each in shown] == ["succeeded", "cancelled", "cancelled"]
    assert shown[1]["reason"] == "the device was deleted"
    assert shown[1]["request"]["uri"] == "http://***@example.org/heater.py"
    assert "secret" not in str(sql(queue.server, "SELECT request FROM operations WHERE id = ?", out))
    assert queue.board.work() is None
    assert queue.listed() == []


def test_credentials_in_a_uri_reach_the_device_alone_and_are_gone_when_it_is_over(queue):
    uri = "https://anna:secret@example.org/heater.py"
    operation = queue.install(uri)
    shown = queue.server.api("GET", f"/operations/{operation}").body + queue.server.api("GET", "/audit").body
    sent = queue.board.work()
    shown += queue.server.api("GET", f"/devices/{queue.device}/queue").body
    assert (sent["uri"], sent["kind"], b"secret" in shown) == (uri, "install", False)
    queue.board.tell(sent)
    kept = sql(queue.server, "SELECT request FROM operations WHERE id = ?", operation)
    assert ("secret" in str(kept), queue.shown(operation)["state"]) == (False, "succeeded")


def test_queue_lists_a_page_a_state_or_what_is_not_over(queue):
    ids = [queue.submit() for _ in range(4)]
    queue.board.tell(queue.board.work())
    queue.board.work()
    assert [each["id"] for each in queue.listed("?offset=1&limit=2")] == ids[1:3]
    assert [each["id"] for each in queue.listed("?state=sent")] == ids[1:2]
    assert [each["id"] for each in queue.listed("?over=false")] == ids[1:]
    assert [each["id"] for each in queue.listed("?over=true")] == ids[:1]
    assert queue.server.api("GET", f"/devices/{queue.device}/queue?state=done").status == 400
    assert "output" not in queue.listed()[0]


def test_full_queue_takes_nothing_more_and_says_whose_it_is(queue):
    first = queue.submit()
    ((device, account),) = sql(queue.server, "SELECT device_id, account_id FROM operations WHERE id = ?", first)
    with sqlite3.connect(queue.server.data / "twinslot.db", timeout=30) as db:
        db.executemany(
            "INSERT INTO operations (id, account_id, device_id, device, kind, request, timeout_s, state, created_at_ms)"
            " VALUES (?, ?, ?, '', 'command', '{}', 1, 'queued', 0)",
            [(f"{first} {number}", account, device) for number in range(999)],
        )
    body = {"name": "one too many", "command": "date", "device": queue.device}
    answer = queue.server.api("POST", "/jobs", body)
    assert (answer.status, repr(queue.device) in answer.detail) == (409, True)
    assert sql(queue.server, "SELECT COUNT(*) FROM operations WHERE device_id = ?", device) == [(1000,)]
    queue.cancel(first)
    assert queue.server.api("POST", "/jobs", body).status == 201


def test_operation_comes_before_an_offer_and_the_offer_when_the_queue_is_empty(server):
    queue = Queue(server)
    assert queue.server.publish(make_image()).status == 201
    queue.submit()
    answer = queue.board.check()
    assert answer.json.keys() == {"operation"}
    queue.board.tell(answer.json["operation"])
    assert queue.board.check().json.keys() == {"offer"}


def test_longest_command_of_the_widest_characters_fits_into_an_answer(queue):
    command = "\N{KEY}" * 1024
    queue.submit(command)
    answer = queue.board.check()
    assert (answer.json["operation"]["command"], len(answer.body) < 8192) == (command, True)


def test_server_that_was_killed_goes_on_where_the_devices_were(start):
    server = start()
    queue = Queue(server)
    running, following = queue.submit(), queue.submit()
    sent = queue.board.work()
    queue.board.tell(sent, "running", output="one ")
    server.stop(9)
    queue.server = queue.board.server = start()
    queue.board.tell(sent, "succeeded", 1, output="two")
    assert (queue.shown(running)["output"], queue.states()) == ("one two", ["succeeded", "queued"])
    assert queue.board.work()["id"] == following
