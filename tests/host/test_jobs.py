"""Jobs and workflows on our own API."""

import signal
from collections.abc import Iterator

import pytest

from .clients import Server
from .socketxp import SocketXP, change, stored, workers

UNKNOWN = "678edc16-96d1-4ea2-a99c-0474c2449381"
NONE = dict.fromkeys(("queued", "sent", "running", "succeeded", "failed", "timed out", "cancelled"), 0)


@pytest.fixture(scope="module")
def host(tmp_path_factory) -> Iterator[Server]:
    """One server for all tests here, each of which has workflows, groups and devices of its own."""
    server = Server(tmp_path_factory.mktemp("jobs") / "data")
    yield server
    server.stop(signal.SIGKILL)


def workflow(server: Server, command: str = "date") -> dict:
    answer = server.api("POST", "/workflows", {"name": f"run {command}", "command": command})
    assert answer.status == 201, answer.body
    return answer.json


def submit(server: Server, **order: object) -> dict:
    answer = server.api("POST", "/jobs", {"name": "nightly"} | order)
    assert answer.status == 201, answer.body
    return answer.json


def shown(server: Server, job: dict) -> dict:
    return server.api("GET", f"/jobs/{job['id']}").json


def test_workflow_is_made_shown_listed_and_deleted(host):
    made = workflow(host, "ls -l")
    assert made.keys() == {"id", "name", "command", "created_at"}
    assert (made["name"], made["command"]) == ("run ls -l", "ls -l")
    assert host.api("GET", f"/workflows/{made['id']}").json == made
    listed = host.api("GET", "/workflows").json
    assert (made in listed["items"], listed["total"]) == (True, len(listed["items"]))
    assert SocketXP(host).get(f"/workflow/{made['id']}")["Command"] == "ls -l"
    assert host.api("DELETE", f"/workflows/{made['id']}").status == 204
    for method in ("GET", "DELETE"):
        assert made["id"] in host.api(method, f"/workflows/{made['id']}").detail
    assert stored(host, "SELECT * FROM workflows WHERE id = ?", made["id"]) == []


def test_job_counts_its_children_by_state_and_shows_what_each_printed(host):
    group, [one, two] = workers(host, "a", "b")
    made = submit(host, command="df", group=group["id"], timeout=5)
    known = {"name": "nightly", "workflow": None, "command": "df", "target": "group", "target_name": group["name"]}
    known |= {"id": made["id"], "timeout": 5, "created_at": made["created_at"]}
    assert made == known | {"states": NONE | {"queued": 2}, "started_at": None, "ended_at": None}
    operation = two.take()
    assert operation["timeout"] == 5
    two.tell(operation, "running", "half\n", progress=50)
    running = shown(host, made)
    assert running["states"] == NONE | {"queued": 1, "running": 1}
    assert (running["started_at"] > made["created_at"], running["ended_at"]) == (True, None)
    two.tell(operation, "failed", "whole\n", part=1, errors="E", exit_code=3, reason="odd", cut=True)
    one.run(output="x")
    ended = shown(host, made)
    assert ended["states"] == NONE | {"succeeded": 1, "failed": 1}
    assert ended["ended_at"] > ended["started_at"] == running["started_at"]
    listed = host.api("GET", f"/jobs/{made['id']}/children").json
    assert (listed["total"], [each["device"] for each in listed["items"]]) == (2, [one.device, two.device])
    child = listed["items"][1]
    assert child == host.api("GET", f"/operations/{child['id']}").json
    told = {name: child[name] for name in ("id", "state", "output", "errors", "exit_code", "reason", "cut", "job")}
    assert told == {
        "id": operation["id"],
        "state": "failed",
        "output": "half\nwhole\n",
        "errors": "E",
        "exit_code": 3,
        "reason": "odd",
        "cut": True,
        "job": made["id"],
    }


def test_children_and_jobs_come_in_pages(host):
    group, team = workers(host, "a", "b", "c")
    made = [submit(host, command=f"ls {number}", group=group["id"]) for number in range(3)]
    path = f"/jobs/{made[0]['id']}/children"
    parts = [host.api("GET", f"{path}?offset={offset}&limit=2").json for offset in (0, 2, 4)]
    assert [[each["device"] for each in part["items"]] for part in parts] == [
        [team[0].device, team[1].device],
        [team[2].device],
        [],
    ]
    assert {part["total"] for part in parts} == {3}
    listed = host.api("GET", "/jobs?limit=2").json
    assert listed["items"] == made[:0:-1]
    assert host.api("GET", "/jobs?offset=2&limit=1").json["items"] == made[:1]
    assert listed["total"] == host.api("GET", "/jobs?offset=100000").json["total"] >= 3


def test_job_of_a_workflow_has_its_command_and_keeps_it(host):
    _, [worker] = workers(host, "a", tags=("own-api",))
    of = workflow(host, "uptime")
    made = submit(host, workflow=of["id"], tag="own-api")
    assert (made["workflow"], made["command"], made["timeout"]) == (of["id"], "uptime", 600)
    assert (made["target"], made["target_name"]) == ("tag", "own-api")
    assert host.api("DELETE", f"/workflows/{of['id']}").status == 204
    assert (worker.run(), shown(host, made)["workflow"]) == ("uptime", of["id"])


def test_job_for_a_connected_device_is_in_the_answer_to_its_held_check_in(host):
    group, [worker] = workers(host, "a")
    worker.board.inventory([])
    for order in ({"device": worker.device}, {"group": group["id"]}):
        waiting = worker.board.waiting()
        assert not waiting.is_over
        submit(host, command="uname", **order)
        operation = waiting.answer().json["operation"]
        assert operation["command"] == "uname"
        worker.tell(operation)


def test_both_surfaces_show_the_same_jobs(host):
    _, [worker] = workers(host, "a")
    socketxp = SocketXP(host)
    there = socketxp.submit(DeviceId=worker.device)
    here = submit(host, command="df", device=worker.device)
    socketxp.made.add(here["id"])
    assert socketxp.listed() == [there, here["id"]]
    assert [each["id"] for each in host.api("GET", "/jobs?limit=2").json["items"]] == [here["id"], there]
    worker.run(output="now\n")
    assert shown(host, {"id": there})["states"]["succeeded"] == 1
    assert (worker.run(output="full\n"), socketxp.job(here["id"])["Result"]) == ("df", "full")


def test_deleted_job_is_cancelled_where_it_waits_and_stopped_where_it_runs(host):
    group, [one, two] = workers(host, "a", "b")
    made = submit(host, command="df", group=group["id"])
    operation = one.take()
    assert host.api("DELETE", f"/jobs/{made['id']}").status == 204
    assert two.take() is None
    assert one.tell(operation, "running") is True
    one.tell(operation, "cancelled", part=1)
    for method, path in (("GET", ""), ("GET", "/children"), ("DELETE", "")):
        assert made["id"] in host.api(method, f"/jobs/{made['id']}{path}").detail
    kept = stored(host, "SELECT state, is_over, ended_at_ms > 0 FROM operations WHERE job_id = ?", made["id"])
    assert kept == [("cancelled", 1, 1)] * 2


def test_deletion_of_a_job_that_is_over_changes_nothing_of_what_came_of_it(host):
    _, [worker] = workers(host, "a")
    made = submit(host, command="df", device=worker.device)
    worker.run(output="kept")
    before = stored(host, "SELECT * FROM operations WHERE job_id = ?", made["id"])
    assert host.api("DELETE", f"/jobs/{made['id']}").status == 204
    assert stored(host, "SELECT * FROM operations WHERE job_id = ?", made["id"]) == before


def test_job_that_is_lost_with_its_device_and_deleted_is_not_sent_again(host):
    _, [worker] = workers(host, "a")
    made = submit(host, command="df", device=worker.device)
    assert worker.take()["command"] == "df"
    assert host.api("DELETE", f"/jobs/{made['id']}").status == 204
    assert worker.take() is None
    assert stored(host, "SELECT state, attempt FROM operations WHERE job_id = ?", made["id"]) == [("cancelled", 1)]


@pytest.mark.parametrize(
    ("order", "status", "said"),
    [
        ({}, 400, "command and workflow"),
        ({"command": "df"}, 400, "device, group and tag"),
        ({"command": "df", "workflow": UNKNOWN, "device": "a"}, 400, "command and workflow"),
        ({"command": "df", "device": "a", "tag": "b"}, 400, "device, group and tag"),
        ({"command": "df", "device": "a", "timeout": 0}, 400, "timeout"),
        ({"command": "df", "device": "a", "timeout": 86401}, 400, "timeout"),
        ({"command": "df", "device": "a", "timeout": "5"}, 400, "timeout"),
        ({"command": "df\n", "device": "a"}, 400, "command"),
        ({"command": "d" * 1025, "device": "a"}, 400, "command"),
        ({"command": "df", "device": "a" * 129}, 400, "device"),
        ({"command": "df", "tag": "a\x00"}, 400, "tag"),
        ({"command": "df", "device": "nobody"}, 404, "nobody"),
        ({"command": "df", "group": "0" * 24}, 404, "0" * 24),
        ({"command": "df", "tag": "nothing"}, 404, "nothing"),
        ({"workflow": UNKNOWN, "tag": "job-order"}, 404, UNKNOWN),
    ],
)
def test_job_that_can_not_be_submitted_is_refused_and_leaves_nothing(host, order, status, said):
    before = stored(host, "SELECT COUNT(*) FROM jobs")
    if order.get("tag") == "job-order":
        workers(host, "a", tags=("job-order",))
    answer = host.api("POST", "/jobs", {"name": "nightly"} | order)
    assert (answer.status, said in answer.detail) == (status, True)
    assert stored(host, "SELECT COUNT(*) FROM jobs") == before


def test_job_for_a_full_queue_is_409(host):
    _, [worker] = workers(host, "a")
    for _ in range(3):
        submit(host, command="df", device=worker.device)
    change(
        host,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 997)"
        " INSERT INTO operations (id, account_id, device_id, device, kind, request, timeout_s, state, created_at_ms)"
        " SELECT 'own-' || n.i, account_id, id, device, 'command', '{}', 1, 'queued', 0"
        " FROM devices, n WHERE device = ?",
        worker.device,
    )
    answer = host.api("POST", "/jobs", {"name": "n", "command": "df", "device": worker.device})
    assert (answer.status, worker.device in answer.detail) == (409, True)


def test_group_of_five_thousand_gets_a_job_as_a_whole(host):
    group, [worker] = workers(host, "a")
    change(
        host,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4999) INSERT INTO devices"
        " (account_id, device, group_id, enrolled_group_id, created_at_ms) SELECT account_id, 'many-' || n.i, group_id,"
        " enrolled_group_id, 0 FROM devices, n WHERE device = ?",
        worker.device,
    )
    made = submit(host, command="df", group=group["id"])
    assert (made["states"]["queued"], worker.run()) == (5000, "df")
    assert host.api("DELETE", f"/jobs/{made['id']}").status == 204
    kept = stored(host, "SELECT state, COUNT(*) FROM operations WHERE job_id = ? GROUP BY state", made["id"])
    assert kept == [("cancelled", 4999), ("succeeded", 1)]
