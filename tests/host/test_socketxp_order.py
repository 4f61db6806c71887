"""SocketXP's jobs, run one after the other, kept through restarts, and deleted."""

import signal

from .socketxp import SocketXP, message, stored, workers


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
    worker.board.server = again = start()
    after = SocketXP(again)
    after.made = before_it.made
    assert (after.jobs(), after.workflows(), after.children(waiting)) == before
    assert (after.job(done)["Result"], worker.run()) == ("once", "date")


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
