"""What holds on every route of SocketXP's workflows and jobs, and for its workflows."""

import datetime
import uuid

import pytest

from twinslot_host.config import SCOPES

from .socketxp import UNKNOWN, SocketXP, message, stored, workers

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


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("given", [None, "Bearer", "Bearer x.y.z", "Basic eDp5", "expired"])
def test_request_without_a_valid_token_is_401(socketxp_host, route, given):
    method, path, _ = ROUTES[route]
    value = f"Bearer {socketxp_host.token(ttl_s=1, age_s=100)}" if given == "expired" else given
    answer = socketxp_host.request(method, f"/v1{path}", headers={} if value is None else {"Authorization": value})
    assert message(answer, 401)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("route", ROUTES)
def test_token_without_the_scope_is_403_and_names_it(socketxp_host, route):
    method, path, scope = ROUTES[route]
    lacking = SocketXP(socketxp_host, [each for each in SCOPES if each != scope])
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


# Workflows


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
