"""SocketXP's jobs on real boards: each runs what was submitted for it in that order, whatever happens meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..host.socketxp import SocketXP
from .conftest import Site
from .lab import Bench
from .working import connected, image, let_it_end

WAIT_S = 60


def flash_of(site: Site, device: str) -> Path:
    """A fresh board whose application has verbs, and which is told at once what there is for it."""
    return site.flash(device, start=image(), wait_s=WAIT_S)


def ran(site: Site, device: str) -> list[tuple[str, str, int]]:
    """(command, state, attempt) of all that was submitted for the device, each of which began after the one before."""
    queue: list[dict[str, Any]] = site.server.api("GET", f"/devices/{device}/queue").json["items"]
    times = [each[name] for each in queue for name in ("started_at", "ended_at") if each[name]]
    assert times == sorted(times)
    return [(each["request"]["command"], each["state"], each["attempt"]) for each in queue]


def result(client: SocketXP, job: str) -> str:
    return str(client.job(job)["Result"])


async def test_jobs_of_a_tag_run_on_each_board_in_order_also_when_one_fails_and_when_a_board_was_away(
    site: Site,
) -> None:
    names = ("here", "there", "away")
    flashes = {name: flash_of(site, name) for name in names}
    client = SocketXP(site.server)
    async with Bench(flashes["away"]) as bench:
        await connected(site, bench, "away")
    async with Bench(flashes["here"]) as here, Bench(flashes["there"]) as there:
        for bench, name in ((here, "here"), (there, "there")):
            await connected(site, bench, name)
        for name in names:
            assert site.server.api("PATCH", f"/devices/{name}", {"tags": ["kettles"]}).status == 200
        commands = ("blink 1 2", "fail 3", "no-such-verb", "uname")
        first, failing, unknown, last = (
            client.submit(client.workflow(command), TagId="kettles") for command in commands
        )
        await here.until(lambda: result(client, last) == "2 succeeded, 1 queued")
        assert result(client, failing) == result(client, unknown) == "2 failed, 1 queued"
        assert client.job(last)["EndTime"] == ""
        async with Bench(flashes["away"]) as away:
            await away.until(lambda: client.job(last)["EndTime"])
    expected = [
        (command, "failed" if "fail" in command or "no-such" in command else "succeeded", 1) for command in commands
    ]
    for name in names:
        assert ran(site, name) == expected
    assert [result(client, job) for job in (first, failing, last)] == ["3 succeeded", "3 failed", "3 succeeded"]
    assert {each["Result"] for each in client.children(first)} == {"blinks-1-2\n2"}
    assert {each["Result"] for each in client.children(failing)} == {"failed (exit code 3)"}
    (told,) = {each["Result"] for each in client.children(unknown)}
    assert told.startswith("failed (exit code 127): ") and "blink" in told and "uname" in told


async def test_board_that_loses_power_in_a_job_runs_it_again_and_then_the_next(site: Site) -> None:
    flash, client = flash_of(site, "kettle-7"), SocketXP(site.server)
    async with Bench(flash) as bench:
        await connected(site, bench)
        job = client.submit(client.workflow("simmer"), DeviceId="kettle-7")
        after = client.submit(client.workflow("blink"), DeviceId="kettle-7")
        await bench.until(lambda: "boils" in children(site, job)[0]["output"])
    assert (result(client, job), client.job(after)["StartTime"]) == ("", "")
    async with Bench(flash) as bench:
        let_it_end(bench)
        await bench.until(lambda: client.job(after)["EndTime"])
    assert result(client, job) == "boils\noff"
    assert ran(site, "kettle-7") == [("simmer", "succeeded", 2), ("blink", "succeeded", 1)]


async def test_job_that_is_deleted_while_a_board_runs_it_stops_there(site: Site) -> None:
    client = SocketXP(site.server)
    async with Bench(flash_of(site, "kettle-7")) as bench:
        await connected(site, bench)
        job = client.submit(client.workflow("boil 600"), DeviceId="kettle-7")
        after = client.submit(client.workflow("blink"), DeviceId="kettle-7")
        await bench.until(lambda: "boils" in children(site, job)[0]["output"])
        assert client.call("DELETE", f"/job/{job}").status == 200
        await bench.until(lambda: client.job(after)["EndTime"])
    assert ran(site, "kettle-7") == [("boil 600", "cancelled", 1), ("blink", "succeeded", 1)]
    assert client.listed() == [after]


def children(site: Site, job: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = site.server.api("GET", f"/jobs/{job}/children").json["items"]
    return listed
