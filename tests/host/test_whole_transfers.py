"""Transfers without a base: none of a release is offered before it is there."""

import os
import re
import resource
from pathlib import Path

import pytest

from .clients import until
from .deltas import (
    LARGE,
    NEW,
    OLD,
    PATIENCE_S,
    artifact,
    carried,
    fill,
    logged,
    neighbour,
    publish,
    set_limit,
    sha256,
    theirs,
)
from .scene import rows
from .socketxp import change

WAITS = "its image's transfer is not made yet; where that goes wrong, the server's log says why"


@pytest.fixture
def earlier(start):
    """A server that has stopped, with two releases and no transfer of them, as an earlier version left it."""
    server = start()
    publish(server, OLD, NEW)
    server.kettles = server.group()
    server.stop()
    change(server, "DELETE FROM transfers")
    return server


def reasons(server) -> dict[str, str]:
    explained = server.api("GET", "/devices/board-1/explain").json
    return {each["version"]: each["reason"] for each in explained["releases"]}


def carried_images(server) -> set[str]:
    """The images that have a transfer."""
    return {row["image"] for row in rows(server.data)["transfers"]}


def test_server_answers_while_it_makes_old_images_transfers_and_wakes_who_waits_for_one(earlier, start):
    first = artifact(earlier, min((OLD, NEW), key=sha256))
    image = first.read_bytes()
    first.unlink()
    os.mkfifo(first)
    server = start()
    board = server.board(earlier.kettles)
    board.inventory([])
    waiting = board.waiting()
    assert not waiting.is_over
    assert reasons(server) == {"1.2.0": WAITS, "1.1.0": WAITS}
    with first.open("wb") as pipe:
        spare = first.with_name("spare")
        spare.write_bytes(image)
        spare.rename(first)
        pipe.write(image)
    assert carried(server, waiting.answer().json["offer"]) in (OLD, NEW)
    until(lambda: carried_images(server) == {sha256(OLD), sha256(NEW)}, PATIENCE_S)
    assert carried(server, board.offer()) == NEW
    log = server.stop()
    assert ", 1 of 2" in log
    assert ", 2 of 2" in log


def test_image_that_is_damaged_is_offered_to_nobody_and_the_others_are(earlier, start):
    artifact(earlier, NEW).unlink()
    server = start()
    board = server.board(earlier.kettles)
    until(lambda: carried_images(server) == {sha256(OLD)}, PATIENCE_S)
    assert carried(server, board.offer()) == OLD
    assert board.offer(version="1.1.0") is None
    assert reasons(server) == {"1.2.0": WAITS, "1.1.0": "the device runs this version"}
    assert f"no device can take {sha256(NEW)}" in server.stop()


def test_image_that_takes_more_memory_than_there_is_does_not_hide_those_behind_it(start):
    server = start(bounds={"PRUNE_S": 1})
    publish(server, OLD, NEW)
    first, behind = sorted((OLD, NEW), key=sha256)
    os.truncate(artifact(server, first), 4 << 30)
    (size_bytes,) = re.findall(r"VmSize:\s+(\d+) kB", Path(f"/proc/{server.process.pid}/status").read_text())
    limit_bytes = int(size_bytes) * 1024 + (2 << 30)
    resource.prlimit(server.process.pid, resource.RLIMIT_AS, (limit_bytes, limit_bytes))
    change(server, "DELETE FROM transfers")
    until(lambda: carried_images(server) == {sha256(behind)}, PATIENCE_S)
    logged(server, f"no device can take {sha256(first)}", "MemoryError")
    assert carried(server, server.board(server.group()).offer()) == behind


def test_image_that_finds_no_room_has_its_transfer_when_there_is_some(start):
    server = start()
    publish(server, LARGE)
    group = server.group()
    server.stop()  # which leaves an empty log of the database
    server = start(bounds={"PRUNE_S": 0.1})
    fill(server)
    change(server, "DELETE FROM transfers")
    board = server.board(group)
    assert board.offer() is None
    assert reasons(server) == {"1.1.0": WAITS}
    logged(server, "no device can take ", "disk is full")
    set_limit(server)
    until(lambda: carried_images(server) == {sha256(LARGE)}, PATIENCE_S)
    assert carried(server, board.offer()) == LARGE


def test_transfer_of_another_account_that_has_the_image_does_not_count(server):
    publish(server, OLD)
    account = neighbour(server)
    group = theirs(account, OLD)
    change(server, "DELETE FROM transfers WHERE account_id = ?", account.id)
    assert server.board(group, "board-2").offer() is None
    assert carried(server, server.board(server.group()).offer()) == OLD
