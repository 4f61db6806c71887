"""When devices are told to come back, and what becomes of more of them than the server can serve."""

from contextlib import ExitStack

import pytest

from twinslot_host.config import DEVICE_REQUESTS_LIMIT
from twinslot_host.errors import Busy
from twinslot_host.pacing import Pacing

from .clients import NO_PACKAGES


def polls(pacing: Pacing, times: int = 1000) -> list[int]:
    return [pacing.poll_s(1000) for _ in range(times)]


def test_devices_are_told_to_come_back_a_tenth_earlier_or_later_than_their_group_says(shared):
    group = shared.group()
    shared.api("PATCH", f"/groups/{group['id']}", {"poll_s": 10_000})
    boards = [shared.board(group, f"spread-{number}") for number in range(8)]
    told = {board.check().poll_s for board in boards}
    assert len(told) > 1
    assert all(9_000 <= each <= 12_000 for each in told)


def test_interval_grows_to_five_times_with_the_requests_in_progress():
    pacing = Pacing()
    idle = polls(pacing)
    with ExitStack() as busy:
        for _ in range(DEVICE_REQUESTS_LIMIT // 2):
            busy.enter_context(pacing.request())
        half = polls(pacing)
        for _ in range(DEVICE_REQUESTS_LIMIT // 2):
            busy.enter_context(pacing.request())
        full = polls(pacing)
    assert [(min(each) >= 900, max(each) <= 1100) for each in (idle, polls(pacing))] == [(True, True)] * 2
    assert (min(half) >= 2700, max(half) <= 3300, min(full) >= 4500, max(full) <= 5500) == (True,) * 4
    assert min(Pacing().poll_s(1) for _ in range(100)) == 1


def test_requests_beyond_the_limit_are_refused_and_those_that_are_held_do_not_count():
    pacing = Pacing()
    with ExitStack() as busy:
        for _ in range(DEVICE_REQUESTS_LIMIT):
            busy.enter_context(pacing.request())
        waits = set()
        for _ in range(200):
            with pytest.raises(Busy) as refused, pacing.request():
                pass
            waits.add(refused.value.wait_s)
        assert (min(waits) >= 5, max(waits) <= 60, len(waits) > 20) == (True, True, True)
        with pacing.held(), pacing.request():
            assert pacing.in_progress == DEVICE_REQUESTS_LIMIT
    assert pacing.in_progress == 0


def test_request_that_failed_counts_no_longer_and_one_whose_hold_failed_counts_again():
    pacing = Pacing()
    with pytest.raises(ConnectionError), pacing.request():
        with pytest.raises(ConnectionError), pacing.held():
            assert pacing.in_progress == 0
            raise ConnectionError
        assert pacing.in_progress == 1
        raise ConnectionError
    assert pacing.in_progress == 0


def test_device_is_answered_503_before_it_is_looked_at_and_management_as_ever(start):
    server = start(bounds={"DEVICE_REQUESTS_LIMIT": 0})
    group = server.group()
    forged = {"Authorization": "nothing that any device would send"}
    for answer in (server.board(group).check(), server.request("POST", "/device/v1/check", b"{", forged)):
        assert (answer.status, answer.headers["Authentication-Info"], answer.json["status"]) == (503, None, 503)
        assert 5 <= int(answer.headers["Retry-After"]) <= 60
    assert server.api("GET", "/devices").json["total"] == 0
    assert server.api("PATCH", f"/groups/{group['id']}", {"poll_s": 5}).status == 200


def test_held_check_in_takes_no_other_devices_place(start):
    server = start(bounds={"DEVICE_REQUESTS_LIMIT": 1})
    group = server.group()
    held = []
    for number in range(3):
        board = server.board(group, f"board-{number}")
        board.inventory([], NO_PACKAGES)
        held.append(board.waiting())
    assert [each.is_over for each in held] == [False] * 3
    assert (server.counted("held_check_ins"), server.counted("device_requests")) == (3, 0)
    server.api("POST", "/jobs", {"name": "all", "command": "date", "group": group["id"]})
    assert [each.answer().json["operation"]["attempt"] for each in held] == [1, 1, 1]


def test_held_check_ins_that_were_woken_wait_for_their_turn_and_others_do_not(start):
    server = start(bounds={"WOKEN_AT_ONCE": 0})
    group = server.group()
    waiting, other = (server.board(group, f"board-{number}") for number in range(2))
    waiting.inventory([], NO_PACKAGES)
    held = waiting.waiting()
    other.check()
    server.api("POST", "/jobs", {"name": "all", "command": "date", "group": group["id"]})
    assert other.work()["attempt"] == 1
    states = [server.api("GET", f"/devices/board-{number}/queue").json["items"][0]["state"] for number in range(2)]
    assert (states, held.is_over) == (["queued", "sent"], False)
