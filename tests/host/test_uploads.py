"""Uploads that are refused leave nothing behind."""

import json
import socket
import sqlite3
import time
from contextlib import closing

import pytest

from .samples import make_image, make_manifest, sign
from .scene import left
from .test_image import BAD

IMAGE = make_image(size=5000)


def nothing_is_left(server) -> bool:
    """`kettle` has no release, and no file lies there that is not of another application's release, a transfer of one,
    or a package."""
    with closing(sqlite3.connect(server.data / "twinslot.db")) as db:
        known = {row[0] for row in db.execute("SELECT sha256 FROM files UNION SELECT sha256 FROM package_files")}
    application = server.api("GET", "/applications/kettle")
    return known.issuperset(left(server.data)) and (application.status == 404 or application.json["releases"] == [])


@pytest.mark.parametrize("name", BAD)
def test_bad_image_is_refused_with_the_reason_and_leaves_nothing(shared, name):
    image, reason = BAD[name]
    answer = shared.publish(image)
    assert answer.status == 400
    assert reason in answer.detail
    assert nothing_is_left(shared)


def test_image_for_another_chip_than_all_devices_is_refused(server):
    server.board(server.group()).check()
    answer = server.publish(make_image(chip=9))
    assert (answer.status, "it is for the ESP32-S3" in answer.detail, "board-1 (ESP32)" in answer.detail) == (400, 1, 1)
    assert nothing_is_left(server)


def test_image_larger_than_the_smallest_slot_is_refused_naming_the_device(server):
    group, image = server.group(), make_image(size=80_000)
    server.board(group, slot_size=70_000).check()
    server.board(group, "board-2").check()
    answer = server.publish(image)
    assert (answer.status, "that of board-1, which has 70000 bytes" in answer.detail) == (400, True)
    assert nothing_is_left(server)


@pytest.mark.parametrize("told", [{"slot_size": 1}, {"slot_size": 65535}, {"slot_size": 0}, {"chip": 4242}])
def test_device_that_tells_what_no_board_can_be_keeps_nobody_from_publishing(server, told):
    group = server.group()
    server.board(group, "board-0", **told).check()
    assert server.publish(make_image(size=80_000)).status == 201
    server.board(group, "board-2").check()
    assert server.publish(make_image(size=80_000), "1.2.0").status == 201


def test_slot_that_counts_is_found_among_those_that_do_not(server):
    group, image = server.group(), make_image(size=80_000)
    for number, size in enumerate((1, 70_000, 0)):
        server.board(group, f"board-{number}", slot_size=size).check()
    assert "that of board-1, which has 70000 bytes" in server.publish(image).detail
    assert nothing_is_left(server)


def test_manifest_more_than_a_day_ahead_of_the_clock_is_refused(server, publisher):
    server.group(key=publisher)
    for sequence, status in ((2**32 - 1, 400), (int(time.time()) + 86_500, 400), (int(time.time()) + 86_300, 201)):
        answer = server.publish(IMAGE, **sign(publisher, make_manifest(IMAGE, sequence)))
        assert answer.status == status
        assert status == 201 or "more than a day ahead of the server's clock" in answer.detail
        assert status == 201 or nothing_is_left(server)


def test_upload_over_16_mib_is_refused(server):
    answer = server.publish(bytes(16 * 1024 * 1024 + 1))
    assert answer.status == 413
    assert nothing_is_left(server)


def test_body_whose_length_says_that_it_is_too_large_is_413_before_it_comes(shared):
    head = (
        "POST /api/v1/applications/kettle/releases HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n"
        f"Authorization: Bearer {shared.token()}\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", shared.port), timeout=30) as connection:
        connection.sendall(head.encode())
        assert connection.recv(12) == b"HTTP/1.1 413"


def test_largest_form_is_not_refused_for_its_length(shared):
    release, specification = RELEASE[1].ljust(64 * 1024), b"{}".ljust(2048)
    parts = [("release", release), ("specification", specification), ("image", bytes(16 * 1024 * 1024))]
    answer = shared.upload("kettle", parts)
    assert (answer.status, answer.detail.startswith("image: ")) == (400, True)
    assert nothing_is_left(shared)


def test_version_that_exists_is_refused_and_the_first_stays(server):
    first = server.publish(IMAGE).json
    answer = server.publish(make_image(b"other"))
    assert (answer.status, "exists already" in answer.detail) == (409, True)
    assert server.api("GET", "/applications/kettle").json["releases"] == [first]
    assert left(server.data) == [first["sha256"]]


def test_upload_refused_for_its_manifest_keeps_the_artifact_of_another_release(server, publisher):
    server.group(key=publisher)
    fields = sign(publisher, make_manifest(IMAGE, int(time.time())))
    assert server.publish(IMAGE, **fields).status == 201
    assert server.publish(IMAGE, "1.2.0", **fields).status == 400
    assert len(left(server.data)) == 1


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        ({"app": "toaster"}, "its application is toaster"),
        ({"version": "1.2.0"}, "its version is 1.2.0"),
        ({"chip": 9}, "its chip is 9"),
        ({"size": 17}, "its size is 17"),
        ({"security": 3}, "its security version is 3"),
        ({"image": make_image(b"other", size=5000)}, "its SHA-256 is"),
    ],
)
def test_manifest_that_does_not_fit_the_upload_is_refused(server, publisher, made, reason):
    server.group(key=publisher)
    fields = sign(publisher, make_manifest(**({"image": IMAGE, "sequence": int(time.time())} | made)))
    answer = server.publish(IMAGE, **fields)
    assert (answer.status, reason in answer.detail) == (400, True)
    assert nothing_is_left(server)


def test_signature_by_another_key_is_refused(server, publisher):
    server.group(key=publisher)
    manifest = make_manifest(IMAGE, int(time.time()))
    other = sign(publisher, manifest + b"x")["signature"]
    answer = server.publish(IMAGE, **sign(publisher, manifest) | {"signature": other})
    assert (answer.status, "signature" in answer.detail) == (400, True)
    assert nothing_is_left(server)


def test_signature_for_groups_that_trust_the_server_is_refused(server, publisher):
    server.group()
    answer = server.publish(IMAGE, **sign(publisher, make_manifest(IMAGE, int(time.time()))))
    assert (answer.status, "no group of kettle trusts a publisher's key" in answer.detail) == (400, True)


def test_sequence_that_is_not_higher_than_the_last_is_refused(server, publisher):
    server.group(key=publisher)
    sequence = int(time.time())
    assert server.publish(IMAGE, **sign(publisher, make_manifest(IMAGE, sequence))).status == 201
    answer = server.publish(IMAGE, "1.2.0", **sign(publisher, make_manifest(IMAGE, sequence, version="1.2.0")))
    assert (answer.status, "sign it again" in answer.detail) == (409, True)
    assert len(server.api("GET", "/applications/kettle").json["releases"]) == 1


def test_upload_without_a_key_for_groups_of_publishers_is_refused(server, publisher):
    server.group(key=publisher)
    answer = server.publish(IMAGE)
    assert (answer.status, "trust only their publisher's key" in answer.detail) == (400, True)
    assert nothing_is_left(server)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"version": "1.0"}, "not a semver"),
        ({"version": "v1.0.0"}, "not a semver"),
        ({"version": ""}, "not a semver"),
        ({"version": "1.0.0-" + "a" * 64}, "not a semver"),
        ({"version": 1}, "version"),
        ({"strategy": "everyone"}, "strategy"),
        ({"upgradable_from": ["one"]}, "upgradable_from"),
        ({"upgradable_from": "1.0.0"}, "upgradable_from"),
        ({"colour": "red"}, "unknown field 'colour'"),
        ({"manifest": "AAAA"}, "belong together"),
        ({"signature": "AAAA"}, "belong together"),
        ({"manifest": "*", "signature": "AAAA"}, "manifest: not base64"),
        ({"manifest": "\u00e9", "signature": "AAAA"}, "manifest: not base64"),
        ({"manifest": "AAAA", "signature": "AAAA"}, "manifest: it is too short"),
    ],
)
def test_wrong_field_is_refused_by_name(shared, fields, reason):
    answer = shared.publish(IMAGE, **fields)
    assert (answer.status, reason in answer.detail) == (400, True)
    assert nothing_is_left(shared)


RELEASE = ("release", json.dumps({"version": "1.1.0"}).encode())


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [RELEASE],
        [("image", IMAGE)],
        [("image", IMAGE), RELEASE],
        [RELEASE, ("picture", IMAGE)],
        [RELEASE, ("image", IMAGE), ("image", IMAGE)],
        [("release", b""), ("image", IMAGE)],
        [("release", b"{"), ("image", IMAGE)],
        [("release", b"\xff\xfe"), ("image", IMAGE)],
        [("release", b"[" * 10000), ("image", IMAGE)],
    ],
)
def test_other_parts_are_refused(shared, parts):
    answer = shared.upload("kettle", parts)
    assert answer.status == 400
    assert answer.detail
    assert nothing_is_left(shared)


def test_release_part_over_its_limit_is_refused(shared):
    assert shared.upload("kettle", [("release", b" " * 70000), ("image", IMAGE)]).status == 413


@pytest.mark.parametrize("app", ["a%2Fb", "%0A", "%00", "..%2F", "k" * 65, "%C3%A9" * 33, "%E2%80%AE"])
def test_application_name_that_is_none_is_refused(shared, app):
    answer = shared.upload(app, [RELEASE, ("image", IMAGE)])
    assert answer.status == 400
    assert "name" in answer.detail


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"--x\r\n"),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"garbage"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\nno header here\r\n\r\n--x--\r\n"),
        ("multipart/form-data; boundary=" + "x" * 100, b"--x"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="release"\r\n\r\n{"ver'),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="release"\r\nContent-Length: 9999\r\n\r\n{}\r\n--x--\r\n',
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="release"\r\nContent-Length: no\r\n\r\n{}\r\n--x--\r\n',
        ),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Type: multipart/mixed\r\n\r\n--x--\r\n"),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y--\r\n--x--\r\n",
        ),
        ("multipart/form-data; boundary=x", b"--x\r\n" + b"A: b\r\n" * 20000 + b"\r\n--x--\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\nA: " + b"b" * 100000 + b"\r\n\r\n--x--\r\n"),
    ],
)
def test_malformed_multipart_is_refused(shared, content_type, body):
    headers = {"Authorization": f"Bearer {shared.token()}", "Content-Type": content_type}
    answer = shared.request("POST", "/api/v1/applications/kettle/releases", body, headers)
    assert answer.status == 400
    assert answer.detail
    assert nothing_is_left(shared)


def test_upload_of_another_content_type_is_refused(shared):
    headers = {"Authorization": f"Bearer {shared.token()}", "Content-Type": "application/json"}
    answer = shared.request("POST", "/api/v1/applications/kettle/releases", b"{}", headers)
    assert (answer.status, "multipart/form-data" in answer.detail) == (415, True)
    assert nothing_is_left(shared)


def test_upload_that_breaks_off_leaves_nothing(shared):
    head = (
        "POST /api/v1/applications/kettle/releases HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n"
        f"Authorization: Bearer {shared.token()}\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\n"
    )
    part = '--x\r\nContent-Disposition: form-data; name="release"\r\n\r\n{"version": "1.1.0"}\r\n'
    image = '--x\r\nContent-Disposition: form-data; name="image"\r\n\r\n'
    with socket.create_connection(("127.0.0.1", shared.port)) as connection:
        connection.sendall((head + part + image).encode())
        while not any((shared.data / "incoming").iterdir()):
            connection.sendall(b"\xe9")
    while any((shared.data / "incoming").iterdir()):
        shared.request("GET", "/healthz")
    assert nothing_is_left(shared)
