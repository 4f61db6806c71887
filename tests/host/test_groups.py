"""Groups: one of them, its changes, its exact target, and its end."""

import pytest

from .clients import public_pem
from .samples import make_image

UNKNOWN = "0" * 24


def path(group: dict) -> str:
    return f"/groups/{group['id']}"


def audited(server, action: str) -> list[dict]:
    return [each for each in server.api("GET", "/audit").json["items"] if each["action"] == action]


def test_group_is_shown_with_what_its_devices_trust(server, publisher):
    own, strict = server.group("own"), server.group("strict", key=publisher)
    server.board(own).check()
    shown = server.api("GET", path(own)).json
    expected = {"id": own["id"], "name": "own", "app": "kettle", "trust": "server", "devices": 1, "poll_s": 30}
    assert shown == expected | {"target": None, "created_at": own["created_at"], "keys": []}
    (key,) = server.api("GET", path(strict)).json["keys"]
    assert len(key) == 64
    assert public_pem(publisher).encode() not in server.api("GET", path(strict)).body
    assert own["token"].encode() not in server.api("GET", path(own)).body


def test_changed_name_and_interval_are_what_lists_and_devices_get(server):
    group = server.group("kitchen")
    board = server.board(group)
    board.check()
    answer = server.api("PATCH", path(group), {"name": "Küche", "poll_s": 86400})
    assert (answer.status, answer.json["name"], answer.json["poll_s"]) == (200, "Küche", 86400)
    assert board.check().poll_s == pytest.approx(86400, rel=0.15)
    assert server.api("PATCH", path(group), {"poll_s": 1}).json["name"] == "Küche"
    (listed,) = server.api("GET", "/groups").json["items"]
    assert (listed["name"], listed["poll_s"]) == ("Küche", 1)
    assert server.api("GET", "/devices/board-1").json["group_name"] == "Küche"
    assert [line["detail"]["poll_s"] for line in audited(server, "group.update")] == [1, 86400]


def test_change_outlives_a_restart(start):
    server = start()
    group = server.group()
    server.api("PATCH", path(group), {"name": "renamed", "poll_s": 77})
    server.stop()
    shown = start().api("GET", path(group)).json
    assert (shown["name"], shown["poll_s"]) == ("renamed", 77)


def test_empty_change_and_the_same_name_change_nothing(shared):
    group = shared.group()
    before = shared.api("GET", path(group)).json
    for body in ({}, {"name": group["name"]}):
        assert shared.api("PATCH", path(group), body).json == before


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": ""}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": None}, "name"),
        ({"name": 1}, "name"),
        ({"name": "k" * 65}, "name"),
        ({"poll_s": 0}, "poll_s"),
        ({"poll_s": 86401}, "poll_s"),
        ({"poll_s": "60"}, "poll_s"),
        ({"poll_s": 1.5}, "poll_s"),
        ({"poll_s": True}, "poll_s"),
        ({"poll_s": None}, "poll_s"),
        ({"target": "1"}, "target"),
        ({"target": 1}, "target"),
        ({"target": "9.9.9"}, "target: kettle has no release '9.9.9'"),
        ({"trust": "publisher"}, "unknown field 'trust'"),
        ({"app": "toaster"}, "unknown field 'app'"),
    ],
)
def test_wrong_field_is_refused_by_name_and_no_other_is_changed(shared, change, reason):
    group = shared.group()
    before = shared.api("GET", path(group)).json
    answer = shared.api("PATCH", path(group), {"name": "changed", "poll_s": 5} | change)
    assert (answer.status, reason in answer.detail) == (400, True)
    assert shared.api("GET", path(group)).json == before


def test_name_that_is_taken_is_refused_and_nothing_changed(shared):
    taken, group = shared.group(), shared.group()
    answer = shared.api("PATCH", path(group), {"name": taken["name"], "poll_s": 5})
    assert (answer.status, answer.detail.startswith("name: ")) == (409, True)
    assert shared.api("GET", path(group)).json["poll_s"] == 30


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("PATCH", {"poll_s": 5}), ("DELETE", None)])
@pytest.mark.parametrize("group", [UNKNOWN, "x", "%00", "k" * 1000])
def test_unknown_group_is_404(shared, method, body, group):
    assert shared.api(method, f"/groups/{group}", body).status == 404


def test_group_is_held_at_its_target_until_that_ends(server):
    group, other = server.group("held"), server.group("free")
    for version in ("1.1.0", "1.2.0"):
        assert server.publish(make_image(version.encode()), version).status == 201
    assert server.api("PATCH", path(group), {"target": "1.1.0"}).json["target"] == "1.1.0"
    assert server.api("GET", "/groups").json["items"][1]["target"] == "1.1.0"
    held, free = server.board(group, "held"), server.board(other, "free")
    assert [held.offer() is None, held.offer(version="1.1.0"), free.offer() is None] == [False, None, False]
    reasons = {each["version"]: each["reason"] for each in server.api("GET", "/devices/held/explain").json["releases"]}
    assert "held at exactly 1.1.0" in reasons["1.2.0"]
    assert server.api("PATCH", path(group), {"poll_s": 60}).json["target"] == "1.1.0"
    assert server.api("PATCH", path(group), {"target": None}).json["target"] is None
    assert server.api("GET", "/devices/held/explain").json["offer"]["version"] == "1.2.0"


def test_deleted_group_is_gone_with_its_tokens_and_its_name_is_free(server, publisher):
    group = server.group("kitchen", key=publisher)
    server.api("POST", f"{path(group)}/tokens/rotate", {"grace_s": 60})
    assert server.api("DELETE", path(group)).status == 204
    assert server.api("GET", path(group)).status == 404
    assert server.api("DELETE", path(group)).status == 404
    assert server.api("GET", "/groups").json == {"items": [], "total": 0}
    assert server.board(group).check().status == 401
    assert server.group("kitchen")["id"] != group["id"]
    assert audited(server, "group.delete")[0]["subject"] == f"group:{group['id']}"


def test_group_with_devices_is_not_deleted_and_says_how_many(server):
    group = server.group()
    for number in range(2):
        server.board(group, f"board-{number}").check()
    answer = server.api("DELETE", path(group))
    assert (answer.status, "2 devices" in answer.detail) == (409, True)
    assert server.api("DELETE", "/devices/board-0").status == 204
    assert "1 device;" in server.api("DELETE", path(group)).detail
    assert server.board(group, "board-1").check().status == 204
    server.api("DELETE", "/devices/board-1")
    assert server.api("DELETE", path(group)).status == 204


def test_group_whose_token_a_device_elsewhere_proves_itself_with_is_not_deleted(server):
    old, new = server.group("old"), server.group("new")
    board = server.board(old)
    board.check()
    assert server.api("PATCH", "/devices/board-1", {"group": new["id"]}).status == 200
    answer = server.api("DELETE", path(old))
    assert (answer.status, "1 device in other groups" in answer.detail) == (409, True)
    assert board.check().status == 204
    assert server.board(new, "board-1").check().status == 204  # provisioned again
    assert server.api("DELETE", path(old)).status == 204
    assert server.api("GET", "/devices/board-1").json["enrolled_group"] == new["id"]


def test_group_that_a_filter_names_is_not_deleted(server):
    group = server.group()
    made = server.api("POST", "/filters", {"name": "some", "predicate": {"groups": [group["id"]]}}).json
    answer = server.api("DELETE", path(group))
    assert (answer.status, "'some'" in answer.detail) == (409, True)
    server.api("DELETE", f"/filters/{made['id']}")
    assert server.api("DELETE", path(group)).status == 204


def test_group_with_a_target_can_be_deleted(server):
    group = server.group()
    server.publish(make_image())
    server.api("PATCH", path(group), {"target": "1.1.0"})
    assert server.api("DELETE", path(group)).status == 204
    assert server.api("DELETE", "/applications/kettle/releases/1.1.0").status == 204
