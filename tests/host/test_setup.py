"""The set-up link: printed, used once, and nothing of it kept; the page and the JSON."""

import concurrent.futures
import html
import re
import shlex
import signal
import urllib.parse

import pytest

from .clients import PASSWORD, Server

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def post_form(server: Server, **fields: str):
    return server.request("POST", "/setup", urllib.parse.urlencode(fields).encode(), FORM)


def text_of(answer) -> str:
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    return answer.body.decode()


def users_of(server: Server) -> list[str]:
    return [each["name"] for each in server.api("GET", "/users").json["items"]]


def client_token(server: Server, client: dict):
    body = {"grant_type": "client_credentials", "client_id": client["id"], "client_secret": client["secret"]}
    return server.request("POST", "/oauth/token", urllib.parse.urlencode(body).encode(), FORM)


def test_link_is_made_anew_at_each_start_until_the_account_has_a_user(start):
    server = start()
    first = server.setup_token()
    server.stop()
    server = start()
    second = server.setup_token()
    assert server.request("GET", f"/setup?token={first}").status == 403
    assert post_form(server, token=first, name="anna", password=PASSWORD).status == 403
    assert users_of(server) == []
    assert post_form(server, token=second, name="anna", password=PASSWORD).status == 200
    server.stop()
    assert server.printed == ""
    server = start()
    server.stop()
    assert server.printed == ""


def test_page_makes_the_first_user_and_client_and_shows_a_line_that_gets_a_token(server):
    token = server.setup_token()
    page = text_of(server.request("GET", f"/setup?token={token}"))
    assert re.search(rf'<input type="hidden" name="token" value="{token}">', page)
    assert "<script" not in page and "http://" not in page.replace("http://127.0.0.1", "")
    done = text_of(post_form(server, token=token, name="anna", password=PASSWORD))
    shown = dict(re.findall(r'id="client-(id|secret)">([^<]+)<', done))
    assert client_token(server, shown).status == 200
    line = shlex.split(html.unescape(re.search(r'<pre id="curl">([^<]+)</pre>', done)[1]))
    assert line[:3] == ["curl", "-u", f"{shown['id']}:{shown['secret']}"]
    assert line[3:] == ["-d", "grant_type=client_credentials", f"http://127.0.0.1:{server.port}/oauth/token"]
    assert server.log_in().status == 201
    assert users_of(server) == ["anna"]


@pytest.mark.parametrize("sent", ["GET", "POST"])
def test_used_link_is_told_with_what_to_do(server, sent):
    token = server.setup_token()
    assert post_form(server, token=token, name="anna", password=PASSWORD).status == 200
    again = (
        server.request("GET", f"/setup?token={token}")
        if sent == "GET"
        else post_form(server, token=token, name="mallory", password=PASSWORD)
    )
    assert again.status == 403
    assert "restart the server" in text_of(again)
    assert users_of(server) == ["anna"]


def test_wrong_token_opens_nothing(server):
    for token in ("", "x", "a" * 43, "\0", "\N{SNOWMAN}" * 3, "a" * 5000):
        assert server.request("GET", "/setup?" + urllib.parse.urlencode({"token": token})).status == 403
        assert post_form(server, token=token, name="anna", password=PASSWORD).status == 403
        answer = server.say("POST", "/api/v1/setup", {"token": token, "name": "anna", "password": PASSWORD})
        assert (answer.status, "restart the server" in answer.detail) == (403, True)
    for token in ("%ff&token=%00", "%ED%A0%80"):
        assert server.request("GET", f"/setup?token={token}").status == 403
    assert users_of(server) == []


def test_pages_lead_nowhere_else_and_stay_in_no_cache(server):
    token = server.setup_token()
    answers = [
        server.request("GET", f"/setup?token={token}"),
        server.request("GET", "/setup?token=x"),
        post_form(server, token=token, name="anna", password="short"),
        post_form(server, token=token, name="anna", password=PASSWORD),
    ]
    assert [answer.status for answer in answers] == [200, 403, 400, 200]
    for answer in answers:
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; ")
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


WRONG = [
    ({"name": ""}, "name: a name"),
    ({"name": "a/b"}, "name: a name"),
    ({"name": "a\nb"}, "name: a name"),
    ({"name": "k" * 65}, "longer than 64 bytes"),
    ({"password": ""}, "10 to 256 characters"),
    ({"password": "9 letters"}, "10 to 256 characters"),
    ({"password": "p" * 257}, "10 to 256 characters"),
]


def test_wrong_field_is_told_and_the_link_stays_good(server):
    good = {"token": server.setup_token(), "name": "anna", "password": PASSWORD}
    for change, reason in WRONG:
        page = post_form(server, **good | change)
        assert (page.status, reason in html.unescape(text_of(page)).lower()) == (400, True)
        assert PASSWORD not in text_of(page)
        told = server.say("POST", "/api/v1/setup", good | change)
        assert (told.status, reason in told.detail) == (400, True)
    assert users_of(server) == []
    assert server.api("GET", "/clients").json["total"] == 0
    assert server.say("POST", "/api/v1/setup", good).status == 201


def test_longest_and_shortest_password_are_taken(server):
    body = {"token": server.setup_token(), "name": "anna", "password": "\N{PILE OF POO}" * 256}
    assert server.say("POST", "/api/v1/setup", body).status == 201
    assert server.log_in(password=body["password"]).status == 201
    answer = server.api("POST", "/users", {"name": "otto", "password": "p" * 10, "scopes": ["group:read"]})
    assert answer.status == 201


def test_hostile_name_is_text_on_the_page(server):
    token, name = server.setup_token(), "<img src=x onerror=alert(1)>"
    again = text_of(post_form(server, token=token, name=name, password="short"))
    done = text_of(post_form(server, token=token, name=name, password=PASSWORD))
    for page in (again, done):
        assert "<img" not in page and "&lt;img" in page


def test_json_makes_the_first_user_and_client_with_every_scope(server):
    made = server.set_up()
    assert made["user"].keys() == {"id", "name", "scopes", "created_at"}
    assert made["client"].keys() == {"id", "name", "scopes", "created_at", "secret"}
    assert made["user"]["scopes"] == made["client"]["scopes"]
    token = server.log_in().json["access_token"]
    assert server.say("GET", "/api/v1/groups", bearer=token).status == 200
    assert client_token(server, made["client"]).json["scope"].split() == made["user"]["scopes"]


def test_of_many_who_use_a_link_at_once_one_gets_in(server):
    token = server.setup_token()

    def use(number: int) -> int:
        body = {"token": token, "name": f"user-{number}", "password": PASSWORD}
        return server.say("POST", "/api/v1/setup", body).status

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(use, range(8)))
    assert statuses == [201] + [403] * 7
    assert len(users_of(server)) == 1
    assert server.api("GET", "/clients").json["total"] == 1


def test_set_up_that_was_answered_outlives_a_kill(start):
    server = start()
    made = server.set_up()
    server.stop(signal.SIGKILL)
    server = start()
    assert server.log_in().status == 201
    assert client_token(server, made["client"]).status == 200


def test_user_that_the_operator_makes_voids_the_link(server):
    token = server.setup_token()
    user = {"name": "otto", "password": PASSWORD, "scopes": ["group:read"]}
    assert server.api("POST", "/users", user).status == 201
    assert post_form(server, token=token, name="anna", password=PASSWORD).status == 403
    assert users_of(server) == ["otto"]


def test_client_that_is_called_as_the_first_one_does_not_stop_the_set_up(server):
    assert server.api("POST", "/clients", {"name": "first", "scopes": ["group:read"]}).status == 201
    assert server.set_up()["client"]["name"].startswith("first of ")


def test_set_up_is_in_the_audit(server):
    made = server.set_up()
    lines = server.api("GET", "/audit").json["items"]
    assert [each["action"] for each in lines] == ["client.create", "user.create", "account.setup"]
    assert {each["actor"] for each in lines} == {"user:anna"}
    assert [each["subject"] for each in lines[:2]] == [f"client:{made['client']['id']}", f"user:{made['user']['id']}"]


def test_form_of_another_type_is_refused(server):
    body = urllib.parse.urlencode({"token": server.setup_token(), "name": "anna", "password": PASSWORD})
    for content_type in ("application/json", "multipart/form-data", "text/plain"):
        assert server.request("POST", "/setup", body.encode(), {"Content-Type": content_type}).status == 415
    assert users_of(server) == []


def test_nothing_of_a_set_up_is_in_the_files_or_in_the_log(server):
    token = server.setup_token()
    server.request("GET", f"/setup?token={token}")
    post_form(server, token=token, name="anna", password="short")
    done = text_of(post_form(server, token=token, name="anna", password=PASSWORD))
    secrets = [token, PASSWORD, re.search(r'id="client-secret">([^<]+)<', done)[1]]
    kept = [path.read_bytes() for path in server.data.glob("twinslot.db*")]
    log = server.stop()
    kept += [path.read_bytes() for path in server.data.glob("*") if path.is_file()]
    for secret in secrets:
        assert not any(secret.encode() in content for content in kept)
        assert secret not in log
