"""Packages that lie on the server: what an upload may be, how long its content stays, and who gets it by a link."""

import hashlib
import signal

import pytest

from twinslot_host.domain.paths import PATH_LIMIT

from .group_ota import change
from .inside import clocked
from .packaging import HEATER, download, form, post, post_raw, stored, upload
from .samples import make_image
from .scene import Part, encoded


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def link(board) -> str:
    """Where the operation that the board gets says its package is."""
    return board.work()["uri"]


# Uploads


def test_upload_is_answered_with_its_files_listed_and_on_disk(server):
    answer = upload(server, HEATER)
    assert answer.status == 201
    made = answer.json
    assert (made["name"], made["version"], made["size"]) == ("heater", "1.0.300", sum(map(len, HEATER.values())))
    assert made["files"] == [
        {"path": path, "size": len(data), "sha256": sha256(data)} for path, data in sorted(HEATER.items())
    ]
    assert server.api("GET", f"/packages/{made['id']}").json == made
    del made["files"]
    assert server.api("GET", "/packages").json == {"items": [made], "total": 1}
    assert stored(server) == {sha256(data) for data in HEATER.values()}
    audited = server.api("GET", "/audit?subject=package:heater/1.0.300").json["items"]
    assert [(each["action"], each["detail"]) for each in audited] == [("package.create", {"files": list(HEATER)})]


def test_list_is_paged_by_name_the_newest_version_first(server):
    for name, version in (("b", "1"), ("b", "2"), ("a", "1")):
        assert upload(server, {"x.py": b"x"}, name, version).status == 201
    shown = [
        [
            (each["name"], each["version"])
            for each in server.api("GET", f"/packages?offset={offset}&limit=2").json["items"]
        ]
        for offset in (0, 2)
    ]
    assert shown == [[("a", "1"), ("b", "2")], [("b", "1")]]
    assert server.api("GET", "/packages?limit=1").json["total"] == 3


def test_name_and_version_are_taken_once(server):
    assert upload(server, HEATER).status == 201
    again = upload(server, {"other.py": b"other"})
    assert again.status == 409
    assert "heater 1.0.300 exists already" in again.detail
    assert upload(server, {"other.py": b"other"}, version="1.0.301").status == 201
    assert stored(server) == {sha256(data) for data in (*HEATER.values(), b"other")}


def test_absolute_path_is_refused_however_it_is_written(shared):
    headers, body = encoded(form({"x.py": b"x"}, "refused"))
    for name in (b'filename="//x.py"', b'FileName = "/x.py"', b"filename*=utf-8''%2Fx.py", b"filename=/x.py"):
        answer = post_raw(shared, headers, body.replace(b'filename="x.py"', name))
        assert (name, answer.status) == (name, 400)


@pytest.mark.parametrize("taken", ["index.json", "index.json.new"])
@pytest.mark.parametrize("field", ["name", "version"])
def test_name_or_version_that_a_boards_own_file_has_is_refused_saying_so(shared, taken, field):
    before = stored(shared)
    answer = post(shared, form({"x.py": b"never kept"}, **{"name": "refused", field: taken}))
    assert (answer.status, answer.detail.startswith(f"{field}: no board takes that; index.json and")) == (400, True)
    assert stored(shared) == before
    assert upload(shared, {"x.py": b""}, f"{taken}.{field}").status == 201


@pytest.mark.parametrize(
    "text", [b"", b"\0", b"\xff", b"[]", b"null", b"{", b'{"name": "a"}', b'{"name": 1, "version": "1"}', b"[" * 5000]
)
def test_first_part_that_tells_no_package_is_refused(shared, text):
    answer = post(shared, [Part("package", text), *form(HEATER)[1:]])
    assert answer.status == 400
    assert post(shared, form(HEATER, "refused", extra=1)).detail == "unknown field 'extra'"


def test_more_than_a_mebibyte_together_is_413_and_a_mebibyte_is_not(server):
    half = bytes(512 * 1024)
    assert upload(server, {"a": half, "b": half, "c": b"x"}).status == 413
    assert stored(server) == set()
    assert upload(server, {"a": half, "b": half}).status == 201


def test_65_files_are_413_and_64_are_not_and_their_package_json_is_one_that_boards_take(server):
    files = {f"{number:02}/".ljust(PATH_LIMIT, "x"): b"%d" % number for number in range(65)}
    assert upload(server, files, "a" * 64, "1" * 64).status == 413
    assert stored(server) == set()
    files.popitem()
    assert upload(server, files, "a" * 64, "1" * 64).status == 201
    board = server.board(server.group())
    board.check()
    assert download(server, uri=f"package:{'a' * 64}", version="1" * 64).status == 200
    made = server.request("GET", link(board))
    assert len(made.json["urls"]) == 64
    assert len(made.body) <= 32 * 1024


def test_upload_that_is_killed_leaves_nothing_after_the_next_start(start):
    server = start()
    assert upload(server, HEATER).status == 201
    headers, body = encoded(form({"a": b"a" * 1000, "b": b"b" * 500_000}, "killed"))
    bearer = {"Authorization": f"Bearer {server.token()}", "Content-Length": str(len(body))}

    def part_of_it():
        yield body[:300_000]
        server.stop(signal.SIGKILL)
        yield b""

    with pytest.raises(OSError):
        server.request("POST", "/api/v1/packages", part_of_it(), headers | bearer)
    server = start()
    assert [each["name"] for each in server.api("GET", "/packages").json["items"]] == ["heater"]
    assert stored(server) == {sha256(data) for data in HEATER.values()}


# What stays


def test_deleted_package_takes_its_files_with_it_but_those_that_others_use(server):
    image = make_image(size=5000)
    server.group()
    assert server.publish(image).status == 201
    first = upload(server, {"core.py": b"shared", "own.py": b"own", "image": image}).json["id"]
    assert upload(server, {"lib/core.py": b"shared"}, "other").status == 201
    assert server.api("DELETE", f"/packages/{first}").status == 204
    assert stored(server) == {sha256(b"shared"), sha256(image)}
    assert server.api("GET", f"/packages/{first}").status == 404
    assert server.api("DELETE", f"/packages/{first}").status == 404
    assert [each["action"] for each in server.api("GET", "/audit?subject=package:heater/1.0.300").json["items"]] == [
        "package.delete",
        "package.create",
    ]


def test_files_of_packages_outlive_a_restart_and_a_release_of_the_same_content(start):
    server = start()
    image = make_image(size=5000)
    server.group()
    assert server.publish(image).status == 201
    assert upload(server, {"image": image, "x.py": b"x"}).status == 201
    assert server.api("DELETE", "/applications/kettle/releases/1.1.0").status == 204
    server.stop()
    assert stored(start()) == {sha256(image), sha256(b"x")}


def test_package_that_a_device_is_still_to_install_is_not_deleted(server):
    board = server.board(server.group())
    board.check()
    package = upload(server, HEATER).json["id"]
    assert upload(server, {"x.py": b"x"}, version="1.0.301").status == 201
    operation = download(server, uri="package:heater").json["operationId"]
    refused = server.api("DELETE", f"/packages/{package}")
    assert refused.status == 409
    assert "'board-1' is still to install it" in refused.detail
    others = [each for each in server.api("GET", "/packages").json["items"] if each["id"] != package]
    assert server.api("DELETE", f"/packages/{others[0]['id']}").status == 204
    assert server.api("POST", f"/operations/{operation}/cancel").status == 200
    assert server.api("DELETE", f"/packages/{package}").status == 204
    assert stored(server) == set()


# Links


@pytest.fixture
def linked(data):
    """A server with a clock, and a link to the package that its board is to install."""
    with clocked(data) as server:
        board = server.board(server.group())
        board.check()
        assert upload(server, HEATER).status == 201
        assert download(server, uri="package:heater").status == 200
        yield server, link(board)


def test_link_leads_to_a_package_json_whose_links_lead_to_the_files(linked):
    server, path = linked
    made = server.request("GET", path)
    assert (made.status, made.headers["Content-Type"], made.headers["Cache-Control"]) == (
        200,
        "application/json",
        "no-store",
    )
    assert made.json.keys() == {"version", "urls", "sha256"}
    assert made.json["version"] == "1.0.300"
    assert {path: server.request("GET", url).body for path, url in made.json["urls"]} == HEATER
    assert made.json["sha256"] == {path: sha256(data) for path, data in HEATER.items()}
    assert server.request("HEAD", path).status == 200


def test_altered_link_is_403(linked):
    server, path = linked
    bare, _, query = path.partition("?")
    expires = query.partition("&")[0].partition("=")[2]
    other = upload(server, {"x.py": b"x"}, "other").json["id"]
    files_link = server.request("GET", path).json["urls"][0][1]
    altered = [
        bare,
        f"{bare}?expires={expires}",
        path[:-1],
        path.replace(expires, str(int(expires) + 1)),
        f"/device/v1/packages/{other}?{query}",
        f"{bare}?{files_link.partition('?')[2]}",
        f"{files_link.partition('?')[0]}?{query}",
    ]
    for each in altered:
        answer = server.request("GET", each)
        assert (each, answer.status) == (each, 403)
        assert "altered or expired" in answer.detail


def test_expired_link_is_403(linked):
    server, path = linked
    server.clock.now_s += 900
    assert server.request("GET", path).status == 200
    server.clock.now_s += 1
    assert server.request("GET", path).status == 403


def test_link_to_a_package_that_is_gone_is_404_and_its_operation_fails_saying_so(linked):
    server, path = linked
    package = server.api("GET", "/packages").json["items"][0]["id"]
    board = server.board(server.group(), "board-2")
    board.check()
    operation = download(server, "board-2", uri="package:heater").json["operationId"]
    change(server, "DELETE FROM package_files")
    change(server, "DELETE FROM packages WHERE id = ?", package)
    assert server.request("GET", path).status == 404
    assert board.work() is None
    told = server.api("GET", f"/operations/{operation}").json
    assert told["state"] == "failed"
    assert "not on the server any more" in told["reason"]
