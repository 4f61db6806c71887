"""Users and API clients."""

import pytest

from twinslot_host.config import SCOPES

from .clients import PASSWORD, Server
from .people import USER


def all_users(server: Server) -> list[dict]:
    return server.api("GET", "/users").json["items"]


def test_user_is_made_shown_and_listed_without_the_password(site, otto):
    assert otto.keys() == {"id", "name", "scopes", "created_at"}
    assert site.api("GET", f"/users/{otto['id']}").json == otto
    listed = site.api("GET", "/users")
    assert (listed.json["total"], listed.json["items"]) == (2, [site.made["user"], otto])
    assert b"argon2" not in listed.body


def test_user_name_is_taken_once_on_the_server(site, otto):
    answer = site.api("POST", "/users", USER)
    assert (answer.status, "exists already" in answer.detail) == (409, True)
    assert len(all_users(site)) == 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"password": "9 letters"}, "password: it has 10 to 256"),
        ({"password": "x" * 257}, "password: it has 10 to 256"),
        ({"password": None}, "password"),
        ({"scopes": []}, "scopes: at least one"),
        ({"scopes": ["everything"]}, "scopes: there is no scope 'everything'"),
        ({"scopes": "group:read"}, "scopes"),
        ({"scopes": [1]}, "scopes.0"),
        ({"admin": True}, "unknown field 'admin'"),
    ],
)
def test_wrong_field_of_a_user_is_refused_by_name(site, change, reason):
    before = all_users(site)
    answer = site.api("POST", "/users", USER | change)
    assert (answer.status, reason in answer.detail) == (400, True)
    assert all_users(site) == before


def test_nobody_gives_scopes_that_they_lack(site, otto):
    few = ["user:update", "group:read", "client:update"]
    before = all_users(site)
    for method, path, body in (
        ("POST", "/users", {"name": "x", "password": PASSWORD, "scopes": ["device:read"]}),
        ("PATCH", f"/users/{otto['id']}", {"scopes": ["group:read", "device:read"]}),
        ("POST", "/clients", {"name": "x", "scopes": ["group:read", "device:read"]}),
    ):
        answer = site.api(method, path, body, scopes=few)
        assert (answer.status, "device:read" in answer.detail) == (403, True)
    assert all_users(site) == before
    assert site.api("GET", "/clients").json["total"] == 1


def test_nobody_reduces_or_deletes_a_user_or_client_with_scopes_that_they_lack(site, otto):
    path = f"/users/{otto['id']}"
    both = site.api("PATCH", path, {"scopes": ["group:read", "device:read"]}).json
    client = f"/clients/{site.made['client']['id']}"
    few = ["user:update", "client:update", "group:read"]
    for method, where, body in (
        ("PATCH", path, {"scopes": ["group:read"]}),
        ("DELETE", path, None),
        ("DELETE", client, None),
    ):
        answer = site.api(method, where, body, scopes=few)
        assert (answer.status, "device:read" in answer.detail) == (403, True)
    assert site.api("GET", path).json == both
    assert site.api("GET", client).status == 200
    assert site.api("PATCH", path, {"scopes": ["group:read"]}, scopes=[*few, "device:read"]).status == 200
    assert site.api("DELETE", path, scopes=few).status == 204


def test_empty_change_and_the_same_scopes_change_nothing_and_are_not_audited(site, otto):
    lines = site.api("GET", "/audit").json
    for body in ({}, {"scopes": ["group:read"]}):
        assert site.api("PATCH", f"/users/{otto['id']}", body).json == otto
    assert site.api("GET", "/audit").json == lines


def test_nobody_takes_over_a_user_with_more_scopes_by_a_new_password(site):
    answer = site.api("PATCH", f"/users/{site.made['user']['id']}", {"password": "another password"}, ["user:update"])
    assert answer.status == 403
    assert site.log_in().status == 201


def test_new_password_ends_the_old_one_and_its_tokens(site, otto):
    token = site.log_in("otto").json["access_token"]
    assert site.say("GET", "/api/v1/groups", bearer=token).status == 200
    assert site.api("PATCH", f"/users/{otto['id']}", {"password": "another password"}).status == 200
    assert site.say("GET", "/api/v1/groups", bearer=token).status == 401
    assert site.log_in("otto").status == 401
    assert site.log_in("otto", "another password").status == 201


def test_wrong_new_password_changes_nothing(site, otto):
    for body, status in (
        ({"password": "short"}, 400),
        ({"password": None}, 400),
        ({"scopes": []}, 400),
        ({"scopes": None}, 400),
        ({"name": "x"}, 400),
    ):
        assert site.api("PATCH", f"/users/{otto['id']}", body).status == status
    assert site.api("GET", f"/users/{otto['id']}").json == otto
    assert site.log_in("otto").status == 201


def test_scopes_that_a_user_loses_are_lost_for_its_tokens_at_once(site, otto):
    path = f"/users/{otto['id']}"
    site.api("PATCH", path, {"scopes": ["group:read", "device:read"]})
    token = site.log_in("otto").json["access_token"]
    assert site.say("GET", "/api/v1/devices", bearer=token).status == 200
    site.api("PATCH", path, {"scopes": ["group:read"]})
    assert site.say("GET", "/api/v1/devices", bearer=token).status == 403
    assert site.say("GET", "/api/v1/groups", bearer=token).status == 200


def test_token_of_a_deleted_user_stops_working_at_once(site, otto):
    token = site.log_in("otto").json["access_token"]
    assert site.api("DELETE", f"/users/{otto['id']}").status == 204
    assert site.say("GET", "/api/v1/groups", bearer=token).status == 401
    assert site.log_in("otto").status == 401
    assert site.api("DELETE", f"/users/{otto['id']}").status == 404


def test_last_user_who_may_change_users_stays(site, otto):
    path = f"/users/{site.made['user']['id']}"
    for answer in (site.api("DELETE", path), site.api("PATCH", path, {"scopes": ["user:read"]})):
        assert (answer.status, "last user of the account with user:update" in answer.detail) == (409, True)
    assert site.api("GET", path).json == site.made["user"]
    site.api("PATCH", f"/users/{otto['id']}", {"scopes": ["user:update"]})
    assert site.api("PATCH", path, {"scopes": ["user:read"]}).status == 200
    assert site.api("DELETE", f"/users/{otto['id']}").status == 409
    assert site.api("PATCH", path, {"scopes": list(SCOPES)}).status == 200


def test_client_is_shown_with_its_secret_once(site):
    made = site.api("POST", "/clients", {"name": "robot", "scopes": ["device:read", "group:read"]})
    assert (made.status, made.headers["Cache-Control"]) == (201, "no-store")
    assert len(made.json["secret"]) == 43
    assert made.json["scopes"] == ["group:read", "device:read"]
    shown = {name: value for name, value in made.json.items() if name != "secret"}
    assert site.api("GET", f"/clients/{made.json['id']}").json == shown
    assert shown in site.api("GET", "/clients").json["items"]
    assert site.api("POST", "/clients", {"name": "robot", "scopes": ["group:read"]}).status == 409
    assert site.api("DELETE", f"/clients/{made.json['id']}").status == 204
    assert site.api("GET", f"/clients/{made.json['id']}").status == 404


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"name": "x", "scopes": []}, "scopes"),
        ({"name": "x", "scopes": ["x"]}, "scopes"),
        ({"name": "", "scopes": ["group:read"]}, "name"),
        ({"name": "x"}, "scopes"),
        ({"name": "x", "scopes": ["group:read"], "secret": "mine"}, "unknown field 'secret'"),
    ],
)
def test_wrong_field_of_a_client_is_refused_by_name(site, body, reason):
    before = site.api("GET", "/clients").json
    answer = site.api("POST", "/clients", body)
    assert (answer.status, reason in answer.detail) == (400, True)
    assert site.api("GET", "/clients").json == before
