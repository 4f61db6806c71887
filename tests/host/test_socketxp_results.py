"""What SocketXP's jobs have come to, one by one and in lists."""

import socket
from contextlib import suppress
from http.client import HTTPException

import pytest

from .inside import clocked
from .socketxp import SocketXP, change, message, workers


@pytest.mark.parametrize(
    ("told", "result"),
    [
        ({"output": "john\n"}, "john"),
        ({"output": "one\ntwo\n\n"}, "one\ntwo\n"),
        ({"output": ""}, ""),
        ({"state": "failed", "exit_code": 127, "errors": "no verb 'x'\n"}, "failed (exit code 127): no verb 'x'"),
        ({"state": "failed", "exit_code": 1, "output": "half", "errors": ""}, "failed (exit code 1)"),
        ({"state": "failed", "exit_code": None, "reason": "too big"}, "failed (too big)"),
        ({"state": "failed", "exit_code": 2, "reason": "odd", "errors": "why"}, "failed (exit code 2): why"),
        ({"state": "timed out", "exit_code": None}, "timed out"),
        ({"state": "cancelled", "exit_code": None, "errors": "stopped"}, "cancelled: stopped"),
    ],
)
def test_result_of_a_device_is_its_output_or_why_there_is_none(socketxp, told, result):
    (_, [worker]) = workers(socketxp.server, "a")
    job = socketxp.submit(DeviceId=worker.device)
    worker.run(**told)
    assert socketxp.job(job)["Result"] == result
    assert [each["Result"] for each in socketxp.children(job)] == [result]
    assert [each["Result"] for each in socketxp.jobs()] == [result]


def test_result_of_a_group_counts_all_states_in_their_order(socketxp):
    names = [str(number) for number in range(9)]
    group, team = workers(socketxp.server, *names)
    job = socketxp.submit(DeviceGroup=group["name"])
    for worker, state in zip(team, ["cancelled", "timed out", "failed", "succeeded", "succeeded"], strict=False):
        worker.run(state)
    team[5].tell(team[5].take(), "running")
    team[6].take()
    told = "2 succeeded, 1 failed, 1 timed out, 1 cancelled, 1 running, 1 sent, 2 queued"
    assert socketxp.job(job)["Result"] == told
    assert socketxp.jobs()[0] == socketxp.job(job)


def test_device_that_is_deleted_leaves_its_child_behind(socketxp):
    group, [gone, other] = workers(socketxp.server, "a", "b")
    job, alone = socketxp.submit(DeviceGroup=group["name"]), socketxp.submit(DeviceId=gone.device)
    assert socketxp.server.api("DELETE", f"/devices/{gone.device}").status == 204
    assert socketxp.job(job)["Result"] == "1 cancelled, 1 queued"
    assert {each["DeviceId"]: each["Result"] for each in socketxp.children(job)} == {
        gone.device: "cancelled (the device was deleted)",
        other.device: "",
    }
    shown = socketxp.job(alone)
    assert (shown["DeviceId"], shown["Result"]) == (gone.device, "cancelled (the device was deleted)")


def test_order_of_the_lists_is_kept_when_the_clock_stands_still_or_goes_back(data):
    with clocked(data) as server:
        socketxp, group = SocketXP(server), server.group()
        workflows, jobs = [], []
        for second in (0, 0, -30, 10):
            server.clock.now_s += second
            workflows.append(socketxp.workflow())
            jobs.append(socketxp.submit(workflows[-1], DeviceGroup=group["name"]))
        assert [each["WorkflowId"] for each in socketxp.workflows()] == workflows
        assert socketxp.listed() == jobs
        own = [each["id"] for each in server.api("GET", "/jobs").json["items"]]
        assert own == jobs[::-1]


MANY = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 250) INSERT INTO "


def with_many_children(socketxp: SocketXP) -> str:
    """A job with 251 children."""
    group, _ = workers(socketxp.server, "a")
    job = socketxp.submit(DeviceGroup=group["name"])
    change(
        socketxp.server,
        f"{MANY} operations (id, account_id, device, job_id, kind, request, timeout_s, state, created_at_ms)"
        " SELECT job_id || n.i, account_id, 'more-' || n.i, job_id, kind, request, timeout_s, state, created_at_ms"
        " FROM operations, n WHERE job_id = ?",
        job,
    )
    return job


def test_lists_are_whole_however_long_they_are(socketxp):
    workflow, job = socketxp.workflow(), with_many_children(socketxp)
    change(
        socketxp.server,
        f"{MANY} jobs SELECT 'more-' || n.i, account_id, name, workflow_id, command, target, target_name, timeout_s,"
        " created_at_ms + n.i, NULL FROM jobs, n WHERE id = ?",
        job,
    )
    change(
        socketxp.server,
        f"{MANY} workflows SELECT 'more-' || n.i, account_id, name, command, created_at_ms + n.i FROM workflows, n"
        " WHERE id = ?",
        workflow,
    )
    more = [f"more-{number}" for number in range(1, 251)]
    socketxp.made = {workflow, job, *more}
    assert socketxp.listed() == [job, *more]
    assert [each["WorkflowId"] for each in socketxp.workflows()] == [workflow, *more]
    assert [each["DeviceId"] for each in socketxp.children(job)][1:] == more


def on_the_wire(socketxp: SocketXP, path: str) -> bytes:
    """All that comes until the connection ends."""
    head = f"GET /v1{path} HTTP/1.1\r\nHost: x\r\nAuthorization: {socketxp.headers['Authorization']}\r\n\r\n"
    received = b""
    with socket.create_connection(("127.0.0.1", socketxp.server.port), timeout=20) as connection:
        connection.sendall(head.encode())
        with suppress(ConnectionError):
            while part := connection.recv(65536):
                received += part
    return received


def test_list_that_breaks_off_in_the_middle_is_not_taken_for_a_whole_one(socketxp):
    job = with_many_children(socketxp)
    spoil = "UPDATE operations SET request = 'no JSON' WHERE id = ?"
    children = [each["JobId"] for each in socketxp.children(job)]
    change(socketxp.server, spoil, children[-1])
    with pytest.raises((HTTPException, ConnectionError)):
        socketxp.children(job)
    sent = on_the_wire(socketxp, f"/job/{job}/childjobs")
    assert (sent.startswith(b"HTTP/1.1 200"), sent.count(b"HTTP/1.1"), sent.endswith(b"0\r\n\r\n")) == (True, 1, False)
    change(socketxp.server, spoil, children[0])
    assert message(socketxp.call("GET", f"/job/{job}/childjobs"), 500)
