"""The inventory of a device that is connected: it is asked, through its open check-in, and answers."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from .packaging import download, everyware

OLD = [{"name": "heater", "version": "1.0.300", "modules": ["heater"]}]
NEW = [{"name": "heater", "version": "1.0.301", "modules": ["heater"]}]


def versions(answer) -> list[str]:
    return [each["version"] for each in answer.json["devicePackage"]]


def is_connected(server) -> bool:
    return server.api("GET", "/devices/board-1").json["connected"]


@pytest.fixture
def board(board):
    board.inventory(OLD)
    return board


@pytest.fixture
def pool():
    with ThreadPoolExecutor(4) as pool:
        yield pool


def test_connected_device_is_asked_and_what_it_tells_comes_without_a_date(server, board, pool):
    held = board.waiting()
    asked = pool.submit(everyware, server, "GET", "board-1/packages?requireConnected=true")
    assert held.answer().json == {"inventory": True}
    board.inventory(NEW)
    answer = asked.result(20)
    assert (answer.status, answer.json.keys(), versions(answer)) == (200, {"type", "devicePackage"}, ["1.0.301"])


def test_device_that_stays_silent_is_answered_for_by_what_it_told_last(server, board):
    board.waiting()
    assert is_connected(server)
    answer = everyware(server, "GET", "board-1/packages?timeout=500")
    assert (answer.status, versions(answer), "reportedOn" in answer.json) == (200, ["1.0.300"], True)
    late = everyware(server, "GET", "board-1/packages?timeout=100&requireConnected=true")
    assert (late.status, late.json["type"]) == (409, "deviceNotConnected")


def test_device_that_is_busy_is_answered_for_by_what_it_told_last(server, board):
    held = board.waiting()
    assert download(server).status == 200
    assert held.answer().json["operation"]["name"] == "heater"
    answer = everyware(server, "GET", "board-1/packages?timeout=200")
    assert (answer.status, versions(answer), "reportedOn" in answer.json) == (200, ["1.0.300"], True)


def test_device_that_has_ended_its_operation_is_waited_for_until_it_is_back(server, board, pool):
    assert download(server).status == 200
    assert board.tell(board.work()).status == 200
    asked = pool.submit(everyware, server, "GET", "board-1/packages?requireConnected=true")
    assert is_connected(server)
    assert board.waiting().answer().json == {"inventory": True}
    board.inventory(NEW)
    assert versions(asked.result(20)) == ["1.0.301"]


def test_device_that_waits_and_was_answered_at_once_is_connected_until_it_waits_no_more(server, board):
    assert board.waiting(inventory="f" * 16).answer().json == {"inventory": True}
    assert is_connected(server)
    assert board.check(inventory="f" * 16).json == {"inventory": True}
    assert not is_connected(server)


def test_operation_comes_to_a_connected_device_at_once(server, board):
    held = board.waiting()
    operation = download(server).json["operationId"]
    assert held.answer().json["operation"]["id"] == operation
