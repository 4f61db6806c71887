"""SocketXP's jobs, submitted: for whom they are, and what is told of them until they end."""

import uuid

import pytest

from .socketxp import TIME, UNKNOWN, Worker, change, message, workers

END = {"StartTime", "EndTime", "Result"}


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
