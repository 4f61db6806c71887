"""Everyware's device packages, as its clients know them, and every answer to the letter."""

import json
import sqlite3
from contextlib import closing

import pytest

from twinslot_host.config import SCOPES
from twinslot_host.domain.uris import URI_LIMIT

from .group_ota import change
from .packaging import HEATER, download, everyware, upload

PASSWORD = "hunter2"
SECRET_URI = f"https://anna:{PASSWORD}@packages.example:8443/heater_1.0.300/package.json?x=a@b"
SHOWN_URI = "https://***@packages.example:8443/heater_1.0.300/package.json?x=a@b"
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


@pytest.fixture
def board(server):
    board = server.board(server.group())
    board.check()
    return board


@pytest.fixture(scope="module")
def known(shared):
    """A device of the shared server, by its id; it never checks in again."""
    shared.board(shared.group(), "everyware-1").check()
    return "everyware-1"


def operations(server) -> int:
    with closing(sqlite3.connect(f"file:{server.data / 'twinslot.db'}?mode=ro", uri=True)) as db:
        return db.execute("SELECT COUNT(*) FROM operations").fetchone()[0]


def assert_refused(answer, status: int, kind: str, words: str) -> None:
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json.keys() == {"type", "message"}
    assert (answer.status, answer.json["type"], words in answer.json["message"]) == (status, kind, True), answer.body


# POST: _download


def test_download_is_queued_and_given_to_the_device_as_it_was_asked_for(server, board):
    body = {
        "uri": SECRET_URI,
        "name": "heater",
        "version": "1.0.300",
        "install": False,
        "reboot": True,
        "rebootDelay": 500,
        "fileHash": "SHA256:" + "aB" * 32,
    }
    answer = everyware(server, "POST", "board-1/packages/_download", body)
    assert answer.status == 200
    assert answer.json == {"type": "devicePackageOperation", "operationId": answer.json["operationId"]}
    assert board.work() == {
        "id": answer.json["operationId"],
        "attempt": 1,
        "kind": "install",
        "timeout": 1800,
        "uri": SECRET_URI,
        "name": "heater",
        "version": "1.0.300",
        "install": False,
        "reboot": True,
        "reboot_delay": 500,
        "sha256": "ab" * 32,
    }


def test_what_is_absent_or_null_is_install_now_without_a_reboot(server, board):
    nulls = dict.fromkeys(("install", "reboot", "rebootDelay", "fileHash"))
    for more in ({}, nulls):
        body = {"uri": "http://packages.example/heater.py", "name": "heater", "version": "1.0.300"} | more
        assert everyware(server, "POST", "board-1/packages/_download", body).status == 200
        told = board.work()
        assert (told["install"], told["reboot"], told["reboot_delay"], "sha256" in told) == (True, False, 0, False)
        assert board.tell(told).json == {"stop": False}


@pytest.mark.parametrize("name", ["uri", "name", "version"])
def test_field_that_is_needed_and_is_not_right_is_400_by_its_name(shared, known, name):
    good = {"uri": "http://packages.example/x.py", "name": "x", "version": "1.0"}
    bodies = [{each: good[each] for each in good if each != name}]
    bodies += [good | {name: value} for value in (None, "", 1, "a b", "\0", "é")]
    before = operations(shared)
    for body in bodies:
        assert_refused(everyware(shared, "POST", f"{known}/packages/_download", body), 400, "illegalArgument", name)
    assert operations(shared) == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("install", "true"),
        ("reboot", 1),
        ("rebootDelay", -1),
        ("rebootDelay", 86_400_001),
        ("rebootDelay", 1.5),
        ("rebootDelay", "5"),
        ("fileHash", "a" * 64),
        ("fileHash", "SHA256:" + "a" * 63),
        ("fileHash", "SHA256:" + "g" * 64),
        ("fileHash", "MD5:" + "a" * 32),
        ("fileHash", "SHA256:" + "a" * 64 + "\n"),
        ("file_hash", "SHA256:" + "a" * 64),
        ("reboot_delay", 5),
        ("name", "a" * 65),
        ("version", "-1"),
        ("name", "index.json"),
        ("version", "index.json.new"),
    ],
)
def test_field_that_is_wrong_is_400_by_its_name(shared, known, name, value):
    before = operations(shared)
    assert_refused(download(shared, known, **{name: value}), 400, "illegalArgument", name)
    assert operations(shared) == before


@pytest.mark.parametrize(
    "uri",
    [
        "ftp://packages.example/x.py",
        "file:///etc/passwd",
        "github:org/repo",
        "//packages.example/x.py",
        "/device/v1/packages/1",
        "packages.example/x.py",
        "http:",
        "http://",
        "http:///x.py",
        f"http://anna:{PASSWORD}@/x.py",
        f"http://anna:{PASSWORD}@@packages.example/x.py",
        f"http://anna:{PASSWORD}@other@packages.example/x.py",
        f"http://anna:{PASSWORD}\\@packages.example/x.py",
        f"http://anna:{PASSWORD}@packages.example\\@other/x.py",
        f"http://anna:{PASSWORD}@packages.example/x.py#fragment",
        f"http://anna:{PASSWORD}@packages.example/x y.py",
        f"http://anna:{PASSWORD}@packages.example/x.py\r\nX: y",
        f"http://anna:{PASSWORD}@packages.example/\0",
        f"http://anna:{PASSWORD}@packages.example/\u202e",
        f"http://anna:{PASSWORD}@packäges.example/x.py",
        f"http://anna:{PASSWORD}@[::1]:80/x.py",
        f"http://anna:{PASSWORD}@packages.example:0/x.py",
        f"http://anna:{PASSWORD}@packages.example:65536/x.py",
        f"http://anna:{PASSWORD}@packages.example:x/x.py",
        f"http://anna:{PASSWORD}@packages.example/".ljust(URI_LIMIT + 1, "x"),
        "package:",
        "package:a/b",
        "package:../x",
        f"package:{'a' * 65}",
        "Package:heater",
    ],
)
def test_uri_of_another_form_is_400_and_its_password_is_not_shown(shared, known, uri):
    before = operations(shared)
    answer = download(shared, known, uri=uri)
    assert_refused(answer, 400, "illegalArgument", "uri: ")
    assert PASSWORD.encode() not in answer.body
    assert operations(shared) == before


def test_uri_of_the_right_form_comes_to_the_device(server, board):
    for uri, kept in (
        ("HTTPS://Packages.Example/x.py", "https://Packages.Example/x.py"),
        ("http://10.0.0.7:8000", "http://10.0.0.7:8000"),
        ("http://10.0.0.7:80/x.mpy?a=b@c", "http://10.0.0.7:80/x.mpy?a=b@c"),
        ("http://anna@packages.example/x.py", "http://anna@packages.example/x.py"),
        ("http://:@packages.example?x", "http://:@packages.example?x"),
        ("http://a_b.example/x@y/z.py", "http://a_b.example/x@y/z.py"),
    ):
        assert download(server, uri=uri).status == 200
        told = board.work()
        assert told["uri"] == kept
        assert board.tell(told).status == 200


def test_uploaded_package_is_named_by_package_and_a_link_to_it_comes_to_the_device(server, board):
    assert_refused(download(server, uri="package:heater"), 400, "illegalArgument", "uri: no package heater 1.0.300")
    assert upload(server, HEATER).status == 201
    assert_refused(
        download(server, uri="package:heater", version="2"), 400, "illegalArgument", "uri: no package heater 2"
    )
    hashed = download(server, uri="package:heater", fileHash="SHA256:" + "a" * 64)
    assert_refused(hashed, 400, "illegalArgument", "fileHash: ")
    assert download(server, uri="package:heater", name="stove").status == 200
    told = board.work()
    assert (told["name"], told["version"]) == ("stove", "1.0.300")
    assert [path for path, _ in server.request("GET", told["uri"]).json["urls"]] == sorted(HEATER)


def test_password_in_a_uri_goes_to_the_device_and_is_shown_nowhere(start):
    server = start()
    board = server.board(server.group())
    board.check()
    operation = download(server, uri=SECRET_URI).json["operationId"]
    queued = download(server, uri=SECRET_URI).json["operationId"]

    def shown() -> bytes:
        paths = ["/devices", "/devices/board-1", "/devices/board-1/queue", "/audit"]
        paths += [f"/operations/{each}" for each in (operation, queued)]
        answers = [server.api("GET", path) for path in paths]
        assert {each.status for each in answers} == {200}
        return b"".join(each.body for each in answers) + server.request("GET", "/metrics").body

    told = board.work()
    assert (told["id"], told["uri"]) == (operation, SECRET_URI)
    assert PASSWORD.encode() not in shown()
    assert SHOWN_URI.encode() in shown()
    assert board.tell(told, "failed", reason="no").status == 200
    assert server.api("POST", f"/operations/{queued}/cancel").status == 200
    assert PASSWORD.encode() not in shown()
    assert PASSWORD not in server.stop()
    with closing(sqlite3.connect(server.data / "twinslot.db")) as db:
        assert [json.loads(row[0])["uri"] for row in db.execute("SELECT request FROM operations")] == [SHOWN_URI] * 2


def test_operation_is_told_in_the_audit_without_its_password(server, board):
    operation = download(server, uri=SECRET_URI, reboot=True).json["operationId"]
    line = server.api("GET", "/audit?subject=device:board-1").json["items"][0]
    assert line["action"] == "package.install"
    assert line["detail"] == {
        "operation": operation,
        "uri": SHOWN_URI,
        "name": "heater",
        "version": "1.0.300",
        "install": True,
        "reboot": True,
        "reboot_delay": 0,
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
