"""Operations on a real board, ordered by the real server: what verbs say, how they end, and what a reset leaves."""

from __future__ import annotations

import re

import pytest

from .configuring import Kettle
from .conftest import Site
from .lab import Bench, app_image
from .working import connected, done, held, image, let_it_end, operation, outcome, submit

# What they take here: 2 KiB of code, and the next doubling of MicroPython's table of names. The simulator's stand-ins
# have 170 in it, many of which a chip has in ROM: a board comes to that later.
BUNDLES_BYTES = 6_720
HEAP_BEFORE_OPERATIONS = 75_920 - BUNDLES_BYTES  # free on an idle board with that application, when there were none
BIG = "".join(f"line {n} of a long text\n" for n in range(500)).encode()
LINES = [
    ("date", r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d UTC 20\d\d\n"),
    ("uname", r"MicroPython kettle-7 1\.\d+\.\d+ kettle 1\.0\.0 \(slot 0\) .+\n"),
    ("uptime", r"\d\d:\d\d:\d\d up 0 days,  0:0\d\n"),
    ("free", r" +total +used +free\nheap +1\d{5} +\d+ +\d+\n"),
    ("df", r"1K-blocks +Used +Free +Use%  Mounted on\n +960 +\d+ +\d+ +\d+%  /\n"),
    ("ls", r"\.frozen\nbig\.txt\nboot\.py\ncode\.py\nlib\nmain\.py\ntwinslot\.json\n"),
    ("ls -l big.txt", rf"- +{len(BIG)} \d{{4}}-\d\d-\d\d \d\d:\d\d /big\.txt\n"),
    ("cat big.txt", re.escape(BIG.decode())),
    ("ping-server", r"http://127\.0\.0\.1:\d+: answered in \d+ ms\n"),
    ("update", r"1\.0\.0 runs; the server is asked for an update next\n"),
    ("python code.py 'one word' two", r"\['/code\.py', 'one word', 'two'\] __main__\n"),
    ("exec 'print(agent.state)'", r"working\n"),
    ("blink 1 '2 3'", r"blinks-1-2 3\n2\n"),
    ("odd", "\N{REPLACEMENT CHARACTER}\\[31m\N{REPLACEMENT CHARACTER}\t\u20ac\U0001f4a7\\?\n"),
]
FAILURES = [
    ("fail", 1, r'Traceback[^$]+app\.py", line \d+, in fail\nValueError: the kettle is empty\n'),
    ("fail 3", 3, ""),
    ("frob", 127, r"no verb frob; there are: blink, boil, cat, .+, uptime\n"),
    ("ls | cat", 2, r"'\|' outside quotes: there is no shell here\n"),
    ("cat nothing", 1, r"cat: /nothing: no such file or folder\n"),
    ("cat lib/../twinslot.json", 1, r"/twinslot\.json has the board's key in it, and is not shown\n"),
    ("python ./twinslot.json", 1, r"/twinslot\.json has the board's key in it, and is not shown\n"),
]


async def test_each_verb_says_what_people_know_it_to_say(site: Site) -> None:
    files = {"/big.txt": BIG, "/code.py": b"import sys\nprint(sys.argv, __name__)\n"}
    async with Bench(site.flash(start=image(), wait_s=60, files=files, allow_exec=True)) as bench:
        await connected(site, bench)
        for command, output in LINES:
            ended = await done(site, bench, command)
            told = ended["state"], ended["exit_code"], ended["errors"], ended["reason"], ended["cut"]
            assert told == ("succeeded", 0, "", "", False), (command, told)
            assert re.fullmatch(output, ended["output"]), (command, ended["output"])
        for command, exit_code, errors in FAILURES:
            ended = await done(site, bench, command)
            assert (ended["state"], ended["exit_code"], ended["output"]) == ("failed", exit_code, ""), command
            assert ended["reason"], command
            assert re.fullmatch(errors, ended["errors"]), (command, ended["errors"])
        poured = await done(site, bench, "pour 2")
    assert poured["output"] == f"litre 1\nlitre 2\n{poured['id']} 1\n"
    assert poured["errors"] == "overflow\n"
    assert "\nprinted beside\n" in bench.log
    assert "litre" not in bench.log


async def test_output_beyond_the_bound_is_cut_unless_the_verb_lets_the_agent_tell_it(site: Site) -> None:
    async with Bench(site.flash(start=image(), wait_s=60)) as bench:
        await connected(site, bench)
        whole = "".join(f"{n:07} {'x' * 55}\n" for n in range(100))
        told = await done(site, bench, "spring 100")
        assert (told["output"], told["cut"]) == (whole, False)
        flooded = await done(site, bench, "flood 100")
        assert (flooded["output"], flooded["cut"], flooded["state"]) == (whole[:4096], True, "succeeded")


async def test_board_without_operations_keeps_its_ram(kettle: Kettle) -> None:
    async with Bench(kettle.flash()) as bench:
        await bench.until(lambda: len(kettle.server.checks) > 2)
    free = [check["free_heap"] for check in kettle.server.checks]
    assert min(free) > HEAP_BEFORE_OPERATIONS - 3072, free


async def test_verb_that_is_stopped_or_out_of_time_ends_and_the_next_one_runs(site: Site) -> None:
    async with Bench(site.flash(start=image(), wait_s=60)) as bench:
        await connected(site, bench)
        boiling, late, last = submit(site, "boil 600"), submit(site, "boil 600", timeout=1), submit(site, "blink")
        await bench.until(lambda: operation(site, boiling)["output"] == "boils\n")
        assert site.server.api("POST", f"/operations/{boiling}/cancel").status == 200
        stopped, timed_out, ran = [await outcome(site, bench, each) for each in (boiling, late, last)]
    assert (stopped["state"], stopped["output"]) == ("cancelled", "boils\noff\n")
    assert (timed_out["state"], timed_out["output"]) == ("timed out", "boils\noff\n")
    assert (timed_out["exit_code"], timed_out["reason"]) == (None, "not over within 1 s")
    assert (ran["state"], ran["attempt"]) == ("succeeded", 1)
    assert bench.board.boots == 1


@pytest.mark.parametrize(("how", "cause"), [("reset", 2), ("hang", 3)])
async def test_operation_that_a_reset_ended_runs_again_and_shows_one_run(site: Site, how: str, cause: int) -> None:
    async with Bench(site.flash(start=image(), wait_s=60)) as bench:
        await connected(site, bench)
        id = submit(site, f"crash {how}", timeout=25)
        await bench.until(lambda: operation(site, id)["output"] == "run 1\n")
        ended = await outcome(site, bench, id)
    assert (ended["state"], ended["attempt"], ended["output"]) == ("succeeded", 2, "run 2\n")
    assert bench.log.count(f"runs, as boot {cause}") == 1
    assert bench.board.boots == 2


async def test_reboot_is_told_after_the_boot_and_the_queue_goes_on(site: Site) -> None:
    async with Bench(site.flash(start=image(), wait_s=60)) as bench:
        await connected(site, bench)
        first, second = submit(site, "reboot"), submit(site, "uptime")
        rebooted, after = await outcome(site, bench, first), await outcome(site, bench, second)
    assert (rebooted["state"], rebooted["attempt"]) == ("succeeded", 1)
    assert rebooted["output"] == "restarted: reset cause 2\n"
    assert (after["state"], after["attempt"]) == ("succeeded", 1)
    assert bench.board.boots == 2


async def test_server_that_restarts_in_the_middle_of_an_operation_gets_all_of_it(site: Site) -> None:
    async with Bench(site.flash(start=image(), wait_s=60)) as bench:
        await connected(site, bench)
        id = submit(site, "simmer")
        await bench.until(lambda: operation(site, id)["output"] == "boils\n")
        site.kill()
        await bench.says("twinslot: connection")
        site.start()
        let_it_end(bench)
        ended = await outcome(site, bench, id)
    assert (ended["state"], ended["attempt"], ended["cut"]) == ("succeeded", 1, False)
    assert ended["output"] == "boils\noff\n"


async def test_held_check_in_brings_an_operation_and_a_release(site: Site) -> None:
    async with Bench(site.flash(start=image(), wait_s=300, poll_s=300)) as bench:
        await held(site, bench)
        before = site.server.counted("check_ins_total")
        id = submit(site, "boil 1")
        await bench.until(lambda: operation(site, id)["state"] in ("sent", "running"))
        assert site.server.counted("check_ins_total") == before
        await outcome(site, bench, id)
        before += 1
        await bench.until(lambda: site.server.counted("check_ins_total") == before)
        await held(site, bench)
        site.publish(app_image("1.1.0"), "1.1.0")
        await bench.says("downloading 1.1.0")
        assert site.server.counted("check_ins_total") == before
        await bench.confirmed("1.1.0")
