"""The process that makes a delta: one at a time, beside all else, and gone with the server."""

import os
import signal

import pytest

from .clients import until
from .deltas import (
    NEW,
    OLD,
    OTHER,
    PATIENCE_S,
    QUICK,
    THIRD,
    Stuck,
    artifact,
    came,
    carried,
    publish,
    running,
    sha256,
    workers,
)
from .scene import left, rows


@pytest.fixture
def stuck(start) -> Stuck:
    found = Stuck(start(bounds=QUICK))
    found.worker()
    return found


def test_deltas_are_made_one_after_the_other(stuck):
    server = stuck.server
    assert server.publish(THIRD, "1.3.0").status == 201
    for _ in range(2):
        assert carried(server, stuck.board.offer()) == THIRD
    assert len(workers(server)) == 1
    stuck.let_go()
    came(server, {"made": 2})
    assert carried(server, stuck.board.offer(), OLD) == THIRD


def test_process_that_makes_a_delta_gives_way_to_all_others(start):
    stuck = Stuck(start(bounds={}))
    worker = stuck.worker()
    until(lambda: os.getpriority(os.PRIO_PROCESS, worker) == 19, PATIENCE_S)
    stuck.let_go()
    came(stuck.server, {"made": 1})


def test_process_that_is_killed_is_started_anew(stuck):
    stuck.kill()
    came(stuck.server, {"failed": 1})
    stuck.mend()
    assert carried(stuck.server, stuck.board.offer()) == NEW
    came(stuck.server, {"failed": 1, "made": 1})
    assert carried(stuck.server, stuck.board.offer(), OLD) == NEW


def test_process_that_takes_too_long_is_ended(start):
    stuck = Stuck(start(bounds=QUICK | {"DELTA_S": 1}))
    came(stuck.server, {"failed": 1})
    assert workers(stuck.server) == []
    assert carried(stuck.server, stuck.board.offer()) == NEW
    assert "it took more than 1 s" in stuck.server.stop()


def test_failure_is_logged_while_offers_and_other_deltas_go_on(start):
    server = start(bounds=QUICK)
    publish(server, OLD, NEW)
    board = running(server, OLD)
    artifact(server, OLD).unlink()
    for count in (1, 2, 3, 4):
        assert carried(server, board.offer()) == NEW
        came(server, {"failed": count})
    publish(server, OTHER, app="toaster")
    toaster = running(server, OTHER, server.group(app="toaster"), "board-2")
    assert server.publish(OTHER, "1.2.0", "toaster").status == 201
    toaster.check()
    came(server, {"failed": 4, "made": 1})
    log = server.stop()
    assert log.count(f"the transfer of {sha256(NEW)} against {sha256(OLD)} could not be made: its process ended") == 4
    assert "No such file" in log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_server_that_ends_takes_the_process_with_it_and_leaves_no_half_file(stuck, start, number):
    stuck.server.process.send_signal(number)
    assert stuck.server.process.wait() == {signal.SIGTERM: 0, signal.SIGKILL: -number}[number]
    until(lambda: not workers(stuck.server), PATIENCE_S)
    stuck.mend()
    stuck.board.server = again = start()
    assert set(left(again.data)) == {sha256(OLD), sha256(NEW)}
    stuck.board.check()
    came(again, {"made": 1})
    assert carried(again, stuck.board.offer(), OLD) == NEW


def test_delta_of_an_image_that_is_deleted_meanwhile_is_not_kept(stuck):
    server = stuck.server
    assert server.api("DELETE", "/devices/board-1").status == 204
    with stuck.base.open("wb") as pipe:
        assert server.api("DELETE", "/applications/kettle/releases/1.1.0").status == 204
        pipe.write(OLD)
    came(server, {"made": 1})
    until(lambda: left(server.data) == [sha256(NEW)])
    assert [(row["image"], row["base"]) for row in rows(server.data)["transfers"]] == [(sha256(NEW), "")]
