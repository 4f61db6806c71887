"""An external issuer: a real server of keys, and tokens of every kind that it did not make."""

import json
import secrets
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from twinslot_host.issuer import Trusted

from .clients import PASSWORD, Server
from .inside import Inside, inside

ISSUER, AUDIENCE = "https://login.example.com/realm", "twinslot-api"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
RSA, OTHER_RSA = (rsa.generate_private_key(65537, 2048) for _ in range(2))
KEYS = {
    "rsa": (RSA, ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]),
    "p256": (ec.generate_private_key(ec.SECP256R1()), ["ES256"]),
    "p384": (ec.generate_private_key(ec.SECP384R1()), ["ES384"]),
    "p521": (ec.generate_private_key(ec.SECP521R1()), ["ES512"]),
    "ed": (ed25519.Ed25519PrivateKey.generate(), ["EdDSA"]),
}


def jwk(kid: str, key, **more) -> dict:
    """The public half, as an issuer publishes it."""
    kinds = {
        rsa.RSAPrivateKey: jwt.algorithms.RSAAlgorithm,
        ec.EllipticCurvePrivateKey: jwt.algorithms.ECAlgorithm,
        ed25519.Ed25519PrivateKey: jwt.algorithms.OKPAlgorithm,
    }
    (kind,) = (each for of, each in kinds.items() if isinstance(key, of))
    return json.loads(kind.to_jwk(key.public_key())) | {"kid": kid} | more


class KeyServer:
    """Publishes `keys`, or answers with `body` and `status` when these are set; counts who asked."""

    def __init__(self, port: int = 0) -> None:
        self.keys = [jwk(kid, key) for kid, (key, _) in KEYS.items()]
        self.body: bytes | None = None
        self.status, self.asked, self.wait_s = 200, 0, 0.0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                time.sleep(outer.wait_s)
                self.send_response(outer.status)
                if outer.status == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(outer.body if outer.body is not None else json.dumps({"keys": outer.keys}).encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/keys"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def key_server() -> Iterator[KeyServer]:
    server = KeyServer()
    yield server
    server.close()


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


def claims(now_s: float | None = None, **change) -> dict:
    now_s = int(now_s or time.time())
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "abc", "scope": "group:read", "exp": now_s + 60, "iat": now_s}
    return {name: value for name, value in (good | change).items() if value is not None}


def token(kid: str | None = "rsa", algorithm: str = "RS256", key=RSA, now_s: float | None = None, **change) -> str:
    return jwt.encode(claims(now_s, **change), key, algorithm, headers={} if kid is None else {"kid": kid})


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


@pytest.mark.parametrize(
    "change", [{"aud": ["other", AUDIENCE]}, {"nbf": time.time() - 5}, {"exp": time.time() + 3600.5}]
)
def test_other_good_forms_are_taken(site, change):
    assert status(site, token(**change)) == 200


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "https://evil.example.com"}, {"iss": ISSUER + "/"}, {"iss": None}, {"aud": "other"}, {"aud": None},
        {"aud": ["other"]}, {"exp": None}, {"exp": int(time.time()) - 1}, {"exp": "x"}, {"exp": 1e999},
        {"nbf": time.time() + 3600}, {"nbf": "x"}, {"iat": time.time() + 3600}, {"sub": None}, {"sub": 7},
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
    import base64
    import hmac

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
    assert status(server, token()) == 401
    totals = [
        server.say("GET", "/api/v1/groups", bearer=token(account=each)).json["total"]
        for each in (first["id"], made.json["id"])
    ]
    assert totals == [1, 0]
    server.stop()
    assert server.printed == ""  # no set-up link


def test_key_server_that_is_not_there_is_503_and_the_operator_still_comes_in(start):
    gone = KeyServer()
    gone.close()
    server = start(issuer=(ISSUER, AUDIENCE, gone.address))
    answer = server.say("GET", "/api/v1/groups", bearer=token())
    assert (answer.status, ISSUER in answer.detail) == (503, True)
    kaa = server.request("GET", "/v1/ota/group", headers={"Authorization": f"Bearer {token()}"})
    assert (kaa.status, list(kaa.json)) == (503, ["message"])
    assert server.api("GET", "/groups").status == 200
    assert status(server, "nonsense") == 401
    back = KeyServer(gone.server.server_port)
    deadline = time.monotonic() + 30
    while status(server, token()) != 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    back.close()
    log = server.stop()
    assert gone.address in log and token().partition(".")[0] not in log


@pytest.fixture
def data(tmp_path, server_pem):
    folder = tmp_path / "inside"
    folder.mkdir(mode=0o700)
    (folder / "signing.pem").write_bytes(server_pem)
    return folder


async def seen(here: Inside, kid: str | None = "rsa", key=RSA) -> int:
    return await here.get("/api/v1/groups", token(kid, key=key, now_s=here.clock.now_s))


async def test_keys_are_fetched_once_and_again_for_an_unknown_one_at_most_every_30_s(data, key_server):
    key_server.keys = [jwk("rsa", RSA)]
    async with inside(data, issuer=Trusted(ISSUER, AUDIENCE, key_server.address)) as here:
        assert [await seen(here) for _ in range(3)] == [200] * 3
        assert key_server.asked == 1
        key_server.keys.append(jwk("new", OTHER_RSA))
        here.clock.now_s += 29
        assert await seen(here, "new", OTHER_RSA) == 401
        assert key_server.asked == 1
        here.clock.now_s += 1
        assert await seen(here, "new", OTHER_RSA) == 200
        assert await seen(here, "unknown", OTHER_RSA) == 401
        assert await seen(here) == 200
        assert key_server.asked == 2


async def test_withdrawn_key_is_good_for_10_minutes_at_most(data, key_server):
    async with inside(data, issuer=Trusted(ISSUER, AUDIENCE, key_server.address)) as here:
        assert await seen(here) == 200
        key_server.keys = [jwk("other", OTHER_RSA)]
        here.clock.now_s += 599
        assert await seen(here) == 200
        here.clock.now_s += 1
        assert await seen(here) == 401


async def test_single_key_needs_no_name(data, key_server):
    key_server.keys = [jwk("rsa", RSA)]
    async with inside(data, issuer=Trusted(ISSUER, AUDIENCE, key_server.address)) as here:
        assert await seen(here, None) == 200


async def test_dates_are_judged_by_the_servers_clock(data, key_server):
    async with inside(data, issuer=Trusted(ISSUER, AUDIENCE, key_server.address)) as here:
        bearer = token(now_s=here.clock.now_s)
        here.clock.now_s += 59
        assert await here.get("/api/v1/groups", bearer) == 200
        here.clock.now_s += 1
        assert await here.get("/api/v1/groups", bearer) == 401
        for ahead_s, expected in ((60, 200), (61, 401)):
            early = token(now_s=here.clock.now_s, nbf=here.clock.now_s + ahead_s)
            assert await here.get("/api/v1/groups", early) == expected


SMALL = rsa.generate_private_key(65537, 1024)


@pytest.mark.parametrize(
    "published",
    [
        [jwk("rsa", RSA, use="enc")],
        [jwk("rsa", RSA, alg="PS256")],
        [jwk("rsa", RSA, alg="HS256")],
        [{"kty": "oct", "kid": "rsa", "k": "AAAA", "alg": "HS256"}],
        [jwk("rsa", SMALL)],
        [{"kty": "RSA", "kid": "rsa"}, {"kty": "RSA", "kid": "rsa", "n": 5, "e": []}, {"kty": ["RSA"]}, {}, 7, None],
        [],
    ],
    ids=["for encryption", "for another algorithm", "for HMAC", "symmetric", "small", "malformed", "none"],
)
async def test_keys_that_can_not_vouch_for_a_token_are_passed_over(data, key_server, published):
    key_server.keys = published
    async with inside(data, issuer=Trusted(ISSUER, AUDIENCE, key_server.address)) as here:
        assert await seen(here, key=SMALL if published == [jwk("rsa", SMALL)] else RSA) == 401
        assert key_server.asked == 1


KEY_SET = json.dumps({"keys": [jwk("rsa", RSA)]}).encode()
TOO_LARGE = KEY_SET.ljust(256 * 1024 + 1)


@pytest.mark.parametrize(
    ("answer_status", "body"),
    [
        (500, None), (404, None), (302, None), (200, b""), (200, b"<html>"), (200, b"[]"), (200, b"{}"),
        (200, b'{"keys": 7}'), (200, b"[" * 10_000), (200, TOO_LARGE),
    ],
    ids=["500", "404", "redirect", "empty", "html", "list", "no keys", "keys no list", "nested", "too large"],
)  # fmt: skip
async def test_answer_that_is_no_key_set_is_503_until_there_is_one(data, key_server, answer_status, body):
    key_server.status, key_server.body = answer_status, body
    async with inside(data, issuer=Trusted(ISSUER, AUDIENCE, key_server.address)) as here:
        assert [await seen(here) for _ in range(3)] == [503] * 3
        assert key_server.asked == 1
        key_server.status, key_server.body = 200, None
        here.clock.now_s += 5
        assert await seen(here) == 200


async def test_key_set_of_256_kib_is_read(data, key_server):
    key_server.body = KEY_SET.ljust(256 * 1024)
    async with inside(data, issuer=Trusted(ISSUER, AUDIENCE, key_server.address)) as here:
        assert await seen(here) == 200


async def test_known_key_is_good_while_the_key_server_is_away(data, key_server):
    async with inside(data, issuer=Trusted(ISSUER, AUDIENCE, key_server.address)) as here:
        assert await seen(here) == 200
        key_server.status = 500
        here.clock.now_s += 300
        assert await seen(here, secrets.token_hex(4)) == 503
        assert await seen(here) == 200
        here.clock.now_s += 300
        assert await seen(here) == 503


async def test_key_server_that_does_not_answer_in_time_is_503(data, key_server, monkeypatch):
    monkeypatch.setattr("twinslot_host.issuer.JWKS_TIMEOUT_S", 0.2)
    key_server.wait_s = 1.0
    async with inside(data, issuer=Trusted(ISSUER, AUDIENCE, key_server.address)) as here:
        assert await seen(here) == 503


def test_set_up_link_from_before_is_none_here(start, key_server):
    server = start()
    link = server.setup_token()
    server.stop()
    server = start(issuer=(ISSUER, AUDIENCE, key_server.address))
    assert server.request("GET", f"/setup?token={link}").status == 403
    answer = server.say("POST", "/api/v1/setup", {"token": link, "name": "anna", "password": PASSWORD})
    assert answer.status == 403
    assert server.api("GET", "/users").json["total"] == 0


def test_user_of_a_set_up_before_is_still_there_when_the_issuer_is_gone(start, key_server):
    server = start()
    server.set_up()
    server.stop()
    start(issuer=(ISSUER, AUDIENCE, key_server.address)).stop()
    assert start().log_in(password=PASSWORD).status == 201
