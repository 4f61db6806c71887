"""An external issuer's keys: when they are fetched, which are taken, for how long they are good."""

import asyncio
import json
import secrets

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from twinslot_host.errors import Unavailable
from twinslot_host.issuer import Issuer, Trusted

from .inside import Clock, Inside, inside
from .issuer import AUDIENCE, ISSUER, OTHER_RSA, RSA, jwk, token


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


async def test_requests_that_wait_for_a_hanging_key_server_fail_with_the_first(monkeypatch):
    asked, given_up = [], asyncio.Event()

    async def hangs(url: str) -> bytes:
        asked.append(url)
        await given_up.wait()
        raise TimeoutError

    monkeypatch.setattr("twinslot_host.issuer._fetched", hangs)
    clock = Clock()
    issuer, bearer = Issuer(Trusted(ISSUER, AUDIENCE, "http://keys.example"), clock), token(now_s=clock.now_s)
    waiting = []
    for later_s in (0, 6, 4):
        clock.now_s += later_s
        waiting.append(asyncio.create_task(issuer.read(bearer)))
        await asyncio.sleep(0)  # it waits by now
    given_up.set()
    assert [type(each) for each in await asyncio.gather(*waiting, return_exceptions=True)] == [Unavailable] * 3
    clock.now_s += 4
    with pytest.raises(Unavailable):
        await issuer.read(bearer)
    assert len(asked) == 1
    clock.now_s += 1
    with pytest.raises(Unavailable):
        await issuer.read(bearer)
    assert len(asked) == 2


async def test_keys_are_as_old_as_the_end_of_their_fetch(data, key_server):
    key_server.wait_s = 0.5
    async with inside(data, issuer=Trusted(ISSUER, AUDIENCE, key_server.address)) as here:
        waiting = [asyncio.create_task(seen(here, kid)) for kid in ("rsa", "unknown")]
        await asyncio.sleep(0.2)
        here.clock.now_s += 40
        waiting.append(asyncio.create_task(seen(here, "unknown")))
        assert await asyncio.gather(*waiting) == [200, 401, 401]
        assert key_server.asked == 1
