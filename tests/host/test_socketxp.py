"""SocketXP's workflows and jobs, call by call, in the order of its own description."""

import datetime
import signal
import socket
import uuid
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException

import pytest

from twinslot_host.config import SCOPES

from .clients import Server
from .inside import clocked
from .socketxp import TIME, SocketXP, Worker, change, message, stored, workers

UNKNOWN = "678edc16-96d1-4ea2-a99c-0474c2449381"

ROUTES = {
    "define": ("POST", "/workflow", "workflow:update"),
    "workflows": ("GET", "/workflow", "workflow:read"),
    "workflow": ("GET", f"/workflow/{UNKNOWN}", "workflow:read"),
    "delete workflow": ("DELETE", f"/workflow/{UNKNOWN}", "workflow:update"),
    "submit": ("POST", "/job", "job:update"),
    "jobs": ("GET", "/job", "job:read"),
    "job": ("GET", f"/job/{UNKNOWN}", "job:read"),
    "children": ("GET", f"/job/{UNKNOWN}/childjobs", "job:read"),
    "delete job": ("DELETE", f"/job/{UNKNOWN}", "job:update"),
}


@pytest.fixture(scope="module")
def host(tmp_path_factory) -> Iterator[Server]:
    """One server for all tests here, each of which has workflows, groups and devices of its own."""
    server = Server(tmp_path_factory.mktemp("socketxp") / "data")
    yield server
    server.stop(signal.SIGKILL)


@pytest.fixture
def socketxp(host) -> SocketXP:
    return SocketXP(host)


# Every route.


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("given", [None, "Bearer", "Bearer x.y.z", "Basic eDp5", "expired"])
def test_request_without_a_valid_token_is_401(host, route, given):
    method, path, _ = ROUTES[route]
    value = f"Bearer {host.token(ttl_s=1, age_s=100)}" if given == "expired" else given
    answer = host.request(method, f"/v1{path}", headers={} if value is None else {"Authorization": value})
    assert message(answer, 401)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("route", ROUTES)
def test_token_without_the_scope_is_403_and_names_it(host, route):
    method, path, scope = ROUTES[route]
    lacking = SocketXP(host, [each for each in SCOPES if each != scope])
    assert message(lacking.call(method, path), 403) == f"the token lacks the scope {scope}"


@pytest.mark.parametrize("route", [name for name, (_, path, _) in ROUTES.items() if UNKNOWN in path])
@pytest.mark.parametrize("given", [UNKNOWN, "1", "%00", "%2e%2e%2fx", "x" * 3000, "%F0%9F%90%9E"])
def test_id_that_there_is_not_is_404(socketxp, route, given):
    method, path, _ = ROUTES[route]
    assert message(socketxp.call(method, path.replace(UNKNOWN, given)), 404)


@pytest.mark.parametrize("path", ["/workflow", "/job", f"/job/{UNKNOWN}"])
def test_method_that_a_route_does_not_have_is_405(socketxp, path):
    assert message(socketxp.call("PATCH", path), 405)


@pytest.mark.parametrize("path", ["/workflow/", "/job/", f"/job/{UNKNOWN}/children", "/workflow/a/b"])
def test_unknown_path_is_404_in_the_same_form(socketxp, path):
    assert message(socketxp.call("GET", path), 404)


# Define a workflow


def test_workflow_is_shown_as_it_was_defined(socketxp):
    before = datetime.datetime.now(datetime.UTC).replace(tzinfo=None, microsecond=0)
    made = socketxp.workflow("date")
    assert str(uuid.UUID(made)) == made
    shown = socketxp.get(f"/workflow/{made}")
    created = datetime.datetime.strptime(shown.pop("CreatedTime"), "%Y-%m-%d %H:%M:%S")
    assert before <= created <= before + datetime.timedelta(seconds=60)
    assert shown == {"WorkflowId": made, "Name": "print-date-workflow", "Command": "date"}


def test_workflows_are_listed_in_the_order_in_which_they_were_defined(socketxp):
    assert socketxp.workflows() == []
    made = [socketxp.workflow(name=f"{9 - number}") for number in range(8)]
    listed = socketxp.workflows()
    assert [each["WorkflowId"] for each in listed] == made
    assert listed[3] == socketxp.get(f"/workflow/{made[3]}")


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


def test_two_workflows_may_have_the_same_name(socketxp):
    assert len({socketxp.workflow(), socketxp.workflow()}) == len(socketxp.workflows()) == 2


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"Command": "date"}, "Name"),
        ({"Name": "a"}, "Command"),
        ({"Name": "", "Command": "date"}, "Name"),
        ({"Name": "a", "Command": ""}, "Command"),
        ({"Name": "a" * 129, "Command": "date"}, "Name"),
        ({"Name": "a", "Command": "a" * 1025}, "Command"),
        ({"Name": "a\nb", "Command": "date"}, "Name"),
        ({"Name": "a", "Command": "date\n"}, "Command"),
        ({"Name": "a", "Command": "date\x9b2J"}, "Command"),
        ({"Name": "a", "Command": "a\x00b"}, "Command"),
        ({"Name": 1, "Command": "date"}, "Name"),
        ({"Name": "a", "Command": None}, "Command"),
        ({"Name": "a", "Command": ["date"]}, "Command"),
        ({"name": "a", "Command": "date"}, "Name"),
        ({"Name": "a", "Command": "date", "Timeout": 1}, "Timeout"),
    ],
)
def test_workflow_that_is_none_is_400_and_names_the_field(socketxp, body, named):
    before = stored(socketxp.server, "SELECT * FROM workflows")
    assert named in message(socketxp.call("POST", "/workflow", body), 400)
    assert stored(socketxp.server, "SELECT * FROM workflows") == before


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"Name": "\xff"}', b"Name=a&Command=date"])
def test_body_that_is_no_object_is_400(socketxp, body):
    for path in ("/workflow", "/job"):
        assert message(socketxp.call("POST", path, body), 400)


def test_longest_name_and_command_reach_the_device_whole(socketxp):
    _, [worker] = workers(socketxp.server, "a")
    name, command = "\U0001f375" * 128, "\U0001f375" * 1024
    socketxp.submit(socketxp.workflow(command, name), name, DeviceId=worker.device)
    assert worker.take()["command"] == command
    assert [(each["JobName"], each["Command"]) for each in socketxp.jobs()] == [(name, command)]


def test_deleted_workflow_is_gone_and_its_jobs_keep_the_command(socketxp):
    _, [worker] = workers(socketxp.server, "a")
    workflow = socketxp.workflow("uptime")
    job = socketxp.submit(workflow, DeviceId=worker.device)
    answer = socketxp.call("DELETE", f"/workflow/{workflow}")
    assert (answer.status, answer.body) == (200, b"")
    assert socketxp.workflows() == []
    assert message(socketxp.call("GET", f"/workflow/{workflow}"), 404)
    assert message(socketxp.call("DELETE", f"/workflow/{workflow}"), 404)
    assert message(socketxp.try_submit(workflow, DeviceId=worker.device), 404)
    assert socketxp.job(job)["Command"] == worker.run() == "uptime"


# Submit a deployment


def test_job_of_a_device_is_shown_from_its_submission_to_its_end(socketxp):
    _, [worker] = workers(socketxp.server, "sensor")
    job = socketxp.submit(DeviceId=worker.device)
    assert str(uuid.UUID(job)) == job
    known = {"JobId": job, "JobName": "test-job-123", "DeviceId": worker.device, "Command": "date"}
    assert socketxp.job(job) == known | {"StartTime": "", "EndTime": "", "Result": ""}
    operation = worker.take()
    assert (operation["kind"], operation["command"], operation["timeout"]) == ("command", "date", 600)
    worker.tell(operation, "running", "Fri Feb  8 ")
    shown = socketxp.job(job)
    assert TIME.fullmatch(shown.pop("StartTime"))
    assert shown == known | {"EndTime": "", "Result": ""}
    worker.tell(operation, "succeeded", "15:04:14 UTC 2002\n", part=1)
    shown = socketxp.job(job)
    assert TIME.fullmatch(shown.pop("StartTime")) and TIME.fullmatch(shown.pop("EndTime"))
    assert shown == known | {"Result": "Fri Feb  8 15:04:14 UTC 2002"}
    (child,) = socketxp.children(job)
    assert child.pop("JobId") == operation["id"]
    assert child.items() >= shown.items() - {("JobId", job)}


def test_job_of_a_group_has_a_child_for_each_of_its_devices(socketxp):
    group, team = workers(socketxp.server, "c", "a", "b")
    Worker(socketxp.server, socketxp.server.group(), "elsewhere-1")
    job = socketxp.submit(DeviceGroup=group["name"])
    known = {"JobId": job, "JobName": "test-job-123", "DeviceGroup": group["name"], "Command": "date"}
    assert socketxp.job(job) == known | {"StartTime": "", "EndTime": "", "Result": "3 queued"}
    children = socketxp.children(job)
    assert [each["DeviceId"] for each in children] == sorted(each.device for each in team)
    assert len({job, *(each["JobId"] for each in children)}) == 4
    assert {frozenset(each) for each in children} == {frozenset(known.keys() - {"DeviceGroup"} | END | {"DeviceId"})}
    first, second, third = team
    first.run("succeeded", "one\n")
    second.take()
    shown = socketxp.job(job)
    assert TIME.fullmatch(shown["StartTime"])
    assert (shown["EndTime"], shown["Result"]) == ("", "1 succeeded, 1 sent, 1 queued")
    third.run("failed", errors="no verb\n", exit_code=127)
    second.run("succeeded", "two")
    shown = socketxp.job(job)
    assert TIME.fullmatch(shown["EndTime"])
    assert shown["Result"] == "2 succeeded, 1 failed"
    results = {each["DeviceId"]: each["Result"] for each in socketxp.children(job)}
    assert results == {
        first.device: "one",
        second.device: "two",
        third.device: "failed (exit code 127): no verb",
    }


END = {"StartTime", "EndTime", "Result"}


def test_job_of_a_tag_goes_to_the_devices_that_have_it(socketxp):
    _, [tagged, other] = workers(socketxp.server, "a", "b", tags=("temp-sensor",))
    assert socketxp.server.api("PATCH", f"/devices/{other.device}", {"tags": ["temp-sensors"]}).status == 200
    elsewhere = Worker(socketxp.server, socketxp.server.group(), "elsewhere-2", tags=("temp-sensor", "x"))
    job = socketxp.submit(TagId="temp-sensor")
    shown = socketxp.job(job)
    assert (shown["TagId"], shown["Result"], "DeviceId" in shown) == ("temp-sensor", "2 queued", False)
    assert {each["DeviceId"] for each in socketxp.children(job)} == {tagged.device, elsewhere.device}
    assert (tagged.run(), elsewhere.run(), other.take()) == ("date", "date", None)
    assert socketxp.job(job)["Result"] == "2 succeeded"


def test_group_without_a_device_is_a_job_that_is_over_as_it_is_submitted(socketxp):
    group = socketxp.server.group()
    job = socketxp.submit(DeviceGroup=group["name"])
    shown = socketxp.job(job)
    assert (shown["Result"], shown["StartTime"]) == ("no devices", shown["EndTime"])
    assert TIME.fullmatch(shown["EndTime"])
    assert socketxp.children(job) == []


def test_membership_is_taken_when_the_job_is_submitted(socketxp):
    group, [member, leaver] = workers(socketxp.server, "a", "b")
    other = socketxp.server.group()
    job = socketxp.submit(DeviceGroup=group["name"])
    late = Worker(socketxp.server, group, "late")
    assert socketxp.server.api("PATCH", f"/devices/{leaver.device}", {"group": other["id"]}).status == 200
    assert socketxp.server.api("PATCH", f"/groups/{group['id']}", {"name": "renamed"}).status == 200
    assert late.take() is None
    assert (member.run(), leaver.run()) == ("date", "date")
    assert (socketxp.job(job)["Result"], socketxp.job(job)["DeviceGroup"]) == ("2 succeeded", group["name"])


@pytest.mark.parametrize(
    "target",
    [
        {},
        {"DeviceId": "a", "DeviceGroup": "b"},
        {"DeviceId": "a", "TagId": "b"},
        {"DeviceGroup": "a", "TagId": "b"},
        {"DeviceId": "a", "DeviceGroup": "b", "TagId": "c"},
        {"DeviceId": None, "DeviceGroup": None},
    ],
)
def test_none_or_more_of_the_three_targets_is_400(socketxp, target):
    answer = socketxp.try_submit(socketxp.workflow(), **target)
    assert message(answer, 400) == "give exactly one of DeviceId, DeviceGroup and TagId"


def test_target_that_is_null_is_as_good_as_absent(socketxp):
    _, [worker] = workers(socketxp.server, "a")
    socketxp.submit(DeviceId=worker.device, DeviceGroup=None, TagId=None)
    assert worker.run() == "date"


@pytest.mark.parametrize("target", ["DeviceId", "DeviceGroup", "TagId"])
def test_target_that_there_is_not_is_404_and_nothing_is_submitted(socketxp, target):
    group, [worker] = workers(socketxp.server, "a", tags=("known",))
    workflow = socketxp.workflow()
    wrong = {"DeviceId": [group["name"], "known", worker.device.upper()]}
    wrong |= {"DeviceGroup": [group["id"], "known", worker.device], "TagId": [worker.device, group["name"], "Known"]}
    for each in wrong[target]:
        assert each in message(socketxp.try_submit(workflow, **{target: each}), 404)
    assert (socketxp.jobs(), worker.take()) == ([], None)


def test_workflow_that_there_is_not_is_404_and_nothing_is_submitted(socketxp):
    _, [worker] = workers(socketxp.server, "a")
    for each in (UNKNOWN, "no uuid"):
        assert each in message(socketxp.try_submit(each, DeviceId=worker.device), 404)
    assert (socketxp.jobs(), worker.take()) == ([], None)


@pytest.mark.parametrize("field", ["Name", "WorkflowId", "DeviceId"])
@pytest.mark.parametrize("value", ["", "a\x00", "a\x1b[2J", "x" * 129, 1, True, [], {}])
def test_field_of_a_job_that_is_none_is_400_and_named(socketxp, field, value):
    body = {"Name": "a", "WorkflowId": UNKNOWN, "DeviceId": "a"} | {field: value}
    assert field in message(socketxp.call("POST", "/job", body), 400)


def test_job_for_a_full_queue_is_400_and_in_no_queue_at_all(socketxp):
    group, [full, other] = workers(socketxp.server, "a", "b")
    workflow = socketxp.workflow()
    first = socketxp.submit(workflow, DeviceId=full.device)
    change(
        socketxp.server,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999) INSERT INTO operations"
        " (id, account_id, device_id, device, kind, request, timeout_s, state, created_at_ms)"
        " SELECT 'full-' || n.i, account_id, device_id, device, kind, request, timeout_s, state, created_at_ms"
        " FROM operations, n WHERE job_id = ?",
        first,
    )
    assert full.device in message(socketxp.try_submit(workflow, DeviceGroup=group["name"]), 400)
    assert (socketxp.listed(), other.take()) == ([first], None)
    full.run()
    job = socketxp.submit(workflow, DeviceGroup=group["name"])
    assert (socketxp.job(job)["Result"], other.run()) == ("2 queued", "date")


# In order


def test_each_device_runs_its_jobs_in_the_order_of_submission_whatever_came_of_those_before(socketxp):
    group, [one, two] = workers(socketxp.server, "a", "b", tags=("t",))
    commands = [f"ls /{number}" for number in range(6)]
    targets = [{"DeviceId": one.device}, {"DeviceGroup": group["name"]}, {"TagId": "t"}] * 2
    submitted = [
        socketxp.submit(socketxp.workflow(command), **target) for command, target in zip(commands, targets, strict=True)
    ]
    outcomes = ["failed", "timed out", "succeeded", "cancelled", "failed", "succeeded"]
    assert [one.run(outcome) for outcome in outcomes] == commands
    assert [two.run() for _ in range(4)] == [commands[1], commands[2], commands[4], commands[5]]
    assert (one.take(), two.take(), socketxp.listed()) == (None, None, submitted)


def test_jobs_are_not_begun_before_the_one_before_is_over(socketxp):
    _, [worker] = workers(socketxp.server, "a")
    first, second = (socketxp.submit(socketxp.workflow(name), DeviceId=worker.device) for name in ("date", "df"))
    operation = worker.take()
    worker.tell(operation, "running", "so far")
    assert (socketxp.job(second)["StartTime"], operation["command"]) == ("", "date")
    again = worker.take()  # it was reset
    assert (again["id"], again["attempt"]) == (operation["id"], 2)
    worker.tell(again, output="whole")
    assert (socketxp.job(first)["Result"], worker.run()) == ("whole", "df")


def test_jobs_outlive_the_server(start):
    server = start()
    before_it = SocketXP(server)
    group, [worker] = workers(server, "a")
    done = before_it.submit(DeviceId=worker.device)
    worker.run(output="once\n")
    waiting = before_it.submit(DeviceGroup=group["name"])
    before = before_it.jobs(), before_it.workflows(), before_it.children(waiting)
    server.stop(signal.SIGKILL)
    after = SocketXP(start(port=server.port))
    after.made = before_it.made
    assert (after.jobs(), after.workflows(), after.children(waiting)) == before
    assert (after.job(done)["Result"], worker.run()) == ("once", "date")


# Delete a deployment


def test_deleted_job_is_cancelled_where_it_waits_and_told_to_stop_where_it_runs(socketxp):
    group, team = workers(socketxp.server, "a", "b", "c")
    done, running, waiting = team
    job = socketxp.submit(DeviceGroup=group["name"])
    after = socketxp.submit(socketxp.workflow("df"), DeviceGroup=group["name"])
    done.run(output="kept")
    operation = running.take()
    assert running.tell(operation, "running", "so far") is False
    answer = socketxp.call("DELETE", f"/job/{job}")
    assert (answer.status, answer.body) == (200, b"")
    assert socketxp.listed() == [after]
    for method, path in (("GET", ""), ("GET", "/childjobs"), ("DELETE", "")):
        assert message(socketxp.call(method, f"/job/{job}{path}"), 404)
    assert running.tell(operation, "running", " and on", part=1) is True
    running.tell(operation, "cancelled", part=2)
    kept = stored(socketxp.server, "SELECT device, state, output FROM operations WHERE job_id = ? ORDER BY place", job)
    assert kept == [
        (done.device, "succeeded", "kept"),
        (running.device, "cancelled", "so far and on"),
        (waiting.device, "cancelled", ""),
    ]
    assert [each.run() for each in team] == ["df"] * 3


def test_audit_keeps_what_was_submitted_and_deleted_and_by_whom(socketxp):
    _, [worker] = workers(socketxp.server, "a")
    workflow = socketxp.workflow("reboot", "again")
    job = socketxp.submit(workflow, "tonight", DeviceId=worker.device)
    for path in (f"/job/{job}", f"/workflow/{workflow}"):
        assert socketxp.call("DELETE", path).status == 200
    listed = socketxp.server.api("GET", "/audit").json["items"]
    lines = [each for each in listed if each["subject"] in (f"job:{job}", f"workflow:{workflow}")]
    detail = {"name": "tonight", "command": "reboot", "device": worker.device}
    assert [(each["actor"], each["action"], each["subject"], each["detail"]) for each in lines] == [
        ("operator", "workflow.delete", f"workflow:{workflow}", {"name": "again"}),
        ("operator", "job.delete", f"job:{job}", detail),
        ("operator", "job.submit", f"job:{job}", detail | {"devices": 1}),
        ("operator", "workflow.create", f"workflow:{workflow}", {"name": "again", "command": "reboot"}),
    ]


# Results


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
