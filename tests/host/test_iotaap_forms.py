"""/v1/ota/group: forms that are none, or hold what does not belong; each is refused and leaves nothing."""

import socket

import pytest

from . import group_ota
from .group_ota import PATH, fields, file, nothing_is_left, otas, post, text, upload
from .samples import make_image

IMAGE = make_image(size=5000)


def head_of(server, length: int) -> bytes:
    """A request's head, for a body of that many bytes."""
    given = {**group_ota.headers(server, b"x"), "Host": "x", "Content-Length": str(length)}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"POST {PATH} HTTP/1.1\r\n{lines}\r\n".encode()


@pytest.mark.parametrize(
    ("part", "status", "message"),
    [
        (text("colour", b"red"), 400, "unknown field 'colour'"),
        (file(b"red", name="picture"), 400, "unknown field 'picture'"),
        (text("version", b"1.2.0"), 400, "version: it is given more than once"),
        (file(IMAGE), 400, "firmware: it is given more than once"),
        ((b"form-data", b"red"), 400, "a part of the form has no name"),
    ],
)
def test_field_that_does_not_belong_is_named(shared, part, status, message):
    answer = post(shared, [*fields(shared.group(), "1.1.0", IMAGE).values(), part])
    assert (answer.status, answer.json) == (status, {"message": message})


@pytest.mark.parametrize("name", ["group", "token", "version"])
def test_field_over_1_kib_is_413(shared, name):
    form = fields(shared.group(), "1.1.0", IMAGE) | {name: text(name, b"1" * 1025)}
    answer = post(shared, form.values())
    assert (answer.status, name in answer.json["message"]) == (413, True)
    within = post(shared, (form | {name: text(name, b"1" * 1024)}).values())
    assert within.status in (400, 403)


@pytest.mark.parametrize("name", ["group", "token", "version"])
def test_field_that_is_not_utf_8_is_400(shared, name):
    form = fields(shared.group(), "1.1.0", IMAGE) | {name: text(name, b"\xff\xfe")}
    answer = post(shared, form.values())
    assert (answer.status, answer.json) == (400, {"message": f"{name}: not UTF-8"})


def test_firmware_over_16_mib_is_413_and_leaves_nothing(server):
    answer = upload(server, server.group(), "1.1.0", bytes(16 * 1024 * 1024 + 1))
    assert (answer.status, answer.json.keys()) == (413, {"message"})
    assert nothing_is_left(server)


def test_body_whose_length_says_that_it_is_too_large_is_413_before_it_comes(shared):
    with socket.create_connection(("127.0.0.1", shared.port), timeout=30) as connection:
        connection.sendall(head_of(shared, 20_000_000))
        assert connection.recv(12) == b"HTTP/1.1 413"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        ("application/x-www-form-urlencoded", b"group=x"),
        ("multipart/form-data", b"--x\r\n"),
        ("multipart/form-data; boundary=x", b"garbage"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="group"\r\n\r\n0'),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="\xff"\r\n\r\n0\r\n--x--\r\n',
        ),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y--\r\n--x--\r\n",
        ),
    ],
)
def test_body_that_is_no_form_is_400(shared, content_type, body):
    headers = {"Authorization": f"Bearer {shared.token()}", "Content-Type": content_type}
    answer = shared.request("POST", PATH, body, headers)
    assert (answer.status, answer.json.keys()) == (400, {"message"})


def test_upload_that_breaks_off_leaves_nothing(shared):
    before = otas(shared)
    part = b'--x\r\nContent-Disposition: form-data; name="firmware"; filename="firmware.bin"\r\n\r\n'
    with socket.create_connection(("127.0.0.1", shared.port)) as connection:
        connection.sendall(head_of(shared, 10_000_000) + part)
        while not any((shared.data / "incoming").iterdir()):
            connection.sendall(b"\xe9")
    while any((shared.data / "incoming").iterdir()):
        shared.request("GET", "/healthz")
    assert otas(shared) == before
