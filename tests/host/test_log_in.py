"""A name and a password for a token, and who tries wrong ones."""

import asyncio
import statistics
import time

import jwt
import pytest

from twinslot_host import config

from .clients import PASSWORD
from .inside import inside
from .people import USER


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


async def test_password_that_a_busy_server_did_not_check_counts_for_nothing(data, monkeypatch):
    monkeypatch.setattr("twinslot_host.throttle.FAILURE_NAMES", 1)
    async with inside(data) as here:
        user = {"name": "anna", "password": PASSWORD, "scopes": ["group:read"]}
        await here.post("/api/v1/users", user, here.token())
        wrong, right = {"name": "otto", "password": "wrong password"}, {"name": "anna", "password": PASSWORD}
        for _ in range(config.FAILURES_FREE):
            assert (await here.post("/api/v1/sessions", wrong))[0] == 401
        with monkeypatch.context() as busy:
            busy.setattr("twinslot_host.passwords.HASHES_WAITING", 0)
            for _ in range(config.FAILURES_FREE):
                status, told, _ = await here.post("/api/v1/sessions", right)
                assert (status, "too many passwords are being checked" in told["detail"]) == (429, True)
        status, told, _ = await here.post("/api/v1/sessions", wrong)
        assert (status, "wrong passwords in a row" in told["detail"]) == (429, True)
        assert (await here.post("/api/v1/sessions", right))[0] == 201
