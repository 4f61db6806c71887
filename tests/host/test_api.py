"""The management API: tokens, scopes, groups, lists."""

import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from twinslot_host import tokens
from twinslot_host.config import SCOPES
from twinslot_host.errors import Invalid, NotADataDir

from .clients import public_pem

ROUTES = [
    ("POST", "/groups", "group:update"),
    ("GET", "/groups", "group:read"),
    ("POST", "/groups/x/tokens", "group:update"),
    ("GET", "/groups/x/tokens", "group:read"),
    ("DELETE", "/groups/x/tokens/1", "group:update"),
    ("POST", "/groups/x/tokens/rotate", "group:update"),
    ("GET", "/groups/x", "group:read"),
    ("PATCH", "/groups/x", "group:update"),
    ("DELETE", "/groups/x", "group:update"),
    ("GET", "/devices", "device:read"),
    ("GET", "/devices/x", "device:read"),
    ("GET", "/devices/x/explain", "device:read"),
    ("PATCH", "/devices/x", "device:update"),
    ("DELETE", "/devices/x", "device:update"),
    ("GET", "/tags", "device:read"),
    ("GET", "/events", "device:read"),
    ("POST", "/filters", "filter:update"),
    ("GET", "/filters", "filter:read"),
    ("GET", "/filters/x", "filter:read"),
    ("PUT", "/filters/x", "filter:update"),
    ("DELETE", "/filters/x", "filter:update"),
    ("GET", "/filters/x/devices", "device:read"),
    ("GET", "/applications/x", "application:software:read"),
    ("POST", "/applications/x/releases", "application:software:update"),
]
GROUP = {"name": "kitchen", "app": "kettle", "trust": "server", "keys": []}


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
def test_route_needs_a_token_with_its_scope(shared, method, path, scope):
    nobody = shared.request(method, "/api/v1" + path)
    assert (nobody.status, nobody.headers["WWW-Authenticate"]) == (401, "Bearer")
    others = [each for each in SCOPES if each != scope]
    lacking = shared.api(method, path, b"" if method == "POST" else None, scopes=others)
    assert (lacking.status, scope in lacking.detail) == (403, True)
    allowed = shared.api(method, path, b"" if method == "POST" else None, scopes=[scope])
    assert allowed.status in (200, 400, 404, 415)


def forged(server, **change) -> str:
    now = int(time.time())
    dates = {"iat": now, "exp": now + 60}
    good = {"iss": "twinslot", "aud": "twinslot", "sub": "local", "account": "0" * 24, "scope": "group:read"} | dates
    return jwt.encode(good | change, bytes.fromhex((server.data / "jwt.key").read_text()), "HS256")


def test_tokens_that_are_not_good_are_refused(shared):
    bad = [
        "",
        "abc",
        "a.b.c",
        "\xff",
        shared.token(ttl_s=10, age_s=20),
        shared.token().rpartition(".")[0] + "." + "A" * 43,
        forged(shared),
        forged(shared, account=7),
        forged(shared, scope=["group:read"]),
        forged(shared, iss="other"),
        jwt.encode({"iss": "twinslot", "account": "x", "scope": "group:read"}, "", "none"),
    ]
    for token in bad:
        headers = {"Authorization": f"Bearer {token}".encode("latin-1")}
        assert shared.request("GET", "/api/v1/groups", headers=headers).status == 401


@pytest.mark.parametrize(("ahead_s", "status"), [(50, 200), (90, 401)])
def test_token_of_an_issuer_whose_clock_is_a_minute_ahead_is_accepted(shared, ahead_s, status):
    headers = {"Authorization": f"Bearer {shared.token(age_s=-ahead_s)}"}
    assert shared.request("GET", "/api/v1/groups", headers=headers).status == status


@pytest.mark.parametrize("issued", ["now", None, [], 1e300])
def test_token_whose_date_is_none_is_refused(shared, issued):
    account = jwt.decode(shared.token(), options={"verify_signature": False})["account"]
    token = forged(shared, account=account, iat=issued)
    assert shared.request("GET", "/api/v1/groups", headers={"Authorization": f"Bearer {token}"}).status == 401


def test_token_for_a_folder_without_a_server_says_what_to_run(tmp_path):
    with pytest.raises(NotADataDir, match="twinslot serve --data"):
        tokens.issue(tmp_path, None, 60, 0)


def test_token_is_good_for_ten_years_at_most(shared):
    ten_years_s = 10 * 365 * 24 * 3600
    bearer = shared.token(ttl_s=ten_years_s)
    assert shared.say("GET", "/api/v1/groups", bearer=bearer).status == 200
    for ttl_s in (0, ten_years_s + 1, 1 << 53):
        with pytest.raises(Invalid, match="at most ten years"):
            shared.token(ttl_s=ttl_s)


def test_token_for_an_unknown_scope_is_refused(shared):
    with pytest.raises(Invalid, match="no scope 'all'"):
        tokens.issue(shared.data, ["all"], 60, 0)


def test_new_group_is_listed_without_its_token(server):
    made = server.group("kitchen")
    server.board(made).check()
    assert len(made["token"]) >= 16
    assert len(made["id"]) == 24
    listed = server.api("GET", "/groups").json
    expected = {"id": made["id"], "name": "kitchen", "app": "kettle", "trust": "server", "devices": 1}
    expected |= {"poll_s": 30, "target": None, "created_at": made["created_at"]}
    assert listed == {"items": [expected], "total": 1}


def test_name_that_is_taken_is_refused(server):
    server.group("kitchen")
    answer = server.api("POST", "/groups", GROUP | {"app": "toaster"})
    assert (answer.status, "exists already" in answer.detail) == (409, True)
    assert server.api("GET", "/groups").json["total"] == 1
    assert server.api("GET", "/applications/toaster").status == 404


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": ""}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "k" * 65}, "name"),
        ({"app": ".."}, "app"),
        ({"app": " kettle"}, "app: a name has no spaces around it"),
        ({"name": "kitchen "}, "name: a name has no spaces around it"),
        ({"name": "cafe\u0301"}, "normal form C"),
        ({"name": "\u212b"}, "normal form C"),
        ({"app": "\u00e9" * 33}, "app"),
        ({"trust": "everyone"}, "trust"),
        ({"trust": "publisher"}, "at least one public key"),
        ({"keys": ["x"]}, "not a public key"),
        ({"keys": "x"}, "keys"),
        ({"keys": ["x"] * 9}, "keys"),
        ({"colour": "red"}, "unknown field 'colour'"),
        ({"name": 1}, "name"),
    ],
)
def test_wrong_field_of_a_group_is_refused_by_name(shared, change, reason):
    before = shared.api("GET", "/groups").json["total"]
    answer = shared.api("POST", "/groups", GROUP | change)
    assert (answer.status, reason in answer.detail) == (400, True)
    assert shared.api("GET", "/groups").json["total"] == before


def test_keys_that_devices_can_not_verify_are_refused(shared, publisher):
    from cryptography.hazmat.primitives import serialization

    private = publisher.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    small, odd = rsa.generate_private_key(65537, 2048), rsa.generate_private_key(3, 3072)
    cases = {
        private: "private key",
        public_pem(small): "RSA-3072",
        public_pem(odd): "RSA-3072",
        public_pem(ec.generate_private_key(ec.SECP256R1())): "RSA-3072",
    }
    for pem, reason in cases.items():
        answer = shared.api("POST", "/groups", GROUP | {"trust": "publisher", "keys": [pem]})
        assert (answer.status, reason in answer.detail) == (400, True)
    both = shared.api("POST", "/groups", GROUP | {"keys": [public_pem(publisher)]})
    assert (both.status, "trusts the server has none" in both.detail) == (400, True)


def test_lists_are_paged(server):
    group = server.group()
    for number in range(5):
        server.board(group, f"board-{number}").keys()
    page = server.api("GET", "/devices?offset=1&limit=2").json
    assert ([each["id"] for each in page["items"]], page["total"]) == (["board-1", "board-2"], 5)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "offset=-1", "offset=1e3", "offset=99999999999999999999", "limit="]
)
def test_page_that_is_none_is_refused(shared, query):
    assert shared.api("GET", f"/devices?{query}").status == 400


def test_body_over_its_limit_is_refused(shared):
    assert shared.api("POST", "/groups", b" " * 70000).status == 413


def test_unknown_things_are_404_and_wrong_methods_405(shared):
    for path in ("/devices/nobody", "/devices/nobody/explain", "/applications/nothing", "/nothing", "/devices/%00%0A"):
        answer = shared.api("GET", path)
        assert answer.status == 404
        assert answer.detail
    answer = shared.api("DELETE", "/groups")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET,HEAD,POST")


def test_health_and_metrics_need_no_token(shared):
    assert shared.request("GET", "/healthz").json == {"status": "ok"}
    assert shared.request("GET", "/metrics").status == 200
