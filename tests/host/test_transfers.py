"""Transfers: by link, by range, immutable."""

import hashlib
import hmac
import time

import pytest

from .clients import Server
from .samples import make_image

IMAGE = make_image(size=200_000)
SHA256 = hashlib.sha256(IMAGE).hexdigest()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("files") / "data")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def link(files) -> str:
    board = files.board(files.group())
    files.publish(IMAGE)
    return board.offer()["image"]


def signed_link(server, sha256: str, expires: int) -> str:
    """A link as the server makes it, with its own secret."""
    secret = bytes.fromhex((server.data / "link.key").read_text())
    key = hmac.digest(secret, f"twinslot-transfer-1\n{sha256}\n{expires}".encode(), "sha256").hex()
    return f"/device/v1/transfers/{sha256}?expires={expires}&key={key}"


def test_whole_image_comes_with_headers_that_any_cache_understands(files, link):
    answer = files.request("GET", link)
    assert (answer.status, answer.body) == (200, IMAGE)
    assert answer.headers["ETag"] == f'"{SHA256}"'
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.headers["Content-Type"] == "application/octet-stream"


def test_head_tells_size_and_tag_without_a_body(files, link):
    answer = files.request("HEAD", link)
    assert (answer.status, answer.body) == (200, b"")
    assert (answer.headers["Content-Length"], answer.headers["ETag"]) == (str(len(IMAGE)), f'"{SHA256}"')


@pytest.mark.parametrize(
    ("asked", "first", "end"),
    [("0-0", 0, 1), ("1000-1999", 1000, 2000), ("199000-", 199000, None), ("-100", -100, None), ("5-999999", 5, None)],
)
def test_range_is_answered_with_just_that_range(files, link, asked, first, end):
    answer = files.request("GET", link, headers={"Range": f"bytes={asked}"})
    assert (answer.status, answer.body) == (206, IMAGE[first:end])
    first %= len(IMAGE)
    assert answer.headers["Content-Range"] == f"bytes {first}-{first + len(answer.body) - 1}/{len(IMAGE)}"
    assert answer.headers["ETag"] == f'"{SHA256}"'


def test_range_past_the_end_is_416(files, link):
    answer = files.request("GET", link, headers={"Range": f"bytes={len(IMAGE)}-"})
    assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{len(IMAGE)}")


@pytest.mark.parametrize(
    ("tag", "status"),
    [
        (f'"{SHA256}"', 206),
        ('"other"', 200),
        (f'W/"{SHA256}"', 200),
        ("Wed, 21 Oct 2035 07:28:00 GMT", 200),
        ("garbage", 200),
    ],
)
def test_if_range_gives_the_range_only_for_the_same_content(files, link, tag, status):
    answer = files.request("GET", link, headers={"Range": "bytes=10-19", "If-Range": tag})
    assert (answer.status, answer.body) == (status, IMAGE[10:20] if status == 206 else IMAGE)


def test_known_content_is_not_sent_again(files, link):
    answer = files.request("GET", link, headers={"If-None-Match": f'"{SHA256}"'})
    assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", f'"{SHA256}"')
    assert files.request("GET", link, headers={"If-None-Match": '"other"'}).status == 200


def test_other_content_than_asked_for_is_412(files, link):
    assert files.request("GET", link, headers={"If-Match": '"other"'}).status == 412
    assert files.request("GET", link, headers={"If-Match": f'"{SHA256}"'}).status == 200


def test_link_lives_for_900_s_and_is_refused_when_expired(files, link):
    expires = int(link.split("expires=")[1].split("&")[0])
    assert 0 < expires - time.time() <= 900
    assert files.request("GET", signed_link(files, SHA256, expires)).status == 200
    assert files.request("GET", signed_link(files, SHA256, int(time.time()) - 1)).status == 403


@pytest.mark.parametrize(
    "alter",
    [
        lambda link: link[:-1] + ("0" if link[-1] != "0" else "1"),
        lambda link: link.replace("expires=", "expires=1"),
        lambda link: link.replace("expires=", "expires=-"),
        lambda link: link.replace("expires=", "expires=%C3%A9"),
        lambda link: link.replace("key=", "key=%C3%A9"),
        lambda link: link.replace("key=", "other="),
        lambda link: link.replace(SHA256, "0" * 64),
        lambda link: link.replace(SHA256, "..%2F..%2Fjwt.key"),
        lambda link: link.replace(SHA256, SHA256.upper()),
        lambda link: link.split("?")[0],
    ],
)
def test_altered_link_is_refused(files, link, alter):
    answer = files.request("GET", alter(link))
    assert answer.status == 403
    assert "check in again" in answer.detail


def test_content_that_is_gone_is_404(files):
    assert files.request("GET", signed_link(files, "0" * 64, int(time.time()) + 100)).status == 404
