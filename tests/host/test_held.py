"""Check-ins that are held open: answered as soon as there is something, and never with what was already lost."""

import http.client
import json
import secrets
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import aiosqlite
import pytest

from twinslot_host.flows import rounds
from twinslot_host.store import release_filters

from .clients import NO_PACKAGES, Board, Server, until
from .inside import clocked
from .samples import make_image


def enrolled(server: Server, group: dict | None = None, app: str = "kettle") -> Board:
    """A board that is known, and has told that it has no packages."""
    board = server.board(group or server.group(app=app), f"held-{secrets.token_hex(4)}")
    board.inventory([], NO_PACKAGES)
    return board


def submit(board: Board, command: str = "date") -> None:
    answer = board.server.api("POST", "/jobs", {"name": "job", "command": command, "device": board.device})
    assert answer.status == 201, answer.body


def queue(board: Board) -> list[tuple[str, int]]:
    listed = board.server.api("GET", f"/devices/{board.device}/queue").json["items"]
    return [(each["state"], each["attempt"]) for each in listed]


def connected(board: Board) -> bool:
    return board.server.api("GET", f"/devices/{board.device}").json["connected"]


def test_operation_reaches_the_device_whose_check_in_is_held(shared):
    board, other = enrolled(shared), enrolled(shared)
    held, others = board.waiting(), other.waiting()
    assert (connected(board), held.is_over) == (True, False)
    submit(board, "echo hello")
    assert held.answer().json["operation"]["command"] == "echo hello"
    assert (queue(board), others.is_over) == ([("sent", 1)], False)
    submit(other)
    assert others.answer().status == 200


def test_publish_reaches_every_device_whose_check_in_is_held_and_that_may_have_it(start):
    server = start()
    group = server.group()
    boards, elsewhere = [enrolled(server, group) for _ in range(5)], enrolled(server, app="toaster")
    held, apart = [board.waiting() for board in boards], elsewhere.waiting()
    assert server.publish(make_image()).status == 201
    assert [each.answer().json.keys() for each in held] == [{"offer"}] * 5
    assert apart.is_over is False
    assert server.counted("held_check_ins") == 1
    server.stop()
    answer = apart.answer()
    assert (answer.status, answer.poll_s > 20) == (204, True)


def test_release_that_a_tag_lets_through_reaches_the_device_that_is_given_the_tag(start):
    server = start()
    board = enrolled(server)
    wanted = {"name": "beta", "predicate": {"tags": ["beta"]}}
    made = server.api("POST", "/filters", wanted)
    assert made.status == 201, made.body
    targeted = server.publish(make_image(), strategy="targeted", filters=[{"filter": made.json["id"]}])
    assert targeted.status == 201, targeted.body
    held = board.waiting()
    assert held.is_over is False
    assert server.api("PATCH", f"/devices/{board.device}", {"tags": ["beta"]}).status == 200
    assert held.answer().json.keys() == {"offer"}


def test_release_whose_rollout_date_comes_reaches_the_device_whose_check_in_is_held(data, monkeypatch):
    monkeypatch.setattr(rounds, "HELD_SWEEP_S", 0.02)
    with clocked(data) as server:
        board = enrolled(server)
        made = server.api("POST", "/filters", {"name": "all", "predicate": {}}).json["id"]
        begin = datetime.fromtimestamp(server.clock.now_s + 100, UTC).isoformat()
        aims = [{"filter": made, "rollout_at": begin}]
        assert server.publish(make_image(), strategy="targeted", filters=aims).status == 201
        held = board.waiting()
        server.clock.now_s += 99
        time.sleep(0.2)  # ten looks
        assert held.is_over is False
        server.clock.now_s += 1
        assert held.answer().json.keys() == {"offer"}


async def test_rollout_date_is_noticed_by_the_one_look_that_it_falls_into(shared):
    shared.group(app="noticed")
    made = shared.api("POST", "/filters", {"name": "noticed", "predicate": {}}).json["id"]
    aims = [{"filter": made, "rollout_at": "2100-01-01T00:00:00Z"}]
    assert shared.publish(make_image(), app="noticed", strategy="targeted", filters=aims).status == 201
    at_ms = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp()) * 1000
    looks = [(at_ms - 2, at_ms - 1), (at_ms - 1, at_ms), (at_ms, at_ms + 1)]
    async with aiosqlite.connect(shared.data / "twinslot.db") as db:
        db.row_factory = sqlite3.Row
        assert [len(await release_filters.let_through(db, *look)) for look in looks] == [0, 1, 0]


def test_check_in_whose_time_is_over_is_answered_204_with_poll_0(shared):
    board = enrolled(shared)
    answer = board.waiting(1).answer()
    assert (answer.status, answer.poll_s) == (204, 0)
    answer = board.waiting(0).answer()
    assert (answer.status, answer.poll_s > 20) == (204, True)


def test_next_check_in_of_a_device_ends_the_one_that_was_held(shared):
    board = enrolled(shared)
    first = board.waiting()
    second = board.waiting()
    answer = first.answer()
    assert (answer.status, answer.poll_s > 20, second.is_over) == (204, True, False)
    submit(board)
    assert second.answer().json["operation"]["attempt"] == 1
    assert queue(board) == [("sent", 1)]


def test_held_check_in_whose_token_was_revoked_gets_nothing(shared):
    group = shared.group()
    board = enrolled(shared, group)
    held = board.waiting()
    assert shared.api("POST", f"/groups/{group['id']}/tokens/rotate", {"grace_s": 0}).status in (200, 201)
    submit(board)
    assert (held.answer().status, queue(board)) == (401, [("queued", 0)])


def test_held_check_in_of_a_deleted_device_ends_with_nothing(shared):
    board = enrolled(shared)
    held = board.waiting()
    assert shared.api("DELETE", f"/devices/{board.device}").status == 204
    assert held.answer().status == 204


def gone(board: Board) -> None:
    """The board's check-in is held, and then its connection ends."""
    before = board.server.counted("check_ins_total")
    body = json.dumps(board.told | {"wait": 60}).encode()
    board.seq += 1
    connection = http.client.HTTPConnection("127.0.0.1", board.server.port)
    connection.request("POST", "/device/v1/check", body, board.signed("POST", "/device/v1/check", body))
    until(lambda: board.server.counted("check_ins_total") > before)
    assert (connected(board), board.server.counted("held_check_ins")) == (True, 1)
    connection.close()
    until(lambda: not connected(board))


def test_connection_that_is_gone_gets_nothing_and_marks_nothing(start):
    server = start(bounds={"HELD_SWEEP_S": 3600})
    board = enrolled(server)
    gone(board)
    submit(board)
    until(lambda: server.counted("held_check_ins") == 0)
    assert queue(board) == [("queued", 0)]
    assert board.work()["attempt"] == 1
    assert server.stop() == ""


def test_connection_that_is_gone_is_held_no_longer(start):
    server = start(bounds={"HELD_SWEEP_S": 0.05})
    gone(enrolled(server))
    until(lambda: server.counted("held_check_ins") == 0)


def test_check_in_beyond_the_number_that_is_held_is_answered_at_once(start):
    server = start(bounds={"HELD_LIMIT": 1})
    held, answer = enrolled(server).waiting(), enrolled(server).waiting().answer()
    assert (answer.status, answer.poll_s > 20, held.is_over) == (204, True, False)


@pytest.mark.parametrize(
    "told", [{"wait": 301}, {"wait": -1}, {"wait": "1"}, {"inventory": "0" * 15}, {"inventory": ""}]
)
def test_wrong_wait_or_digest_is_refused(shared, told):
    board = shared.board(shared.group(), f"wrong-{secrets.token_hex(4)}")
    assert board.check(**told).status == 400


def test_inventory_is_asked_for_when_its_digest_is_another_and_shown_with_the_device(shared):
    board = enrolled(shared)
    assert board.check(inventory="0123456789abcdef").json == {"inventory": True}
    packages = [{"name": "heater", "version": "1.0", "modules": ["heater", "heater_extra"]}]
    board.inventory(packages, "0123456789abcdef")
    assert board.check().status == 204
    shown = shared.api("GET", f"/devices/{board.device}").json
    assert (shown["packages"], shown["packages_reported_at"] is not None) == (packages, True)


def test_inventory_of_a_held_device_is_asked_for_at_once(shared):
    board = enrolled(shared)
    held = board.waiting()
    path = f"/v1/_/devices/{board.device}/packages"
    with ThreadPoolExecutor() as pool:
        listing = pool.submit(shared.say, "GET", path, None, shared.token())
        assert held.answer().json == {"inventory": True}
        board.inventory([{"name": "heater", "version": "1.0", "modules": ["heater"]}])
        answer = listing.result()
    assert (answer.status, [each["name"] for each in answer.json["devicePackage"]]) == (200, ["heater"])
    assert "reportedOn" not in answer.json


@pytest.mark.parametrize(
    "body",
    [
        {"digest": "0", "packages": []},
        {"digest": NO_PACKAGES},
        {"digest": NO_PACKAGES, "packages": [{"name": "a/b", "version": "1", "modules": []}]},
        {"digest": NO_PACKAGES, "packages": [{"name": "a", "version": "1"}]},
        {"digest": NO_PACKAGES, "packages": [{"name": "a", "version": "1", "modules": [1]}]},
    ],
)
def test_wrong_inventory_is_refused_and_changes_nothing(shared, body):
    board = enrolled(shared)
    assert board.send("POST", "/device/v1/inventory", json.dumps(body).encode()).status == 400
    assert shared.api("GET", f"/devices/{board.device}").json["packages"] == []


def test_inventory_may_be_8_kib_and_no_more(shared):
    board = enrolled(shared)
    package = {"name": "a" * 64, "version": "1", "modules": ["m" * 64]}
    board.inventory([package] * 40)
    assert len(shared.api("GET", f"/devices/{board.device}").json["packages"]) == 40
    body = json.dumps({"digest": NO_PACKAGES, "packages": [package] * 50}).encode()
    assert board.send("POST", "/device/v1/inventory", body).status == 413
