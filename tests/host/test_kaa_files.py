"""The files of Kaa's versions: upload, deletion, links."""

import secrets
import socket
import time
from urllib.parse import urlsplit

import pytest

from .clients import Server
from .kaa import BASE, Kaa, in_path, installing, message, stored, unique_image
from .samples import make_image
from .test_transfers import signed_link

IMAGE = make_image(size=5000)


# PUT /applications/{appName}/software/{softwareVersion}/files


def test_uploaded_file_is_named_and_offered(kaa):
    content = unique_image()
    board = kaa.server.board(kaa.server.group(app=kaa.app), f"board-{kaa.app}")
    kaa.post("1.1.0")
    assert board.offer() is None
    answer = kaa.upload("1.1.0", content, "sketch.bin")
    assert (answer.status, answer.body) == (204, b"")
    assert kaa.get("1.1.0").json["filename"] == "sketch.bin"
    assert kaa.server.request("GET", board.offer()["image"]).body == content


@pytest.mark.parametrize("name", ["a", "0", "-", "_", "...", ".a", "a" * 30, "kettle-1.0_2.app-bin"])
def test_file_name_of_the_allowed_signs_is_taken(kaa, name):
    kaa.post("1.0.0")
    assert kaa.upload("1.0.0", IMAGE, name).status == 204
    assert kaa.get("1.0.0").json["filename"] == name
    assert kaa.link("1.0.0", name).status == 200


@pytest.mark.parametrize(
    "name", [None, "", ".", "..", "A.bin", "a b", "a/b", "../a", "\u00e9", "a" * 31, "a;b", "a%41", "a\u0661"]
)
def test_other_file_name_is_400(kaa, name):
    kaa.post("1.0.0")
    assert "file" in message(kaa.upload("1.0.0", IMAGE, name), 400)
    assert "filename" not in kaa.get("1.0.0").json


def test_second_upload_replaces_the_file_and_its_name(kaa):
    first, second = unique_image(), unique_image()
    kaa.post("1.0.0")
    kaa.upload("1.0.0", first, "first.bin")
    assert kaa.upload("1.0.0", second, "second.bin").status == 204
    assert kaa.get("1.0.0").json["filename"] == "second.bin"
    assert message(kaa.link("1.0.0", "first.bin"), 404)
    assert (stored(kaa.server, first), stored(kaa.server, second)) == (False, True)


def test_upload_while_a_board_installs_the_file_is_400_and_the_file_stays(kaa):
    content = unique_image()
    board = installing(kaa, content)
    assert message(kaa.upload("1.1.0", unique_image()), 400)
    assert kaa.server.request("GET", board.offer()["image"]).body == content


@pytest.mark.parametrize("specification", [1, "text", [1]])
def test_upload_beside_a_specification_that_can_hold_no_link_is_400(kaa, specification):
    kaa.post("1.0.0", specification=specification)
    assert "specification" in message(kaa.upload("1.0.0", IMAGE), 400)
    assert "filename" not in kaa.get("1.0.0").json


def test_upload_of_a_damaged_image_is_400(kaa):
    kaa.post("1.0.0")
    damaged = bytearray(unique_image())
    damaged[200] ^= 1
    assert "checksum" in message(kaa.upload("1.0.0", bytes(damaged)), 400)
    assert not stored(kaa.server, bytes(damaged))


def test_upload_of_an_image_for_another_chip_than_all_boards_is_400(kaa):
    kaa.server.board(kaa.server.group(app=kaa.app), f"board-{kaa.app}").check()
    kaa.post("1.1.0")
    assert "ESP32-S3" in message(kaa.upload("1.1.0", make_image(chip=9)), 400)


def test_upload_for_boards_that_trust_their_publisher_alone_is_400(kaa, publisher):
    kaa.server.group(app=kaa.app, key=publisher)
    kaa.post("1.1.0")
    assert "trust" in message(kaa.upload("1.1.0", IMAGE), 400)


def test_any_other_file_is_kept_as_it_is(kaa):
    content = secrets.token_bytes(300)
    kaa.post("1.0.0", specification={"link": "ftp://software-repository"})
    assert kaa.upload("1.0.0", content, "model.tflite").status == 204
    assert kaa.server.request("GET", in_path(kaa.link("1.0.0", "model.tflite"))).body == content


FORMS = [
    [],
    [('form-data; name="picture"; filename="app.bin"', IMAGE)],
    [("form-data", IMAGE)],
    [('form-data; name="file"; filename="app.bin"', IMAGE), ('form-data; name="file"; filename="b.bin"', IMAGE)],
    [('form-data; name="file"; filename="app.bin"', IMAGE), ('form-data; name="note"', b"x")],
    [('form-data; name="note"', b"x"), ('form-data; name="file"; filename="app.bin"', IMAGE)],
]


@pytest.mark.parametrize("parts", FORMS, ids=lambda parts: ", ".join(given for given, _ in parts) or "none")
def test_form_of_other_parts_is_400(kaa, parts):
    kaa.post("1.0.0")
    assert "file" in message(kaa.form("1.0.0", parts), 400)
    assert "filename" not in kaa.get("1.0.0").json


@pytest.mark.parametrize(
    "sent", [("application/json", b"{}"), ("application/octet-stream", IMAGE), ("multipart/form-data", b"--x--\r\n")]
)
def test_upload_that_is_no_form_is_400(kaa, sent):
    kaa.post("1.0.0")
    path = f"{BASE}/applications/{kaa.app}/software/1.0.0/files"
    answer = kaa.server.request("PUT", path, sent[1], {**kaa.headers, "Content-Type": sent[0]})
    assert message(answer, 400)


def begin_upload(kaa: Kaa, more: str) -> bytes:
    """The first line of the answer to an upload of which only the head is sent."""
    head = f"PUT {BASE}/applications/{kaa.app}/software/1.0.0/files HTTP/1.1\r\nHost: x\r\n"
    head += f"Authorization: {kaa.headers['Authorization']}\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    with socket.create_connection(("127.0.0.1", kaa.server.port), timeout=20) as connection:
        connection.sendall((head + more + "\r\n").encode())
        return connection.makefile("rb").readline()


def test_upload_over_16_mib_is_413_before_it_is_read(kaa):
    kaa.post("1.0.0")
    assert begin_upload(kaa, f"Content-Length: {17 << 20}\r\n") == b"HTTP/1.1 413 Request Entity Too Large\r\n"


def test_upload_over_16_mib_is_413_and_leaves_nothing(kaa):
    kaa.post("1.0.0")
    assert message(kaa.upload("1.0.0", bytes((16 << 20) + 1)), 413)
    assert "filename" not in kaa.get("1.0.0").json
    assert list((kaa.server.data / "incoming").iterdir()) == []


def test_upload_for_no_version_is_404_before_it_is_read(kaa):
    assert begin_upload(kaa, "Content-Length: 1000000\r\n") == b"HTTP/1.1 404 Not Found\r\n"


# DELETE /applications/{appName}/software/{softwareVersion}/files/{fileName}


def test_deleted_file_is_gone_and_the_version_waits_for_another(kaa):
    content = unique_image()
    board = kaa.server.board(kaa.server.group(app=kaa.app), f"board-{kaa.app}")
    kaa.post("1.1.0")
    kaa.upload("1.1.0", content)
    answer = kaa.delete_file("1.1.0")
    assert (answer.status, answer.body) == (204, b"")
    assert "filename" not in kaa.get("1.1.0").json
    assert not stored(kaa.server, content)
    assert board.offer() is None
    kaa.upload("1.1.0", content)
    assert board.offer() is not None


@pytest.mark.parametrize("name", ["other.bin", "App.bin", "app.bin.", "APP.BIN", "a" * 200])
def test_deletion_of_a_file_of_another_name_is_404(kaa, name):
    kaa.post("1.0.0")
    kaa.upload("1.0.0", IMAGE)
    assert message(kaa.delete_file("1.0.0", name), 404)
    assert kaa.get("1.0.0").json["filename"] == "app.bin"


def test_deletion_of_a_file_that_a_board_is_installing_is_400(kaa):
    board = installing(kaa, IMAGE)
    assert message(kaa.delete_file("1.1.0"), 400)
    assert kaa.server.request("GET", board.offer()["image"]).body == IMAGE


# GET /applications/{appName}/software/{softwareVersion}/files/{fileName}/links


@pytest.fixture
def linked(kaa) -> tuple[Server, str]:
    kaa.post("1.0.0")
    kaa.upload("1.0.0", IMAGE)
    return kaa.server, in_path(kaa.link("1.0.0"))


def test_link_is_absolute_and_lives_for_900_s(kaa):
    kaa.post("1.0.0")
    kaa.upload("1.0.0", IMAGE)
    link = kaa.link("1.0.0").json["link"]
    assert link.startswith(f"http://127.0.0.1:{kaa.server.port}/")
    expires = int(link.split("expires=")[1].split("&")[0])
    assert 890 < expires - time.time() <= 900


def test_link_serves_the_file_whole_its_head_and_its_ranges_without_a_token(linked):
    server, link = linked
    whole, head = server.request("GET", link), server.request("HEAD", link)
    assert (whole.status, whole.body) == (200, IMAGE)
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(IMAGE)))
    part = server.request("GET", link, headers={"Range": "bytes=100-199"})
    assert (part.status, part.body) == (206, IMAGE[100:200])
    assert part.headers["Content-Range"] == f"bytes 100-199/{len(IMAGE)}"


@pytest.mark.parametrize("alter", [lambda link: link.replace("expires=", "expires=9"), lambda link: link[:-1] + "x"])
def test_altered_link_is_403(linked, alter):
    server, link = linked
    assert server.request("GET", alter(link)).status == 403


def test_expired_link_is_403(linked):
    server, link = linked
    sha256, now_s = urlsplit(link).path.rpartition("/")[2], int(time.time())
    assert server.request("GET", signed_link(server, sha256, now_s + 10)).body == IMAGE
    assert server.request("GET", signed_link(server, sha256, now_s - 1)).status == 403


def test_link_of_a_file_that_is_not_there_is_404(kaa):
    kaa.post("1.0.0")
    assert "app.bin" in message(kaa.link("1.0.0"), 404)
    kaa.upload("1.0.0", IMAGE)
    assert message(kaa.link("1.0.0", "other.bin"), 404)
    assert message(kaa.link("1.1.0"), 404)


def test_link_ends_with_the_file(linked, kaa):
    content = unique_image()
    kaa.post("2.0.0")
    kaa.upload("2.0.0", content)
    link = in_path(kaa.link("2.0.0"))
    kaa.delete_file("2.0.0")
    assert kaa.server.request("GET", link).status == 404


@pytest.mark.parametrize("name", ["a b", "[", "a:b", "%", "\u00e9", "@", "", "a/b", "x:999999"])
def test_host_that_is_none_is_400_and_changes_nothing(kaa, name):
    kaa.post("1.0.0")
    kaa.upload("1.0.0", IMAGE)
    kaa.headers["Host"] = name.encode()
    assert "Host" in message(kaa.link("1.0.0"), 400)
    assert "Host" in message(kaa.post("1.1.0"), 400)
    del kaa.headers["Host"]
    assert message(kaa.get("1.1.0"), 404)
