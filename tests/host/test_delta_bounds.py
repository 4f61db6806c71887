"""What one account, and one device's key, can make the server do about deltas: never more than its part."""

import os
import random

from .clients import until
from .deltas import (
    FOURTH,
    LARGE,
    NEW,
    NOISE,
    OLD,
    OTHER,
    PATIENCE_S,
    QUICK,
    THIRD,
    Stuck,
    artifact,
    came,
    carried,
    fill,
    logged,
    made,
    neighbour,
    publish,
    running,
    runs,
    set_limit,
    sha256,
    theirs,
    workers,
)
from .samples import make_image
from .scene import left, rows
from .socketxp import change

DAY_MS = 24 * 3600 * 1000


def half_new(seed: int) -> bytes:
    """An image whose delta against OLD is more than half as large as it is whole."""
    return make_image(NOISE[:80_000] + random.Random(seed).randbytes(120_000))


def age(server, by_ms: int) -> None:
    """What is known of transfers was so longer ago."""
    change(server, "UPDATE transfers SET at_ms = at_ms - ?", by_ms)


def order(server) -> list[tuple[str, str]]:
    """Image and base of the deltas, in the order in which they were made."""
    return [(row["image"], row["base"]) for row in rows(server.data)["transfers"] if row["base"]]


def test_delta_of_another_account_comes_before_the_second_of_one_that_asked_first(start):
    stuck = Stuck(start(bounds=QUICK))
    server = stuck.server
    stuck.worker()
    for number, image in ((3, THIRD), (4, FOURTH)):
        assert server.publish(image, f"1.{number}.0").status == 201
        stuck.board.check()
    account = neighbour(server)
    runs(server.board(theirs(account, OTHER, OTHER), "board-2"), OTHER, account=account).check()
    stuck.let_go()
    came(server, {"made": 4})
    pairs = [(NEW, OLD), (OTHER, OTHER), (THIRD, OLD), (FOURTH, OLD)]
    assert order(server) == [(sha256(image), sha256(base)) for image, base in pairs]


def test_wish_that_finds_no_place_is_told_again_later(start):
    stuck = Stuck(start(bounds=QUICK | {"DELTAS_WAITING": 1}))
    server = stuck.server
    stuck.worker()
    assert server.publish(THIRD, "1.3.0").status == 201
    stuck.board.check()
    stuck.let_go()
    came(server, {"made": 1})
    assert made(server) == {(sha256(NEW), sha256(OLD))}
    stuck.board.check()
    came(server, {"made": 2})
    assert made(server) == {(sha256(NEW), sha256(OLD)), (sha256(THIRD), sha256(OLD))}


def test_base_that_few_devices_run_is_looked_at_again_after_the_same_time_until_more_do(start):
    server = start(bounds=QUICK | {"DELTA_BASES": 1, "DELTA_AGAIN_S": 10 * 24 * 3600})
    group = server.group()
    publish(server, OLD, THIRD, NEW)
    boards = [running(server, OLD, group, f"old-{number}") for number in range(2)]
    for board in boards:
        board.check()
    rare = runs(server.board(group, "rare"), THIRD, "1.2.0")
    assert carried(server, rare.offer()) == NEW
    came(server, {"made": 1, "rare": 1})
    for count in (2, 3, 4):
        age(server, 10 * DAY_MS)
        rare.check()
        came(server, {"made": 1, "rare": count})
    for board in boards:
        assert server.api("DELETE", f"/devices/{board.device}").status == 204
    age(server, 10 * DAY_MS)
    rare.check()
    came(server, {"rare": 4, "made": 2})
    assert made(server) == {(sha256(NEW), sha256(OLD)), (sha256(NEW), sha256(THIRD))}


def test_base_that_no_release_has_any_more_is_left_alone(server):
    publish(server, OLD)
    board = running(server, OLD)
    board.check(version="1.1.5", confirmed_version="1.1.5")
    assert server.api("DELETE", "/applications/kettle/releases/1.1.0").status == 204
    assert server.publish(NEW, "1.2.0").status == 201
    assert carried(server, board.offer()) == NEW
    came(server, {"rare": 1})
    assert left(server.data) == [sha256(NEW)]


def test_bytes_of_an_account_are_bounded_and_what_is_not_offered_any_more_makes_room(start):
    server = start()
    publish(server, OLD, half_new(3))
    board = running(server, OLD)
    board.check()
    came(server, {"made": 1})
    (first,) = [row for row in rows(server.data)["transfers"] if row["base"]]
    server.stop()
    server = board.server = start(bounds=QUICK | {"DELTA_ACCOUNT_BYTES": 2 * first["size"] - 1000})
    later = half_new(4)
    assert server.publish(later, "1.3.0").status == 201
    artifact(server, OLD).unlink()  # so that a process for the delta would fail: there is to be none
    board.check()
    came(server, {"no_room": 1})
    artifact(server, OLD).write_bytes(OLD)
    account = neighbour(server)
    runs(server.board(theirs(account, OTHER, OTHER), "board-2"), OTHER, account=account).check()
    came(server, {"no_room": 1, "made": 1})
    age(server, DAY_MS)
    assert carried(server, board.offer()) == later
    came(server, {"no_room": 1, "made": 2})
    assert made(server) == {(sha256(later), sha256(OLD)), (sha256(OTHER), sha256(OTHER))}
    assert not (server.data / "artifacts" / first["sha256"][:2] / first["sha256"]).exists()
    assert carried(server, board.offer(), OLD) == later


def test_delta_that_finds_the_room_taken_when_it_is_done_waits_for_room(start):
    server = start(bounds=QUICK)
    publish(server, OLD, half_new(3))
    board = running(server, OLD)
    board.check()
    came(server, {"made": 1})
    (first,) = [row for row in rows(server.data)["transfers"] if row["base"]]
    server.stop()
    server = board.server = start(bounds=QUICK | {"DELTA_ACCOUNT_BYTES": 2 * first["size"] - 1000})
    age(server, DAY_MS)
    assert server.publish(half_new(4), "1.3.0").status == 201
    base = artifact(server, OLD)
    base.unlink()
    os.mkfifo(base)
    board.check()
    until(lambda: len(workers(server)) == 1, PATIENCE_S)
    age(server, -DAY_MS)
    with base.open("wb") as pipe:
        pipe.write(OLD)
    came(server, {"no_room": 1})
    assert made(server) == {(sha256(half_new(3)), sha256(OLD))}


def test_delta_that_is_offered_to_nobody_goes_after_a_month_and_one_that_is_offered_stays(start):
    server = start(bounds=QUICK | {"PRUNE_S": 0.05})
    group = server.group()
    publish(server, OLD, THIRD, NEW)
    boards = [running(server, OLD, group), runs(server.board(group, "board-2"), THIRD, "1.2.0")]
    for count, board in enumerate(boards, start=1):
        board.check()
        came(server, {"made": count})
    age(server, 29 * DAY_MS)
    assert carried(server, boards[0].offer(), OLD) == NEW
    age(server, DAY_MS + 60_000)
    until(lambda: made(server) == {(sha256(NEW), sha256(OLD))})
    until(lambda: len(list((server.data / "artifacts").glob("??/*"))) == len([OLD, THIRD, NEW]) * 2 + 1)
    assert carried(server, boards[0].offer(), OLD) == NEW
    assert carried(server, boards[1].offer()) == NEW
    assert "making the transfer" not in server.stop()


def test_pair_that_failed_rests_longer_each_time_and_over_a_restart(start):
    bounds = QUICK | {"DELTA_AGAIN_S": 10 * 24 * 3600}
    server = start(bounds=bounds)
    publish(server, OLD, THIRD, FOURTH, NEW)
    group = server.group()
    board = running(server, OLD, group)
    others = [runs(server.board(group, f"board-{n}"), image, f"1.{n}.0") for n, image in ((2, THIRD), (3, FOURTH))]
    artifact(server, OLD).unlink()
    board.check()
    came(server, {"failed": 1})
    server.stop()
    server = board.server = others[0].server = others[1].server = start(bounds=bounds)
    board.check()
    others[0].check()  # whose turn comes after the board's
    came(server, {"made": 1})
    age(server, 10 * DAY_MS)
    board.check()
    came(server, {"failed": 1, "made": 1})
    age(server, 10 * DAY_MS)
    board.check()
    others[1].check()
    came(server, {"failed": 1, "made": 2})
    age(server, 10 * DAY_MS)
    artifact(server, OLD).write_bytes(OLD)
    board.check()
    came(server, {"failed": 1, "made": 3})
    assert carried(server, board.offer(), OLD) == NEW


def test_full_disk_keeps_the_delta_out_for_a_while_and_offers_go_on(start):
    server = start()
    publish(server, OLD, LARGE)
    board = running(server, OLD)
    server.stop()  # which leaves an empty log of the database
    server = board.server = start()
    fill(server)
    assert carried(server, board.offer()) == LARGE
    came(server, {"failed": 1})
    assert set(left(server.data)) == {sha256(LARGE), sha256(OLD)}
    set_limit(server)
    age(server, 601_000)
    board.check()
    came(server, {"failed": 1, "made": 1})
    assert carried(server, board.offer(), OLD) == LARGE
    assert "disk is full" in server.stop()


def test_disk_that_is_too_full_to_remember_a_failure_does_not_end_the_making_of_deltas(start):
    stuck = Stuck(start(bounds=QUICK))
    server = stuck.server
    stuck.worker()
    set_limit(server, 1)
    stuck.let_go()
    logged(server, "a round over held check-ins")
    set_limit(server)
    stuck.board.check()
    came(server, {"made": 1})
    assert carried(server, stuck.board.offer(), OLD) == NEW
