"""What is no good credential, and where a good one is never to be found."""

import jwt
import pytest

from .clients import PASSWORD
from .people import USER


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
