"""Accounts beside the first one."""

from .clients import PASSWORD
from .inside import clocked
from .people import USER, second_account


def test_further_account_is_set_up_with_its_own_link_and_sees_nothing_of_the_first(site, anna):
    site.group("first's")
    made, token = second_account(site, "workshop")
    assert site.say("GET", "/api/v1/groups", bearer=token).json["total"] == 0
    assert [each["name"] for each in site.say("GET", "/api/v1/users", bearer=token).json["items"]] == [
        "user of workshop"
    ]
    for path in ("users", "clients"):
        mine = site.made[path[:-1]]["id"]
        assert site.say("GET", f"/api/v1/{path}/{mine}", bearer=token).status == 404
        assert site.say("DELETE", f"/api/v1/{path}/{mine}", bearer=token).status == 404
    assert site.say("PATCH", f"/api/v1/users/{site.made['user']['id']}", {"scopes": ["x"]}, token).status in (400, 404)
    assert site.say("GET", "/api/v1/users", bearer=anna).json["total"] == 1
    listed = site.say("GET", "/api/v1/accounts", bearer=anna).json
    assert {key: made[key] for key in ("id", "name", "group_ota", "created_at")} in listed["items"]
    assert listed["items"][0]["name"] == ""


def test_only_the_first_account_makes_sees_and_changes_accounts(site):
    made, token = second_account(site, "nosy")
    before = site.api("GET", "/accounts").json
    for method, path, body in (
        ("GET", "", None),
        ("POST", "", {"name": "more"}),
        ("PATCH", f"/{made['id']}", {"name": "more"}),
        ("POST", f"/{made['id']}/setup-link", None),
    ):
        answer = site.say(method, f"/api/v1/accounts{path}", body, token)
        assert (answer.status, "first account" in answer.detail) == (403, True)
    assert site.api("GET", "/accounts").json == before


def test_account_is_changed(site):
    made = site.api("POST", "/accounts", {"name": "to be changed"}).json
    path = f"/accounts/{made['id']}"
    changed = site.api("PATCH", path, {"name": "changed", "group_ota": False})
    assert (changed.status, changed.json["name"], changed.json["group_ota"]) == (200, "changed", False)
    assert changed.json in site.api("GET", "/accounts").json["items"]
    assert site.api("PATCH", path, {"group_ota": True}).json == changed.json | {"group_ota": True}
    for body in ({"name": ""}, {"name": None}, {"group_ota": 1}, {"group_ota": None}, {"x": 1}):
        assert site.api("PATCH", path, body).status == 400
    assert site.api("PATCH", f"/accounts/{'0' * 24}", {"name": "x"}).status == 404
    assert site.api("POST", "/accounts", {"name": "changed"}).status == 409


def test_link_of_a_further_account_outlives_restarts_and_can_be_renewed(start):
    server = start()
    made = server.api("POST", "/accounts", {"name": "later"}).json
    server.stop()
    server = start()
    token = made["setup_link"].partition("token=")[2]
    assert server.request("GET", f"/setup?token={token}").status == 200
    other = server.api("POST", f"/accounts/{made['id']}/setup-link")
    assert other.status == 201
    assert server.request("GET", f"/setup?token={token}").status == 403
    body = {"token": other.json["setup_link"].partition("token=")[2], "name": "late", "password": PASSWORD}
    assert server.say("POST", "/api/v1/setup", body).status == 201
    assert server.api("POST", f"/accounts/{made['id']}/setup-link").status == 409


def test_first_account_stays_the_first_when_the_clock_goes_back(data):
    with clocked(data) as server:
        (first,) = server.api("GET", "/accounts").json["items"]
        group = server.group()
        server.clock.now_s -= 30
        second = server.api("POST", "/accounts", {"name": "second"}).json
        assert second["created_at"] < first["created_at"]
        assert [each["id"] for each in server.api("GET", "/accounts").json["items"]] == [first["id"], second["id"]]
        assert [each["id"] for each in server.api("GET", "/groups").json["items"]] == [group["id"]]


def test_user_of_another_account_takes_a_name_for_the_whole_server(site):
    second_account(site, "namesake")
    answer = site.api("POST", "/users", USER | {"name": "user of namesake"})
    assert answer.status == 409


def test_empty_change_and_the_same_name_change_nothing_and_are_not_audited(site):
    made = site.api("POST", "/accounts", {"name": "to be kept"}).json
    lines = site.api("GET", "/audit").json
    for body in ({}, {"name": "to be kept"}):
        answer = site.api("PATCH", f"/accounts/{made['id']}", body)
        assert (answer.status, answer.json.items() <= made.items()) == (200, True)
    assert site.api("GET", "/audit").json == lines
