"""A package that a device is told to download, on Everyware's surface: what may be asked for, and what reaches whom."""

import json
import sqlite3
from contextlib import closing

import pytest

from twinslot_host.domain.uris import URI_LIMIT

from .packaging import HEATER, assert_refused, download, everyware, operations, upload

PASSWORD = "hunter2"
SECRET_URI = f"https://anna:{PASSWORD}@packages.example:8443/heater_1.0.300/package.json?x=a@b"
SHOWN_URI = "https://***@packages.example:8443/heater_1.0.300/package.json?x=a@b"


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
