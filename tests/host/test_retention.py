"""How long operations are kept after their end."""

import pytest

from .clients import Server, until
from .packaging import download
from .socketxp import SocketXP, Worker, change, stored

KEPT_MS = 365 * 24 * 3600 * 1000


@pytest.fixture
def aged(start) -> Server:
    """A server that looks all the time for what was kept long enough, and has a device, of which it knows already."""
    server = start(bounds={"PRUNE_S": 0.05})
    server.worker = Worker(server, server.group(), "board-1")
    return server


def age(server: Server, by_ms: int) -> None:
    """Everything that ended did so longer ago."""
    change(server, "UPDATE operations SET ended_at_ms = ended_at_ms - ?", by_ms)


def kept(server: Server) -> list[tuple]:
    return stored(server, "SELECT kind, state FROM operations ORDER BY place")


def looked(server: Server) -> None:
    """What is there to be pruned is gone: that of one more operation, which is the last to end."""
    operation = download(server).json["operationId"]
    assert server.api("POST", f"/operations/{operation}/cancel").status == 200
    change(server, "UPDATE operations SET ended_at_ms = 0 WHERE id = ?", operation)
    until(lambda: server.api("GET", f"/operations/{operation}").status == 404)


def test_package_operation_is_kept_for_a_year_after_its_end(aged):
    ended = download(aged).json["operationId"]
    aged.worker.tell(aged.worker.take())
    download(aged)
    age(aged, KEPT_MS - 60_000)
    looked(aged)
    assert aged.api("GET", f"/operations/{ended}").json["state"] == "succeeded"
    age(aged, 61_000)
    until(lambda: kept(aged) == [("install", "queued")])
    assert aged.api("GET", f"/operations/{ended}").status == 404
    assert aged.worker.take()["kind"] == "install"
    audited = [each["detail"].get("operation") for each in aged.api("GET", "/audit").json["items"]]
    assert ended in audited


def test_result_of_a_job_is_kept_as_long_as_the_job_and_until_a_year_after_its_end(aged):
    socketxp = SocketXP(aged)
    job = socketxp.submit(DeviceId="board-1")
    aged.worker.run(output="kept")
    age(aged, 10 * KEPT_MS)
    looked(aged)
    assert socketxp.job(job)["Result"] == "kept"
    age(aged, -10 * KEPT_MS)
    assert socketxp.call("DELETE", f"/job/{job}").status == 200
    looked(aged)
    assert kept(aged) == [("command", "succeeded")]
    age(aged, KEPT_MS + 1000)
    until(lambda: kept(aged) == [])
    assert [each["action"] for each in aged.api("GET", f"/audit?subject=job:{job}").json["items"]] == [
        "job.delete",
        "job.submit",
    ]


def test_more_than_go_at_once_all_go(aged):
    download(aged)
    columns = "account_id, device, kind, request, timeout_s, created_at_ms"
    change(
        aged,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 250) INSERT INTO operations"
        f" (id, state, is_over, ended_at_ms, {columns}) SELECT 'old-' || n.i, 'succeeded', 1, 0, {columns}"
        " FROM operations, n",
    )
    until(lambda: kept(aged) == [("install", "queued")])
