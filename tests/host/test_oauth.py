"""POST /oauth/token: RFC 6749 sections 2.3.1, 3.2, 4.4 and 5, to the letter."""

import base64
import concurrent.futures
import re
import time
import urllib.parse
from collections.abc import Iterator

import jwt
import pytest

from twinslot_host.config import SCOPES
from twinslot_host.digests import digest

from .clients import Answer, Server

FORM = "application/x-www-form-urlencoded"
GRANT = {"grant_type": "client_credentials"}


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Server]:
    """A server with a user, anna, and a client."""
    server = Server(tmp_path_factory.mktemp("oauth") / "data")
    server.client = server.set_up()["client"]
    yield server
    server.stop()


def ask(server: Server, fields, authorization: str | None = None, content_type: str | None = FORM) -> Answer:
    body = fields if isinstance(fields, bytes) else urllib.parse.urlencode(fields).encode()
    headers = {"Content-Type": content_type, "Authorization": authorization}
    return server.request("POST", "/oauth/token", body, {k: v for k, v in headers.items() if v is not None})


def basic(name: str, secret: str) -> str:
    """As a client does it: each part form-encoded first."""
    pair = f"{urllib.parse.quote_plus(name)}:{urllib.parse.quote_plus(secret)}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def own(server: Server) -> str:
    return basic(server.client["id"], server.client["secret"])


def posted(server: Server) -> dict[str, str]:
    return {"client_id": server.client["id"], "client_secret": server.client["secret"]}


def refused(answer: Answer, status: int, code: str) -> str:
    """The description of an error that is as section 5.2 has it."""
    assert (answer.status, answer.json["error"]) == (status, code), answer.body
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json.keys() == {"error", "error_description"}
    assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+", answer.json["error_description"])
    return answer.json["error_description"]


@pytest.mark.parametrize("way", ["basic", "post"])
def test_either_way_of_proof_gets_a_token_for_an_hour(site, way):
    answer = ask(site, GRANT, own(site)) if way == "basic" else ask(site, GRANT | posted(site))
    assert answer.status == 200
    assert answer.json.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert (answer.json["token_type"], answer.json["expires_in"]) == ("Bearer", 3600)
    assert answer.json["scope"].split() == list(SCOPES)
    assert (answer.headers["Cache-Control"], answer.headers["Pragma"]) == ("no-store", "no-cache")
    claims = jwt.decode(answer.json["access_token"], options={"verify_signature": False})
    assert claims["sub"] == f"client:{site.client['id']}"
    assert claims["exp"] - claims["iat"] == 3600 and abs(claims["iat"] - time.time()) < 60
    assert site.say("GET", "/api/v1/groups", bearer=answer.json["access_token"]).status == 200


def test_scope_narrows_the_token(site):
    answer = ask(site, GRANT | {"scope": "group:read device:read"}, own(site))
    assert (answer.status, answer.json["scope"]) == (200, "group:read device:read")
    token = answer.json["access_token"]
    assert site.say("GET", "/api/v1/groups", bearer=token).status == 200
    assert site.say("GET", "/api/v1/users", bearer=token).status == 403


def test_scope_that_is_unknown_or_was_not_granted_is_refused(site):
    made = site.api("POST", "/clients", {"name": "narrow", "scopes": ["group:read"]}).json
    narrow = basic(made["id"], made["secret"])
    assert ask(site, GRANT, narrow).json["scope"] == "group:read"
    for scope in ("device:read", "group:read device:read", "everything", 'a"\\b'):
        refused(ask(site, GRANT | {"scope": scope}, narrow), 400, "invalid_scope")
    assert ask(site, GRANT | {"scope": "group:read group:read"}, narrow).json["scope"] == "group:read"


@pytest.mark.parametrize("way", ["basic", "post"])
def test_wrong_client_or_secret_is_refused_with_a_challenge(site, way):
    right = site.client
    pairs = [
        (right["id"], "x"),
        ("nobody", right["secret"]),
        (right["id"], right["secret"] + "x"),
        ("\0", "\N{SNOWMAN}"),
    ]
    for name, secret in pairs:
        fields = GRANT if way == "basic" else GRANT | {"client_id": name, "client_secret": secret}
        answer = ask(site, fields, basic(name, secret) if way == "basic" else None)
        said = refused(answer, 401, "invalid_client")
        assert right["secret"] not in said
        assert answer.headers["WWW-Authenticate"].startswith('Basic realm="')


def test_every_text_has_a_digest_of_its_own():
    texts = ["", "x", "?", "\ud800", "\udfff"]
    assert len({digest(text) for text in texts}) == len(texts)


@pytest.mark.parametrize(
    "header",
    ["Basic", "Basic ", "Basic ***", "Basic " + base64.b64encode(b"no colon").decode(), "Bearer x", "x",
     "Basic " + base64.b64encode(b"\xff\xfe:x").decode(), "Basic " + base64.b64encode(b"%ff:x").decode(),
     "Basic " + base64.b64encode(b"x:%ED%A0%80").decode(), "Basic " + base64.b64encode(b"x:\xed\xa0\x80").decode()],
)  # fmt: skip
def test_malformed_proof_is_refused(site, header):
    refused(ask(site, GRANT, header), 401, "invalid_client")


def test_no_proof_is_refused(site):
    for fields in (GRANT, GRANT | {"client_id": site.client["id"]}, GRANT | {"client_secret": "x"}):
        refused(ask(site, fields), 401, "invalid_client")


def test_basic_is_form_decoded(site):
    encoded = "".join(f"%{byte:02X}" for byte in site.client["secret"].encode())
    header = base64.b64encode(f"{site.client['id']}:{encoded}".encode()).decode()
    assert ask(site, GRANT, f"basic {header}").status == 200


def test_two_proofs_at_once_are_refused(site):
    refused(ask(site, GRANT | posted(site), own(site)), 400, "invalid_request")
    refused(ask(site, GRANT | {"client_id": "another"}, own(site)), 400, "invalid_request")
    assert ask(site, GRANT | {"client_id": site.client["id"]}, own(site)).status == 200


def test_other_grants_are_refused(site):
    refused(ask(site, {}, own(site)), 400, "invalid_request")
    refused(ask(site, {"grant_type": ""}, own(site)), 400, "invalid_request")
    for grant in ("password", "authorization_code", "refresh_token", "CLIENT_CREDENTIALS"):
        refused(ask(site, {"grant_type": grant}, own(site)), 400, "unsupported_grant_type")


@pytest.mark.parametrize(
    "body",
    [
        b"grant_type=client_credentials&grant_type=client_credentials",
        b"grant_type=client_credentials&scope=group:read&scope=group:read",
        b"grant_type=client_credentials&x=1&x=",
        b"grant_type=client_credentials&scope=%ff",
        b"grant_type=client_credentials&scope=\xff",
        b"grant_type=client_credentials&client_id=x&client_secret=%ED%A0%80",
        b"&".join(b"%d=x" % number for number in range(50)),
    ],
)
def test_malformed_form_is_refused(site, body):
    refused(ask(site, body, own(site)), 400, "invalid_request")


def test_unknown_and_empty_parameters_count_for_nothing(site):
    answer = ask(site, GRANT | {"scope": "", "resource": "x", "client_secret": ""}, own(site))
    assert (answer.status, answer.json["scope"].split()) == (200, list(SCOPES))


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=x", "text/plain", None])
def test_other_content_type_is_refused(site, content_type):
    refused(ask(site, GRANT, own(site), content_type), 400, "invalid_request")


def test_other_errors_of_the_route_have_its_form_too(site):
    answer = site.request("GET", "/oauth/token")
    refused(answer, 405, "invalid_request")
    assert answer.headers["Allow"] == "POST"
    refused(ask(site, b"x" * 70_000), 413, "invalid_request")
    refused(site.request("POST", "/oauth/token/more"), 404, "invalid_request")


def test_token_of_a_deleted_client_stops_working_at_once(site):
    made = site.api("POST", "/clients", {"name": "gone soon", "scopes": ["group:read"]}).json
    proof = basic(made["id"], made["secret"])
    token = ask(site, GRANT, proof).json["access_token"]
    assert site.say("GET", "/api/v1/groups", bearer=token).status == 200
    assert site.api("DELETE", f"/clients/{made['id']}").status == 204
    assert site.say("GET", "/api/v1/groups", bearer=token).status == 401
    refused(ask(site, GRANT, proof), 401, "invalid_client")


def test_many_at_once_all_get_theirs(site):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask(site, GRANT, own(site)), range(40)))
    assert {answer.status for answer in answers} == {200}
