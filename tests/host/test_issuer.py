"""Tokens of an external issuer, and of every kind that it did not make."""

import base64
import hmac
import json
import time
from collections.abc import Iterator

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .clients import PASSWORD, Server
from .issuer import AUDIENCE, ISSUER, KEYS, OTHER_RSA, RSA, KeyServer, claims, token

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Server]:
    """A server that takes an issuer's tokens, and has been set up before it did; one account."""
    published = KeyServer()
    data = tmp_path_factory.mktemp("issuer") / "data"
    before = Server(data)
    made = before.set_up()
    session = before.log_in().json["access_token"]
    before.stop()
    server = Server(data, issuer=(ISSUER, AUDIENCE, published.address))
    server.made, server.session = made, session
    yield server
    server.stop()
    published.close()


def status(server: Server, bearer: str, path: str = "groups") -> int:
    return server.say("GET", f"/api/v1/{path}", bearer=bearer).status


@pytest.mark.parametrize("kid", KEYS)
def test_each_kind_of_key_vouches_for_tokens(site, kid):
    key, algorithms = KEYS[kid]
    for algorithm in algorithms:
        assert status(site, token(kid, algorithm, key)) == 200


@pytest.mark.parametrize(
    ("change", "allowed"),
    [
        ({"scope": "group:read device:read"}, True),
        ({"scope": None, "scp": ["group:read"]}, True),
        ({"scope": None, "scp": "group:read"}, True),
        ({"scope": "openid profile"}, False),
        ({"scope": ""}, False),
        ({"scope": None}, False),
    ],
)
def test_scopes_come_as_text_or_as_a_list(site, change, allowed):
    assert status(site, token(**change)) == (200 if allowed else 403)


def test_audience_may_be_one_of_several(site):
    assert status(site, token(aud=["other", AUDIENCE])) == 200


@pytest.mark.parametrize(
    ("claim", "later_s", "expected"),
    [("nbf", -5, 200), ("exp", 3600.5, 200), ("exp", -1, 401), ("nbf", 3600, 401), ("iat", 3600, 401)],
)
def test_dates_say_when_a_token_is_good(site, claim, later_s, expected):
    assert status(site, token(**{claim: time.time() + later_s})) == expected


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "https://evil.example.com"}, {"iss": ISSUER + "/"}, {"iss": None}, {"aud": "other"}, {"aud": None},
        {"aud": ["other"]}, {"exp": None}, {"exp": "x"}, {"exp": 1e999}, {"nbf": "x"}, {"sub": None}, {"sub": 7},
        {"scope": 7}, {"scope": None, "scp": {"group:read": 1}}, {"account": "0" * 24}, {"account": 7},
    ],
)  # fmt: skip
def test_token_with_a_wrong_claim_is_refused(site, change):
    assert status(site, token(**change)) == 401


def test_tokens_that_the_issuer_did_not_sign_are_refused(site):
    published = RSA.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    own_key = bytes.fromhex((site.data / "jwt.key").read_text())
    stranger = ec.generate_private_key(ec.SECP256R1())
    forged = [
        token(key=OTHER_RSA),
        token("p256", "ES256", stranger),
        token("p256"),  # the kid of another kind of key
        token("rsa", "ES256", stranger),
        token(None),  # no kid, and several keys
        hmac_token(published),
        hmac_token(own_key),
        jwt.encode(claims(), None, "none", headers={"kid": "rsa"}),
        token() + "x",
        token().rpartition(".")[0] + ".",
        token().partition(".")[0] + ".e30.x",
    ]
    for each in forged:
        assert status(site, each) == 401


def hmac_token(key: bytes) -> str:
    """A token under HMAC, by a key that PyJWT itself would not take."""
    parts = ({"alg": "HS256", "typ": "JWT", "kid": "rsa"}, claims())
    text = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    mac = base64.urlsafe_b64encode(hmac.digest(key, text, "sha256")).rstrip(b"=")
    return (text + b"." + mac).decode()


def test_operator_still_comes_in_and_users_and_clients_do_not(site):
    assert site.api("GET", "/groups").status == 200
    assert status(site, site.session) == 401
    login = site.log_in()
    assert (login.status, ISSUER in login.detail) == (403, True)
    form = f"grant_type=client_credentials&client_id={site.made['client']['id']}"
    form += f"&client_secret={site.made['client']['secret']}"
    answer = site.request("POST", "/oauth/token", form.encode(), FORM)
    assert (answer.status, answer.json["error"]) == (400, "unauthorized_client")
    assert ISSUER in answer.json["error_description"]
    assert ISSUER in site.say("GET", "/api/v1/groups").detail


def test_changes_by_an_issuers_token_are_audited_under_its_subject(site):
    bearer = token(scope="client:update", sub="auth0|abc")
    assert site.say("POST", "/api/v1/clients", {"name": "x", "scopes": ["client:update"]}, bearer).status == 201
    assert site.api("GET", "/audit").json["items"][0]["actor"] == "issuer:auth0|abc"


def test_account_is_named_by_the_token_once_there_are_two(start, key_server):
    server = start(issuer=(ISSUER, AUDIENCE, key_server.address))
    (first,) = server.api("GET", "/accounts").json["items"]
    assert status(server, token()) == 200
    made = server.api("POST", "/accounts", {"name": "second"})
    assert (made.status, made.json["setup_link"]) == (201, None)
    server.group("first's")
    unnamed = server.say("GET", "/api/v1/groups", bearer=token())
    assert (unnamed.status, "lacks the claim `account`" in unnamed.detail) == (401, True)
    totals = [
        server.say("GET", "/api/v1/groups", bearer=token(account=each)).json["total"]
        for each in (first["id"], made.json["id"])
    ]
    assert totals == [1, 0]
    server.stop()
    assert server.printed == ""  # no set-up link


def test_key_server_that_is_not_there_is_503_and_the_operator_still_comes_in(start):
    key_server = KeyServer(there=False)
    server = start(issuer=(ISSUER, AUDIENCE, key_server.address))
    answer = server.say("GET", "/api/v1/groups", bearer=token())
    assert (answer.status, ISSUER in answer.detail) == (503, True)
    kaa = server.request("GET", "/v1/ota/group", headers={"Authorization": f"Bearer {token()}"})
    assert (kaa.status, list(kaa.json)) == (503, ["message"])
    assert server.api("GET", "/groups").status == 200
    assert status(server, "nonsense") == 401
    key_server.come()
    deadline = time.monotonic() + 30
    while status(server, token()) != 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    key_server.close()
    log = server.stop()
    assert key_server.address in log and token().partition(".")[0] not in log


def test_set_up_link_from_before_is_none_here(start, key_server):
    server = start()
    link = server.setup_token()
    server.stop()
    server = start(issuer=(ISSUER, AUDIENCE, key_server.address))
    form = f"token={link}&name=anna&password={PASSWORD.replace(' ', '+')}".encode()
    for page in (server.request("GET", f"/setup?token={link}"), server.request("POST", "/setup", form, FORM)):
        assert (page.status, ISSUER in page.body.decode(), b"restart" in page.body) == (403, True, False)
    answer = server.say("POST", "/api/v1/setup", {"token": link, "name": "anna", "password": PASSWORD})
    assert (answer.status, ISSUER in answer.detail, "restart" in answer.detail) == (403, True, False)
    assert server.api("GET", "/users").json["total"] == 0


def test_user_of_a_set_up_before_is_still_there_when_the_issuer_is_gone(start, key_server):
    server = start()
    server.set_up()
    server.stop()
    start(issuer=(ISSUER, AUDIENCE, key_server.address)).stop()
    assert start().log_in(password=PASSWORD).status == 201
