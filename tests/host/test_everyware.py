"""Everyware's device packages, as its clients know them, and every answer to the letter; downloads apart."""

import json

import pytest

from twinslot_host.config import SCOPES

from .group_ota import change
from .packaging import assert_refused, download, everyware, operations

INVENTORY = [
    {"name": "heater", "version": "1.0.300", "modules": ["heater", "heater_test"]},
    {"name": "lamp", "version": "2", "modules": []},
]
LISTED = {
    "type": "devicePackages",
    "devicePackage": [
        {
            "name": "heater",
            "version": "1.0.300",
            "bundleInfos": {
                "bundleInfo": [{"name": "heater", "version": "1.0.300"}, {"name": "heater_test", "version": "1.0.300"}]
            },
        },
        {"name": "lamp", "version": "2", "bundleInfos": {"bundleInfo": []}},
    ],
}


# POST: _uninstall


def test_uninstall_is_queued_and_given_to_the_device(server, board):
    answer = everyware(server, "POST", "board-1/packages/_uninstall", {"name": "heater", "version": "1.0.300"})
    assert answer.status == 200
    assert answer.json == {"type": "devicePackageOperation", "operationId": answer.json["operationId"]}
    assert board.work() == {
        "id": answer.json["operationId"],
        "attempt": 1,
        "kind": "uninstall",
        "timeout": 300,
        "name": "heater",
        "version": "1.0.300",
    }
    line = server.api("GET", "/audit?subject=device:board-1").json["items"][0]
    assert (line["action"], line["detail"]["name"]) == ("package.uninstall", "heater")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"version": "1"}, "name"),
        ({"name": "x"}, "version"),
        ({"name": None, "version": "1"}, "name"),
        ({"name": "x", "version": None}, "version"),
        ({"name": "x", "version": "1", "reboot": True}, "reboot"),
        ({"name": "../x", "version": "1"}, "name"),
        ({"name": "x", "version": "../1"}, "version"),
    ],
)
def test_uninstall_of_no_name_or_version_is_400(shared, known, body, words):
    before = operations(shared)
    assert_refused(everyware(shared, "POST", f"{known}/packages/_uninstall", body), 400, "illegalArgument", words)
    assert operations(shared) == before


# GET, of a device that is not connected


def test_last_inventory_comes_with_its_date(server, board):
    board.inventory(INVENTORY)
    answer = everyware(server, "GET", "board-1/packages")
    assert answer.status == 200
    reported_on = answer.json.pop("reportedOn")
    assert (len(reported_on), reported_on[-1]) == (24, "Z")
    with_date = LISTED | {"reportedOn": reported_on}
    assert everyware(server, "GET", "board-1/packages?timeout=100&requireConnected=false").json == with_date


def test_device_that_never_told_its_packages_is_409(server, board):
    assert_refused(everyware(server, "GET", "board-1/packages"), 409, "deviceNotConnected", "board-1")


def test_device_that_must_be_connected_and_is_not_is_409(server, board):
    board.inventory(INVENTORY)
    answer = everyware(server, "GET", "board-1/packages?requireConnected=true")
    assert_refused(answer, 409, "deviceNotConnected", "board-1")


# All three


ROUTES = [
    ("GET", "", None, "package:read"),
    ("POST", "/_download", {"uri": "http://x.example/x.py", "name": "x", "version": "1"}, "package:update"),
    ("POST", "/_uninstall", {"name": "x", "version": "1"}, "package:update"),
]


@pytest.fixture(scope="module")
def told(shared, known):
    """A device of the shared server that has told its packages."""
    shared.board(shared.group(), "everyware-2").check()
    board = shared.board(shared.group(), "everyware-3")
    board.check()
    board.inventory(INVENTORY)
    return "everyware-3"


@pytest.mark.parametrize(("method", "path", "body", "scope"), ROUTES)
def test_scope_is_the_underscore_or_the_account_itself(shared, told, method, path, body, scope):
    account = shared.api("GET", "/accounts").json["items"][0]["id"]
    for own in ("_", account):
        assert everyware(shared, method, f"{told}/packages{path}", body, scope=own).status == 200
    for other in ("0" * 24, account.upper(), f"{account}%20", "__", "%5F%5F", "*", "a%2Fb"):
        answer = everyware(shared, method, f"{told}/packages{path}", body, scope=other)
        assert_refused(answer, 404, "entityNotFound", "scope")


@pytest.mark.parametrize(("method", "path", "body", "scope"), ROUTES)
def test_device_that_is_not_there_is_404(shared, method, path, body, scope):
    for device in ("nobody", "a%2Fb", "%00"):
        answer = everyware(shared, method, f"{device}/packages{path}", body)
        assert_refused(answer, 404, "entityNotFound", "there is no device")


@pytest.mark.parametrize(("method", "path", "body", "scope"), ROUTES)
def test_timeout_is_100_to_300000_ms_and_no_other_parameter_is_taken(shared, told, method, path, body, scope):
    before = operations(shared)
    for timeout in ("99", "300001", "-1", "0", "x", "", "1e3", "100.5", "9" * 30, "100&timeout=100"):
        answer = everyware(shared, method, f"{told}/packages{path}?timeout={timeout}", body)
        assert_refused(answer, 400, "illegalArgument", "timeout")
    for other in ("timeOut=100", "offset=0", "requireConnected=1", "requireConnected=True", "require_connected=true"):
        answer = everyware(shared, method, f"{told}/packages{path}?{other}", body)
        assert_refused(answer, 400, "illegalArgument", other.partition("=")[0])
    assert operations(shared) == before
    for timeout in (100, 300_000):
        assert everyware(shared, method, f"{told}/packages{path}?timeout={timeout}", body).status == 200


@pytest.mark.parametrize(("method", "path", "body", "scope"), ROUTES)
def test_token_that_is_missing_or_has_another_scope_is_refused_in_the_same_form(
    shared, told, method, path, body, scope
):
    address = f"/v1/_/devices/{told}/packages{path}"
    assert_refused(shared.say(method, address, body), 401, "unauthorized", "token")
    assert_refused(shared.say(method, address, body, "x.y.z"), 401, "unauthorized", "token")
    lacking = shared.token([each for each in SCOPES if each != scope])
    assert_refused(shared.say(method, address, body, lacking), 403, "forbidden", scope)
    assert shared.say(method, address, body, shared.token([scope])).status == 200


def test_path_method_or_type_that_is_none_is_told_in_the_same_form(shared, told):
    assert_refused(everyware(shared, "GET", f"{told}/packages/_download"), 405, "illegalArgument", "Not Allowed")
    assert_refused(everyware(shared, "GET", f"{told}/assets"), 404, "entityNotFound", "Not Found")
    headers = {"Authorization": f"Bearer {shared.token()}", "Content-Type": "text/plain"}
    answer = shared.request("POST", f"/v1/_/devices/{told}/packages/_uninstall", b"{}", headers)
    assert_refused(answer, 400, "illegalArgument", "application/json")
    large = json.dumps({"name": "x" * 70_000}).encode()
    answer = shared.request(
        "POST", f"/v1/_/devices/{told}/packages/_uninstall", large, headers | {"Content-Type": "application/json"}
    )
    assert_refused(answer, 413, "illegalArgument", "larger")


def test_device_whose_queue_is_full_is_refused_by_its_name(server, board):
    assert download(server).status == 200
    values = "lower(hex(randomblob(18))), account_id, device_id, device, kind, request, timeout_s, state, created_at_ms"
    columns = "id, account_id, device_id, device, kind, request, timeout_s, state, created_at_ms"
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999)"
    change(server, f"{many} INSERT INTO operations ({columns}) SELECT {values} FROM operations, n")
    assert operations(server) == 1000
    assert_refused(download(server), 400, "illegalArgument", "queue of 'board-1' is full")
    assert operations(server) == 1000


def test_fault_of_the_server_is_told_in_the_same_form(server, board):
    board.inventory(INVENTORY)
    change(server, "UPDATE devices SET inventory = 'no JSON'")
    assert_refused(everyware(server, "GET", "board-1/packages"), 500, "internalError", "fault")
