"""Kaa's OTA orchestrator, route by route: what each takes, what it answers, and every way in which it refuses.

Creation is in test_kaa_versions.py, files are in test_kaa_files.py.
"""

import json
import signal
from urllib.parse import quote

import pytest

from .clients import Answer
from .kaa import BASE, SCOPES, Kaa, in_path, installing, message, new_filter, stored, unique_image
from .samples import make_image

IMAGE = make_image(size=5000)


# Every route.

ROUTES = {
    "list": ("GET", "/applications/a/software", 404),
    "show": ("GET", "/applications/a/software/1.0.0", 404),
    "create": ("POST", "/applications/a/software/1.0.0", 404),
    "update": ("PUT", "/applications/a/software/1.0.0", 404),
    "delete": ("DELETE", "/applications/a/software/1.0.0", 403),
    "upload": ("PUT", "/applications/a/software/1.0.0/files", 404),
    "delete file": ("DELETE", "/applications/a/software/1.0.0/files/app.bin", 403),
    "link": ("GET", "/applications/a/software/1.0.0/files/app.bin/links", 404),
    "current": ("GET", "/endpoints/board-1/software/current", 404),
}
NEEDS = {
    **dict.fromkeys(("list", "show", "link"), "application:software:read"),
    **dict.fromkeys(("create", "update", "upload"), "application:software:update"),
    **dict.fromkeys(("delete", "delete file"), "application:software:delete"),
    "current": "endpoint:read",
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("given", [None, "Bearer", "Bearer x.y.z", "Basic eDp5", "expired"])
def test_request_without_a_valid_token_is_401(kaa_host, route, given):
    method, path, _ = ROUTES[route]
    value = f"Bearer {kaa_host.token(ttl_s=1, age_s=100)}" if given == "expired" else given
    answer = kaa_host.request(method, BASE + path, headers={} if value is None else {"Authorization": value})
    assert message(answer, 401)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("route", ROUTES)
def test_token_without_the_scope_is_404_and_403_for_deletions(kaa_host, route):
    method, path, status = ROUTES[route]
    others = [scope for scope in SCOPES if scope != NEEDS[route]]
    assert NEEDS[route] in message(Kaa(kaa_host, scopes=others).call(method, path, b"{}"), status)


@pytest.mark.parametrize("route", [route for route in ROUTES if route != "create"])
def test_what_is_not_there_is_404(kaa, route):
    method, path, _ = ROUTES[route]
    path = path.replace("/a/", f"/{kaa.app}/")
    body = {"rolloutStrategy": "general"} if route == "update" else None
    answer = kaa.upload("1.0.0", IMAGE) if route == "upload" else kaa.call(method, path, body)
    assert message(answer, 404)


def test_scheme_of_the_token_is_taken_in_any_case(kaa):
    kaa.post("1.0.0")
    for scheme in ("bearer", "Bearer", "BEARER"):
        token = kaa.headers["Authorization"].split()[1]
        path = f"{BASE}/applications/{kaa.app}/software/1.0.0"
        assert kaa.server.request("GET", path, headers={"Authorization": f"{scheme} {token}"}).status == 200


@pytest.mark.parametrize("path", ["", "/", "/applications", "/applications/a/software/versions/1.0.0", "/endpoints/a"])
def test_unknown_route_is_404_in_the_same_form(kaa, path):
    assert message(kaa.call("GET", path), 404)


def test_method_that_a_route_does_not_have_is_405(kaa):
    answer = kaa.call("PATCH", "/applications/a/software/1.0.0")
    assert message(answer, 405)
    assert set(answer.headers["Allow"].split(",")) >= {"GET", "POST", "PUT", "DELETE"}


LONG = quote("\N{HOT BEVERAGE}" * 3400)
HOSTILE = ("a%2Fb", "..%2F..", "%00", "%0A", "%5C%00", "%20", "%2E%2E", LONG)
NO_UTF8 = ("%FF", "%ED%A0%80", "%F0%9F", "%", "%zz")


def answers_with(kaa: Kaa, route: str, parts: tuple[str, ...]) -> list[Answer]:
    """What the route answers with each of the parts in each of its path's places."""
    method, path, _ = ROUTES[route]
    body = {"rolloutStrategy": "general"} if method in ("PUT", "POST") else None
    places = [place for place in ("/a/", "/1.0.0", "/app.bin", "/board-1/") if place in path]
    paths = [path.replace(place, place.replace(place.strip("/"), part)) for place in places for part in parts]
    return [kaa.call(method, each, body) for each in paths]


@pytest.mark.parametrize("route", ROUTES)
def test_hostile_part_of_a_path_is_400_or_404(kaa, route):
    for answer in answers_with(kaa, route, HOSTILE):
        assert answer.status in (400, 404, 405)  # 405: `..` made another route of it
        assert message(answer, answer.status)


@pytest.mark.parametrize("route", ROUTES)
def test_part_of_a_path_that_is_no_utf8_is_no_fault(kaa, route):
    for answer in answers_with(kaa, route, NO_UTF8):
        assert answer.status < 500


@pytest.mark.parametrize(
    "version", ["1", "1.0", "v1.0.0", "01.0.0", "1.0.0-", "latest", "1.0.0-" + "a" * 64, "1.0.0%20"]
)
def test_version_that_is_not_semver_is_400(kaa, version):
    for answer in (kaa.get(version), kaa.post(version), kaa.put(version), kaa.delete(version)):
        assert "softwareVersion" in message(answer, 400)
    for answer in (kaa.upload(version, IMAGE), kaa.delete_file(version), kaa.link(version)):
        assert "softwareVersion" in message(answer, 400)


# GET /applications/{appName}/software


def test_list_is_in_the_order_of_the_versions(kaa):
    ordered = ["0.9.0", "1.0.0-alpha", "1.0.0-alpha.2", "1.0.0-alpha.10", "1.0.0", "1.2.0", "1.10.0", "2.0.0"]
    for version in reversed(ordered):
        kaa.post(version, metadata=version)
    shown = kaa.all()
    assert shown.status == 200
    assert [(each["version"], each["metadata"]) for each in shown.json] == [(each, each) for each in ordered]
    assert shown.json[3] == kaa.get("1.0.0-alpha.10").json


def test_list_is_empty_when_the_last_version_is_gone(kaa):
    kaa.post("1.0.0")
    kaa.delete("1.0.0")
    assert kaa.all().json == []


def test_application_of_a_group_is_known_before_its_first_version(kaa):
    kaa.server.group(app=kaa.app)
    assert kaa.all().json == []


# PUT /applications/{appName}/software/{softwareVersion}


def test_update_replaces_every_field_but_the_specification(kaa):
    known = new_filter(kaa.server)
    kaa.post(
        "1.0.0",
        specification={"a": 1},
        metadata="old",
        upgradableFrom=[],
        rolloutStrategy="targeted",
        filters=[{"filterId": known}],
        skipDispatchingToEndpoint=True,
    )
    answer = kaa.put("1.0.0", rolloutStrategy="general", metadata="new", upgradableFrom=["0.9.0"])
    assert (answer.status, answer.body) == (204, b"")
    assert kaa.get("1.0.0").json == {
        "appName": kaa.app,
        "version": "1.0.0",
        "specification": {"a": 1},
        "metadata": "new",
        "upgradableFrom": ["0.9.0"],
        "rolloutStrategy": "general",
        "filters": [],
        "skipDispatchingToEndpoint": False,
    }


def test_update_with_a_specification_is_400(kaa):
    kaa.post("1.0.0", specification={"a": 1})
    assert "specification" in message(kaa.put("1.0.0", specification={"a": 2}), 400)
    assert kaa.get("1.0.0").json["specification"] == {"a": 1}


def test_null_in_an_update_is_as_good_as_absent(kaa):
    kaa.post("1.0.0", specification={"a": 1}, metadata="old", upgradableFrom=[], skipDispatchingToEndpoint=True)
    given = dict.fromkeys(("specification", "metadata", "upgradableFrom", "filters", "skipDispatchingToEndpoint"))
    assert kaa.put("1.0.0", **given).status == 204
    assert kaa.get("1.0.0").json == {
        "appName": kaa.app,
        "version": "1.0.0",
        "specification": {"a": 1},
        "rolloutStrategy": "general",
        "filters": [],
        "skipDispatchingToEndpoint": False,
    }


def test_update_keeps_the_file(kaa):
    kaa.post("1.0.0")
    kaa.upload("1.0.0", IMAGE)
    kaa.put("1.0.0", rolloutStrategy="suspended")
    assert kaa.get("1.0.0").json["filename"] == "app.bin"


# DELETE /applications/{appName}/software/{softwareVersion}


def test_deleted_version_is_gone_with_its_file(kaa):
    content = unique_image()
    kaa.post("1.0.0")
    kaa.upload("1.0.0", content)
    assert stored(kaa.server, content)
    answer = kaa.delete("1.0.0")
    assert (answer.status, answer.body) == (204, b"")
    assert message(kaa.get("1.0.0"), 404)
    assert message(kaa.delete("1.0.0"), 404)
    assert not stored(kaa.server, content)


def test_deleted_version_leaves_a_file_that_another_has_too(kaa):
    content = unique_image()
    for version in ("1.0.0", "1.1.0"):
        kaa.post(version)
        kaa.upload(version, content)
    kaa.delete("1.0.0")
    assert stored(kaa.server, content)
    assert kaa.server.request("GET", in_path(kaa.link("1.1.0"))).body == content


def test_version_that_a_board_runs_is_400_and_stays(kaa):
    kaa.post("1.0.0")
    kaa.server.board(kaa.server.group(app=kaa.app), f"runs-{kaa.app}", version="1.0.0").check()
    assert "1.0.0" in message(kaa.delete("1.0.0"), 400)
    assert kaa.get("1.0.0").status == 200


def test_version_that_a_board_has_confirmed_is_400_while_it_tries_another(kaa):
    kaa.post("1.0.0")
    board = kaa.server.board(kaa.server.group(app=kaa.app), f"tries-{kaa.app}", version="1.1.0", state="trial")
    board.check(confirmed_version="1.0.0")
    assert message(kaa.delete("1.0.0"), 400)
    assert kaa.get("1.0.0").status == 200


def test_version_that_a_board_is_installing_is_400_until_it_has_failed(kaa):
    board = installing(kaa, IMAGE)
    assert message(kaa.delete("1.1.0"), 400)
    assert kaa.get("1.1.0").json["filename"] == "app.bin"
    sequence = kaa.server.api("GET", f"/applications/{kaa.app}").json["releases"][0]["sequence"]
    board.report("rolled_back", "1.1.0", sequence, "crash")
    assert kaa.delete("1.1.0").status == 204


# GET /endpoints/{endpointId}/software/current


def test_endpoint_shows_the_version_that_it_has_confirmed(kaa):
    kaa.post("1.0.0", metadata="running")
    kaa.post("1.1.0")
    board = kaa.server.board(kaa.server.group(app=kaa.app), f"board-{kaa.app}", version="1.1.0", state="trial")
    board.check(confirmed_version="1.0.0")
    shown = kaa.current(board.device)
    assert (shown.status, shown.json) == (200, kaa.get("1.0.0").json)
    board.check(version="1.1.0", confirmed_version="1.1.0", state="idle")
    assert kaa.current(board.device).json == kaa.get("1.1.0").json


def test_endpoint_with_a_version_that_is_no_software_is_404(kaa):
    board = kaa.server.board(kaa.server.group(app=kaa.app), f"board-{kaa.app}")
    board.check()
    assert "1.0.0" in message(kaa.current(board.device), 404)


def test_endpoint_that_has_told_nothing_is_404(kaa):
    board = kaa.server.board(kaa.server.group(app=kaa.app), f"board-{kaa.app}")
    board.keys()
    assert board.device in message(kaa.current(board.device), 404)


# What was answered.


def test_restart_between_any_two_calls_loses_nothing(start):
    server = start()
    server.group(app="kettle")
    known = new_filter(server)
    state = []

    def again() -> Kaa:
        nonlocal server
        if state:
            server.stop(signal.SIGKILL)
            server = start()
        assert [Kaa(server, "kettle").all().json] == state[-1:] or not state
        return Kaa(server, "kettle")

    for call, status in (
        (lambda kaa: kaa.post("1.1.0", specification={"a": 1}, filters=[{"filterId": known}]), 201),
        (lambda kaa: kaa.upload("1.1.0", IMAGE), 204),
        (lambda kaa: kaa.put("1.1.0", rolloutStrategy="targeted", metadata=[1]), 204),
        (lambda kaa: kaa.delete_file("1.1.0"), 204),
        (lambda kaa: kaa.upload("1.1.0", make_image(b"two"), "two.bin"), 204),
        (lambda kaa: kaa.post("1.2.0"), 201),
        (lambda kaa: kaa.delete("1.1.0"), 204),
    ):
        client = again()
        assert call(client).status == status
        state.append(client.all().json)
    assert [each["version"] for each in again().all().json] == ["1.2.0"]
    assert not stored(server, make_image(b"two"))


def test_every_change_is_in_the_audit_and_no_refusal(server):
    kaa = Kaa(server)
    kaa.post("1.0.0")
    kaa.upload("1.0.0", IMAGE)
    kaa.put("1.0.0")
    kaa.delete_file("1.0.0")
    kaa.post("1.0.0")
    kaa.delete("1.0.0")
    answer = server.api("GET", "/audit")
    assert answer.status == 200, answer.body
    lines = [each for each in answer.json["items"] if "smart-kettle" in json.dumps(each)]
    assert len(lines) == 5
