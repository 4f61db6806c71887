"""Devices through the API: found and ordered, described, moved, removed."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from .clients import Server
from .inside import clocked
from .samples import make_image
from .test_devices_auth import is_challenge, recorded


def ids(server, query: str = "") -> list[str]:
    answer = server.api("GET", f"/devices?{query}")
    assert answer.status == 200, answer.body
    assert answer.json["total"] == len(answer.json["items"])
    return [each["id"] for each in answer.json["items"]]


def patch(server, device: str, **change):
    return server.api("PATCH", f"/devices/{device}", change)


def device(server, name: str = "board-1") -> dict:
    return server.api("GET", f"/devices/{name}").json


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """A server with four devices in two groups; f-d was provisioned and never checked in."""
    server = Server(tmp_path_factory.mktemp("fleet") / "data")
    north, south = server.group("NÖRD 100%"), server.group("south_1", app="oven")
    for name, version, state in (("FB", "1.10.0", "trial"), ("fa", "1.0.0", "idle"), ("f_c", "1.2.0", "idle")):
        server.board(north, name, version=version, state=state).check()
    server.board(south, "f-d").keys()
    patch(server, "fa", tags=["Alpha", "both"])
    patch(server, "f-d", tags=["both"])
    yield server
    server.stop(9)


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("", ["FB", "f-d", "f_c", "fa"]),
        ("fb", ["FB"]),
        ("F", ["FB", "f-d", "f_c", "fa"]),
        ("1.10", ["FB"]),
        ("KETTLE", ["FB", "f_c", "fa"]),
        ("oven", []),  # it has told of no application yet
        ("n%C3%B6rd", ["FB", "f_c", "fa"]),
        ("alph", ["fa"]),
        ("both", ["f-d", "fa"]),
        ("%25", ["FB", "f_c", "fa"]),  # a percent sign, which only a group's name has
        ("_", ["f-d", "f_c"]),
        ("!", []),
        ("f%25a", []),
        ("'", []),
    ],
)
def test_search_finds_what_has_the_text_in_it_in_any_case(fleet, search, found):
    assert ids(fleet, f"search={search}") == found


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("id", ["FB", "f-d", "f_c", "fa"]),
        ("-id", ["fa", "f_c", "f-d", "FB"]),
        ("version", ["fa", "FB", "f_c", "f-d"]),
        ("-version", ["f_c", "FB", "fa", "f-d"]),
        ("app", ["FB", "f_c", "fa", "f-d"]),
        ("-app", ["FB", "f_c", "fa", "f-d"]),
        ("group", ["FB", "f_c", "fa", "f-d"]),
        ("-group", ["f-d", "FB", "f_c", "fa"]),
        ("last_seen_at", ["FB", "fa", "f_c", "f-d"]),
        ("-last_seen_at", ["f_c", "fa", "FB", "f-d"]),
        ("created_at", ["FB", "fa", "f_c", "f-d"]),
        ("-created_at", ["f-d", "f_c", "fa", "FB"]),
    ],
)
def test_list_is_in_the_order_that_is_asked_for(fleet, sort, order):
    assert ids(fleet, f"sort={sort}") == order


def test_exact_filters_hold_together_and_are_counted(fleet):
    north = device(fleet, "fa")["group"]
    assert ids(fleet, f"group={north}") == ["FB", "f_c", "fa"]
    assert ids(fleet, f"group={north}&state=idle") == ["f_c", "fa"]
    assert ids(fleet, f"group={north}&state=idle&tag=both") == ["fa"]
    assert ids(fleet, "tag=bot") == ids(fleet, "tag=alpha") == ids(fleet, "group=nothing") == []
    assert ids(fleet, "tag=both&search=F-&sort=-id") == ["f-d"]
    page = fleet.api("GET", f"/devices?group={north}&sort=-id&offset=1&limit=1").json
    assert ([each["id"] for each in page["items"]], page["total"]) == (["f_c"], 3)


@pytest.mark.parametrize(
    "query",
    [
        "sort=colour",
        "sort=",
        "sort=--id",
        "sort=id,app",
        "state=asleep",
        "state=",
        "colour=red",
        "tag=a&tag=b",
        "search=%00",
        f"search={'k' * 201}",
        f"group={'k' * 201}",
    ],
)
def test_query_that_makes_no_sense_is_refused_by_name(fleet, query):
    answer = fleet.api("GET", f"/devices?{query}")
    assert (answer.status, query.partition("=")[0] in answer.detail) == (400, True)


def test_tags_are_listed_with_their_devices(fleet):
    tags = [{"name": "Alpha", "devices": 1}, {"name": "both", "devices": 2}]
    assert fleet.api("GET", "/tags").json == {"items": tags, "total": 2}
    assert fleet.api("GET", "/tags?offset=1&limit=1").json == {"items": tags[1:], "total": 2}


def test_attributes_and_tags_are_replaced_whole_and_shown(start):
    server = start()
    board = server.board(server.group())
    board.check()
    attributes = {"room": "küche", "floor": 3, "height": 1.5, "wet": True, "a/b": ""}
    answer = patch(server, "board-1", attributes=attributes, tags=["b", "a", "b"])
    assert (answer.status, answer.json["attributes"], answer.json["tags"]) == (200, attributes, ["a", "b"])
    assert [type(value) for value in answer.json["attributes"].values()] == [str, int, float, bool, str]
    patch(server, "board-1", attributes={"room": "hall"})
    patch(server, "board-1", tags=["c"])
    server.stop()
    server = start()
    for shown in (device(server), server.api("GET", "/devices").json["items"][0]):
        assert (shown["attributes"], shown["tags"]) == ({"room": "hall"}, ["c"])
    board.server = server
    board.check()
    assert patch(server, "board-1", attributes={}, tags=[]).json["tags"] == []
    assert (device(server)["attributes"], server.api("GET", "/tags").json["total"]) == ({}, 0)


def test_empty_change_changes_nothing(server):
    server.board(server.group()).check()
    patch(server, "board-1", attributes={"a": 1}, tags=["b"])
    before = device(server)
    assert patch(server, "board-1").json == before
    assert patch(server, "board-1", group=before["group"]).json == before
    actions = [line["action"] for line in server.api("GET", "/audit?subject=device:board-1").json["items"]]
    assert actions == ["device.tags", "device.attributes"]


WRONG = {
    "attributes": [
        '{"": 1}',
        f'{{"{"k" * 65}": 1}}',
        '{"a\\u0000": 1}',
        '{"a\\u001b": 1}',
        f'{{"a": "{"v" * 257}"}}',
        '{"a": "\\u0000"}',
        '{"a": null}',
        '{"a": []}',
        '{"a": {}}',
        '{"a": NaN}',
        '{"a": -Infinity}',
        '{"a": 1e999}',
        '{"a": 9223372036854775808}',
        f'{{"a": 1{"0" * 400}}}',
        json.dumps({str(number): 1 for number in range(33)}),
        "[]",
        "null",
    ],
    "tags": ['["a/b"]', '[""]', '[" a"]', "[1]", '"a"', "null", json.dumps([str(number) for number in range(33)])],
    "group": ['"000000000000000000000000"', '""', '"\\u0000"', "null", "1"],
    "version": ['"2.0.0"'],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in WRONG.items() for value in values])
def test_wrong_field_is_refused_by_name_and_no_other_is_changed(shared, field, value):
    group = shared.group()
    name = f"wrong-{group['id']}"
    shared.board(group, name).check()
    patch(shared, name, attributes={"a": 1}, tags=["t"])
    before = device(shared, name)
    good = {"attributes": '{"b": 2}', "tags": '["u"]'}
    body = ", ".join(f'"{each}": {given}' for each, given in (good | {field: value}).items())
    answer = shared.api("PATCH", f"/devices/{name}", f"{{{body}}}".encode())
    assert (answer.status, field in answer.detail) == (400, True)
    assert device(shared, name) == before


def test_half_of_a_surrogate_pair_is_refused(shared):
    answer = shared.api("PATCH", "/devices/whoever", b'{"attributes": {"a": "\\ud800"}}')
    assert answer.status == 400


@pytest.mark.parametrize(("method", "body"), [("PATCH", {"tags": ["a"]}), ("DELETE", None)])
@pytest.mark.parametrize("name", ["nobody", "%00", "k" * 1000, "a%2Fb"])
def test_unknown_device_is_404(shared, method, body, name):
    assert shared.api(method, f"/devices/{name}", body).status == 404


def test_moved_device_proves_itself_as_before_and_gets_its_new_groups_interval_and_offers(server):
    old, new = server.group("old"), server.group("new")
    server.api("PATCH", f"/groups/{new['id']}", {"poll_s": 77})
    server.publish(make_image(b"1"), "1.1.0")
    server.publish(make_image(b"2"), "1.2.0")
    server.api("PATCH", f"/groups/{new['id']}", {"target": "1.1.0"})
    board = server.board(old)
    assert board.check().poll_s == pytest.approx(30, rel=0.15)
    shown = patch(server, "board-1", group=new["id"]).json
    assert (shown["group"], shown["group_name"], shown["enrolled_group"]) == (new["id"], "new", old["id"])
    answer = board.check()
    assert (answer.status, answer.poll_s) == (200, pytest.approx(77, rel=0.15))
    assert server.api("GET", "/devices/board-1/explain").json["offer"]["version"] == "1.1.0"
    assert board.report("deferred", "1.1.0", 1).status == 204
    assert board.keys().json["poll"] == 77
    assert [each["devices"] for each in server.api("GET", "/groups").json["items"]] == [1, 0]
    assert patch(server, "board-1", group=old["id"]).json["group_name"] == "old"
    assert board.check().poll_s == pytest.approx(30, rel=0.15)


def test_move_outlives_a_restart(start):
    server = start()
    old, new = server.group("old"), server.group("new")
    board = server.board(old)
    board.check()
    patch(server, "board-1", group=new["id"])
    server.stop(9)
    board.server = start()
    assert board.check().status == 204
    assert device(board.server)["group"] == new["id"]


def test_revoked_token_of_the_old_group_ends_a_moved_device_too(server):
    old, new = server.group("old"), server.group("new")
    board = server.board(old)
    board.check()
    patch(server, "board-1", group=new["id"])
    (token,) = server.api("GET", f"/groups/{old['id']}/tokens").json["items"]
    assert token["devices"] == 1
    server.api("DELETE", f"/groups/{old['id']}/tokens/{token['id']}")
    assert is_challenge(board.check())


def test_move_to_another_application_or_other_keys_is_refused_and_says_why(server, publisher):
    old, oven = server.group("old"), server.group("oven", app="oven")
    strict = server.group("strict", key=publisher)
    other = server.group("other", key=rsa.generate_private_key(65537, 3072))
    server.board(old).check()
    server.board(strict, "board-2").check()
    for name, target, reason in (
        ("board-1", oven, "run 'oven'"),
        ("board-1", strict, "trusts other signers"),
        ("board-2", old, "trusts other signers"),
        ("board-2", other, "trusts other signers"),
    ):
        before = device(server, name)
        answer = patch(server, name, tags=["moved"], group=target["id"])
        assert (answer.status, answer.detail.startswith("group: "), reason in answer.detail) == (409, True, True)
        assert device(server, name) == before
    assert patch(server, "board-2", group=server.group("same", key=publisher)["id"]).status == 200


def test_deleted_device_is_gone_with_its_history_and_new_when_it_checks_in_again(server):
    group = server.group()
    sequence = server.publish(make_image()).json["sequence"]
    board, other = server.board(group), server.board(group, "board-2")
    for each in (board, other):
        each.check()
        each.report("rolled_back", "1.1.0", sequence)
    patch(server, "board-1", attributes={"a": 1}, tags=["t"])
    assert server.api("DELETE", "/devices/board-1").status == 204
    assert server.api("GET", "/devices/board-1").status == 404
    assert {each["device"] for each in server.api("GET", "/events").json["items"]} == {"board-2"}
    assert (ids(server), server.api("GET", "/tags").json["total"]) == (["board-2"], 0)
    assert board.offer() is not None  # what failed on it is forgotten
    assert [each["event"] for each in device(server)["events"]] == ["first_seen"]
    assert (device(server)["attributes"], device(server)["tags"]) == ({}, [])
    assert other.offer() is None


def test_replayed_request_of_a_deleted_device_does_not_bring_it_back(server):
    board = server.board(server.group())
    board.check()
    headers, body = recorded(board)
    assert server.api("DELETE", "/devices/board-1").status == 204
    answer = server.request("POST", "/device/v1/report", body, headers)
    assert (answer.status, "Authentication-Info" in answer.headers) == (401, True)
    assert ids(server) == []
    assert board.check().status == 204


def test_device_deleted_after_the_clock_went_back_comes_back_by_itself_and_by_no_replay(data):
    with clocked(data) as server:
        group = server.group()
        board = server.board(group)
        server.clock.now_s += 1800
        board.check()
        headers, body = recorded(board)
        server.clock.now_s -= 1800
        assert server.api("DELETE", "/devices/board-1").status == 204
        answer = server.request("POST", "/device/v1/report", body, headers)
        assert (answer.status, "Authentication-Info" in answer.headers) == (401, True)
        assert ids(server) == []
        assert server.board(group).check().status == 204
        assert ids(server) == ["board-1"]


def test_changes_are_in_the_audit(server):
    old, new = server.group("old"), server.group("new")
    server.board(old).check()
    patch(server, "board-1", attributes={"a": 1}, tags=["t"], group=new["id"])
    server.api("DELETE", "/devices/board-1")
    lines = server.api("GET", "/audit?subject=device:board-1").json["items"]
    assert [(line["action"], line["detail"]) for line in reversed(lines)] == [
        ("device.attributes", {"a": 1}),
        ("device.tags", {"tags": ["t"]}),
        ("device.move", {"from": old["id"], "to": new["id"]}),
        ("device.delete", {"group": new["id"]}),
    ]
