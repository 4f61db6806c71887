"""Users, API clients, accounts, sessions and the audit."""

import asyncio
import json
import statistics
import time
from collections.abc import Iterator

import jwt
import pytest

from twinslot_host import config
from twinslot_host.config import SCOPES

from .clients import PASSWORD, Server
from .inside import inside

USER = {"name": "otto", "password": PASSWORD, "scopes": ["group:read"]}


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Server]:
    """A server whose first user is anna; each test leaves her as she was."""
    server = Server(tmp_path_factory.mktemp("identity") / "data")
    server.made = server.set_up()
    yield server
    server.stop()


@pytest.fixture
def anna(site) -> str:
    return site.log_in().json["access_token"]


@pytest.fixture
def otto(site) -> Iterator[dict]:
    """A user who may read groups."""
    made = site.api("POST", "/users", USER)
    assert made.status == 201, made.body
    yield made.json
    site.api("DELETE", f"/users/{made.json['id']}")


@pytest.fixture
def data(tmp_path, server_pem):
    folder = tmp_path / "inside"
    folder.mkdir(mode=0o700)
    (folder / "signing.pem").write_bytes(server_pem)
    return folder


def all_users(server: Server) -> list[dict]:
    return server.api("GET", "/users").json["items"]


# Users


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


def test_scopes_that_a_user_has_already_may_stay_when_others_go(site, otto):
    path = f"/users/{otto['id']}"
    assert site.api("PATCH", path, {"scopes": ["group:read", "device:read"]}).status == 200
    answer = site.api("PATCH", path, {"scopes": ["device:read"]}, scopes=["user:update"])
    assert (answer.status, answer.json["scopes"]) == (200, ["device:read"])


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
    for body, status in (({"password": "short"}, 400), ({"scopes": []}, 400), ({"name": "x"}, 400)):
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


# Sessions


def test_log_in_gives_a_token_for_an_hour_with_the_users_scopes(site, otto):
    answer = site.log_in("otto")
    assert answer.status == 201
    assert answer.json | {"access_token": ""} == {
        "access_token": "",
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": "group:read",
    }
    assert answer.headers["Cache-Control"] == "no-store"
    claims = jwt.decode(answer.json["access_token"], options={"verify_signature": False})
    assert claims["sub"] == f"user:{otto['id']}"


def test_same_password_from_another_keyboard_is_the_same(site):
    made = site.api("POST", "/users", USER | {"name": "composed", "password": "caf\u00e9 caf\u00e9 caf\u00e9"}).json
    assert site.log_in("composed", "cafe\u0301 cafe\u0301 cafe\u0301").status == 201
    site.api("DELETE", f"/users/{made['id']}")


def test_wrong_password_and_unknown_user_look_the_same_and_take_as_long(start):
    server = start(bounds={"FAILURES_FREE": 1000})
    server.set_up()

    def tried(name: str) -> tuple[float, bytes]:
        began = time.perf_counter()
        answer = server.log_in(name, "wrong password")
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        return time.perf_counter() - began, answer.body

    known, unknown = zip(*[(tried("anna"), tried("nobody")) for _ in range(9)], strict=True)
    assert {body for _, body in known} == {body for _, body in unknown}
    took = [statistics.median(seconds for seconds, _ in tries) for tries in (known, unknown)]
    assert 0.5 < took[0] / took[1] < 2


@pytest.mark.parametrize("name", ["anna", "nobody"])
async def test_wrong_passwords_in_a_row_make_a_name_wait(data, name):
    async with inside(data) as here:
        user = {"name": "anna", "password": PASSWORD, "scopes": ["group:read"]}
        assert (await here.post("/api/v1/users", user, here.token()))[0] == 201
        wrong, right = {"name": name, "password": "wrong password"}, {"name": name, "password": PASSWORD}
        good = 201 if name == "anna" else 401
        for _ in range(config.FAILURES_FREE):
            assert (await here.post("/api/v1/sessions", wrong))[0] == 401
        status, told, headers = await here.post("/api/v1/sessions", right)
        assert (status, headers["Retry-After"], "try again in 1 s" in told["detail"]) == (429, "1", True)
        assert (await here.post("/api/v1/sessions", user | {"name": "x"}))[0] == 400  # not counted: no such field
        assert (await here.post("/api/v1/sessions", {"name": "otto", "password": "x"}))[0] == 401
        for wait_s in (1, 2, 4, 8, 16, 32, 60, 60):
            here.clock.now_s += wait_s
            assert (await here.post("/api/v1/sessions", wrong))[0] == 401
            here.clock.now_s += min(2 * wait_s, 60) - 1
            assert (await here.post("/api/v1/sessions", right))[0] == 429
            here.clock.now_s -= min(2 * wait_s, 60) - 1
        here.clock.now_s += 60
        assert (await here.post("/api/v1/sessions", right))[0] == good


async def test_right_password_and_quiet_time_forget_the_wrong_ones(data):
    async with inside(data) as here:
        user = {"name": "anna", "password": PASSWORD, "scopes": ["group:read"]}
        await here.post("/api/v1/users", user, here.token())
        wrong, right = ({"name": "anna", "password": each} for each in ("wrong password", PASSWORD))
        for forget_s in (0, config.FAILURE_KEPT_S):
            for _ in range(config.FAILURES_FREE - 1):
                assert (await here.post("/api/v1/sessions", wrong))[0] == 401
            here.clock.now_s += forget_s
            assert (await here.post("/api/v1/sessions", wrong if forget_s else right))[0] == (401 if forget_s else 201)
        for _ in range(config.FAILURES_FREE - 1):
            assert (await here.post("/api/v1/sessions", wrong))[0] == 401


def test_names_that_were_tried_take_bounded_memory(monkeypatch):
    from twinslot_host import throttle

    monkeypatch.setattr(throttle, "FAILURE_NAMES", 3)
    kept = throttle.Throttle()
    for name in ("a", "b", "c", "a", "d", "e"):
        kept.tried(name, 100)
    assert list(kept._failures) == ["a", "d", "e"]


async def test_token_of_a_user_is_good_for_an_hour_and_no_longer(data):
    async with inside(data) as here:
        user = {"name": "anna", "password": PASSWORD, "scopes": ["group:read"]}
        await here.post("/api/v1/users", user, here.token())
        token = (await here.post("/api/v1/sessions", {"name": "anna", "password": PASSWORD}))[1]["access_token"]
        here.clock.now_s += 3599
        assert await here.get("/api/v1/groups", token) == 200
        here.clock.now_s += 1
        assert await here.get("/api/v1/groups", token) == 401


async def test_log_in_waits_for_some_others_and_is_refused_behind_many(data):
    async with inside(data) as here:
        tries = (here.post("/api/v1/sessions", {"name": f"name-{number}", "password": "x"}) for number in range(60))
        answers = await asyncio.gather(*tries)
        assert {status for status, _, _ in answers} == {401, 429}
        assert sum(status == 401 for status, _, _ in answers) >= config.HASHES_WAITING
        assert (await here.post("/api/v1/sessions", {"name": "later", "password": "x"}))[0] == 401


# Clients


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


# Accounts


def second_account(server: Server, name: str) -> tuple[dict, str]:
    """A further account that is set up, and a token of its user."""
    made = server.api("POST", "/accounts", {"name": name})
    assert (made.status, made.json.keys()) == (201, {"id", "name", "group_ota", "created_at", "setup_link"})
    link = made.json["setup_link"]
    assert link.startswith(f"http://127.0.0.1:{server.port}/setup?token=")
    body = {"token": link.partition("token=")[2], "name": f"user of {name}", "password": PASSWORD}
    assert server.say("POST", "/api/v1/setup", body).status == 201
    assert server.say("POST", "/api/v1/setup", body | {"name": "again"}).status == 403
    return made.json, server.log_in(body["name"]).json["access_token"]


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
    for body, status in (({"name": ""}, 400), ({"group_ota": 1}, 400), ({"x": 1}, 400)):
        assert site.api("PATCH", path, body).status == status
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


async def test_first_account_stays_the_first_when_the_clock_goes_back(data):
    async with inside(data) as here:
        token = here.token()
        here.clock.now_s -= 30
        assert (await here.post("/api/v1/accounts", {"name": "second"}, token))[0] == 201
        assert await here.get("/api/v1/accounts", token) == 200


def test_user_of_another_account_takes_a_name_for_the_whole_server(site):
    second_account(site, "namesake")
    answer = site.api("POST", "/users", USER | {"name": "user of namesake"})
    assert answer.status == 409


# The credential


@pytest.mark.parametrize(
    "path", ["/api/v1/groups", "/otao/api/v1/applications/x/software/versions", "/v1/ota/group", "/api/v1/users"]
)
@pytest.mark.parametrize(
    "header",
    [
        "Bearer", "Bearer ", "bearer x", "Basic eDp5", "x", "Bearer a b c", "Bearer ..", "Bearer =.=.=", "\xff\xfe",
        "Bearer " + "[" * 7000,
        "Bearer W1tb." + "W" * 6000 + ".x",
    ],
)  # fmt: skip
def test_malformed_credential_is_401_in_the_form_of_its_surface(shared, path, header):
    answer = shared.request("GET", path, headers={"Authorization": header.encode("latin-1")})
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    own = path.startswith("/api/v1")
    assert answer.json.keys() == ({"type", "title", "status", "detail"} if own else {"message"})


def test_two_credentials_are_none(shared):
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", shared.port)
    connection.putrequest("GET", "/api/v1/groups")
    for _ in range(2):
        connection.putheader("Authorization", f"Bearer {shared.token()}")
    connection.endheaders()
    assert connection.getresponse().status == 401
    connection.close()


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "other"}, {"aud": None}, {"iss": "other"}, {"sub": "user:x"}, {"sub": "client:x"}, {"sub": "user:"},
        {"sub": "other"}, {"sub": 1}, {"nbf": 1 << 40}, {"exp": 1}, {"exp": "x"}, {"exp": True}, {"exp": 1e999},
    ],
)  # fmt: skip
def test_token_with_a_wrong_claim_is_refused(site, change):
    claims = jwt.decode(site.token(), options={"verify_signature": False})
    key = bytes.fromhex((site.data / "jwt.key").read_text())
    good, bad = (jwt.encode(each, key, "HS256") for each in (claims, claims | change))
    assert site.say("GET", "/api/v1/groups", bearer=good).status == 200
    assert site.say("GET", "/api/v1/groups", bearer=bad).status == 401


def test_deeply_nested_token_is_refused(site):
    import base64

    nested = base64.urlsafe_b64encode(b"[" * 4000).rstrip(b"=").decode()
    for token in (f"{nested}.e30.x", f"eyJhbGciOiJIUzI1NiJ9.{nested}.x"):
        assert site.say("GET", "/api/v1/groups", bearer=token).status == 401


# The audit


def test_changes_are_audited_and_log_ins_are_not(site):
    before = site.api("GET", "/audit").json["total"]
    made = site.api("POST", "/users", USER | {"name": "audited"}).json
    site.log_in("audited")
    site.api("PATCH", f"/users/{made['id']}", {"scopes": ["device:read"], "password": "another password"})
    site.api("DELETE", f"/users/{made['id']}")
    subject = f"user:{made['id']}"
    page = site.api("GET", f"/audit?subject={subject}")
    assert [each["action"] for each in page.json["items"]] == ["user.delete", "user.update", "user.create"]
    assert {(each["actor"], each["subject"]) for each in page.json["items"]} == {("operator", subject)}
    assert page.json["total"] == 3 and site.api("GET", "/audit").json["total"] == before + 3
    assert b"another password" not in page.body and b"argon2" not in page.body
    assert site.api("GET", f"/audit?subject={subject}&limit=1&offset=2").json["items"] == page.json["items"][2:]


def test_audit_names_who_did_it(site, anna):
    secret = site.made["client"]["secret"]
    form = f"grant_type=client_credentials&client_id={site.made['client']['id']}&client_secret={secret}"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    client = site.request("POST", "/oauth/token", form.encode(), headers).json["access_token"]
    for number, (bearer, actor) in enumerate(((anna, "user:anna"), (client, f"client:{site.made['client']['id']}"))):
        body = {"name": f"by-{number}", "scopes": ["group:read"]}
        made = site.say("POST", "/api/v1/clients", body, bearer).json
        lines = site.api("GET", f"/audit?actor={actor}&subject=client:{made['id']}").json["items"]
        assert [(each["actor"], each["action"]) for each in lines] == [(actor, "client.create")]
        assert secret not in json.dumps(lines)
        assert site.api("GET", f"/audit?actor=operator&subject=client:{made['id']}").json == {"items": [], "total": 0}
        site.api("DELETE", f"/clients/{made['id']}")


def test_refused_change_is_not_audited(site, otto):
    before = site.api("GET", "/audit").json["total"]
    site.api("POST", "/users", USER)
    site.api("DELETE", f"/users/{site.made['user']['id']}")
    site.api("PATCH", f"/users/{otto['id']}", {"scopes": ["device:read"]}, ["user:update"])
    assert site.api("GET", "/audit").json["total"] == before


def test_audit_of_another_account_is_not_shown(site):
    _, token = second_account(site, "auditor")
    lines = site.say("GET", "/api/v1/audit", bearer=token).json["items"]
    assert {each["actor"] for each in lines} == {"user:user of auditor"}


@pytest.mark.parametrize("query", ["subject=", "actor=", "limit=0", "x=1", "actor=a&actor=b"])
def test_wrong_query_of_the_audit_is_refused(site, query):
    assert site.api("GET", f"/audit?{query}").status == 400


# What is kept


def test_no_secret_is_in_the_files_or_in_the_log(start):
    server = start()
    made = server.set_up()
    user = server.api("POST", "/users", USER | {"password": "second secret password"}).json
    server.api("PATCH", f"/users/{user['id']}", {"password": "third secret password"})
    client = server.api("POST", "/clients", {"name": "robot", "scopes": ["group:read"]}).json
    account = server.api("POST", "/accounts", {"name": "more"}).json
    tokens = [server.log_in().json["access_token"], server.token()]
    server.log_in("otto", "wrong secret password")
    for token in tokens:
        server.say("GET", "/api/v1/groups", bearer=token)
    secrets = [PASSWORD, "second secret password", "third secret password", "wrong secret password", *tokens]
    secrets += [made["client"]["secret"], client["secret"], account["setup_link"].partition("token=")[2]]
    kept = [path.read_bytes() for path in server.data.rglob("*") if path.is_file()]
    log = server.stop()
    kept += [path.read_bytes() for path in server.data.rglob("*") if path.is_file()]
    for secret in secrets:
        assert not any(secret.encode() in content for content in kept)
        assert secret not in log
