"""Whatever is wrong with a request, on every route: it is refused in the surface's form, and nothing has changed.

The rows are compared as a whole, so a request that did a part of its work before it was refused is found.
"""

import copy
import json
import signal
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from twinslot_host.description.openapi import document, path_of
from twinslot_host.errors import WrongType
from twinslot_host.handlers.described import DESCRIBED
from twinslot_host.handlers.forms import FORM
from twinslot_host.handlers.kaa_models import FileForm
from twinslot_host.handlers.packages import PackageForm
from twinslot_host.handlers.routes import JSON, MULTIPART

from .clients import Answer, Server
from .scene import GOOD, ROUTES, Account, Part, encoded, first_account, furnish, path_with, rows

DOCUMENT = document(DESCRIBED)
MIB = b'{"a": "' + b"a" * (1 << 20) + b'"}'
LONG = "\u00e9\u4e2d\U0001f600" * 3000  # 27 KB of UTF-8, over every limit on a text
HERE = "\ue000"  # stands in a body for what is put there as raw JSON

# Routes whose answer holds an absolute address of the server.
SOFTWARE = "/otao/api/v1/applications/{appName}/software/{softwareVersion}"
ADDRESSED = {
    ("GET", "/api/v1/openapi.json"),
    ("POST", "/api/v1/accounts"),
    ("POST", "/api/v1/accounts/{id}/setup-link"),
    ("POST", SOFTWARE),
    ("GET", f"{SOFTWARE}/files/{{fileName}}/links"),
}

NEVER_A_BODY = {
    "nothing": b"",
    "cut": b'{"name": "x"',
    "trailing": b'{"name": "x"} x',
    "no JSON": b"\x00\xff\xfe",
    "not UTF-8": b'{"name": "\xff"}',
    "UTF-16": '{"name": "x"}'.encode("utf-16"),
    "NaN": b'{"name": NaN}',
    "list": b"[]",
    "list of an object": b"[{}]",
    "text": b'"name"',
    "number": b"1",
    "null": b"null",
    "unknown field": b'{"no_such_field": 1}',
    "deep": b"[" * 30_000 + b"]" * 30_000,
    "deep objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "deep unknown field": b'{"no_such_field": ' + b"[" * 5000 + b"]" * 5000 + b"}",
}

# JSON that no field of any body takes.
NEVER_A_VALUE = {
    "NUL": r'"a\u0000b"',
    "lone surrogate": r'"a\ud800b"',
    "long": json.dumps(LONG, ensure_ascii=False),
    "overflow": "1e999",
    "deep list": "[" * 100 + "]" * 100,
    "deep object": '{"a":' * 100 + "1" + "}" * 100,
    "long list": json.dumps([LONG], ensure_ascii=False),
}

# Parts of a path that are no name, id or version anywhere.
NEVER_A_PART = {
    "NUL": "%00",
    "NUL inside": "a%00b",
    "slash": "a%2Fb",
    "up": "..%2F..%2Fetc",
    "line": "a%0D%0Ab",
    "escape": "%1B%5B2J",
    "right to left": "%E2%80%AEa",
    "space": "%20",
    "2 KB": "%C3%A9" * 1000,
    "10 KB": "%C3%A9" * 5000,
    "many digits": "9" * 400,
}

# Parts that may be a name somewhere, but of nothing that there is.
NOT_THERE = ["%FF", "%ED%A0%80", "%", "-1", "1e3", "0x10", "%27%20OR%201=1--", "%2500", "9" * 30, "nobody", "%3Cb%3E"]


@pytest.fixture(scope="module")
def account(tmp_path_factory) -> Iterator[Account]:
    server = Server(tmp_path_factory.mktemp("bad-input") / "data")
    yield furnish(first_account(server))
    server.stop(signal.SIGKILL)


def key(route) -> tuple[str, str]:
    return route.method, path_of(route)


def named(route) -> str:
    return " ".join(key(route))


def with_body(media: str) -> list:
    return [route for route in ROUTES if route.body is not None and route.media == media]


def send(account: Account, route, body, headers: dict[str, str], path: str | None = None) -> Answer:
    bearer = {"Authorization": f"Bearer {account.bearer}"} if route.scope else {}
    new = {"software": "9.0.0"} if route.method == "POST" else {}
    path = path or path_with(route, account.ids | new)
    return account.server.request(route.method, path, body, bearer | headers)


def wrong(answer: Answer, route, statuses=range(400, 500)) -> str:
    """What is wrong with a refusal: empty when its surface has that form, and the document that status."""
    declared = DOCUMENT["paths"][path_of(route)][route.method.lower()]["responses"]
    if (
        answer.status in statuses
        and str(answer.status) in declared
        and answer.headers["Content-Type"].partition(";")[0] == route.surface.media_type
        and answer.json.keys() == route.surface.error.model_fields.keys()
        and all(answer.json.values())
    ):
        return ""
    return f"{answer.status} {answer.headers['Content-Type']} {answer.body[:300]!r}"


def assert_all_refused(account: Account, before: dict, found: dict[Any, str]) -> None:
    assert {name: what for name, what in found.items() if what} == {}
    assert rows(account.server.data) == before
    assert account.server.process.poll() is None


def places(value: Any, at: tuple = ()) -> Iterator[tuple]:
    """Where the value holds something, outermost first."""
    for name in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield (*at, name)
        yield from places(value[name], (*at, name))


def with_raw(body: dict, at: tuple, raw: str) -> bytes:
    """The body as JSON, with the raw text in one place."""
    changed = copy.deepcopy(body)
    inner = changed
    for name in at[:-1]:
        inner = inner[name]
    inner[at[-1]] = HERE
    return json.dumps(changed, ensure_ascii=False).replace(f'"{HERE}"', raw).encode()


def test_each_route_with_a_body_has_a_good_one_to_spoil():
    assert {key(route) for route in with_body(JSON) + with_body(MULTIPART)} == GOOD.keys()


@pytest.mark.parametrize("route", with_body(JSON), ids=named)
def test_body_that_is_none_is_refused(account, route):
    before = rows(account.server.data)
    found = {
        name: wrong(send(account, route, body, {"Content-Type": JSON}), route, (400,))
        for name, body in NEVER_A_BODY.items()
    }
    assert_all_refused(account, before, found)


@pytest.mark.parametrize("route", with_body(JSON), ids=named)
def test_unknown_or_missing_field_is_refused_by_name(account, route):
    before, good, found = rows(account.server.data), GOOD[key(route)](account), {}
    bodies = {"no_such_field": good | {"no_such_field": 1}}
    for name, field in route.body.model_fields.items():
        if field.is_required():
            bodies[field.alias or name] = {each: good[each] for each in good if each != (field.alias or name)}
    for name, body in bodies.items():
        answer = send(account, route, json.dumps(body).encode(), {"Content-Type": JSON})
        found[name] = wrong(answer, route, (400,)) or ("" if name in answer.body.decode() else answer.body)
    assert_all_refused(account, before, found)


@pytest.mark.parametrize("route", with_body(JSON), ids=named)
def test_value_that_no_field_takes_is_refused_by_the_fields_name(account, route):
    before, good, found = rows(account.server.data), GOOD[key(route)](account), {}
    for at in places(good):
        for name, raw in NEVER_A_VALUE.items():
            answer = send(account, route, with_raw(good, at, raw), {"Content-Type": JSON})
            found[at, name] = wrong(answer, route)
            unnamed = (
                route.scope is not None
                and name != "lone surrogate"
                and not any(str(each) in answer.body.decode() for each in at)
            )
            found[at, name] = found[at, name] or (f"{at[0]} is not in {answer.body!r}" if unnamed else "")
    assert_all_refused(account, before, found)


@pytest.mark.parametrize("route", [route for route in ROUTES if route.body is not None], ids=named)
def test_body_of_another_type_is_refused(account, route):
    before, found = rows(account.server.data), {}
    status = route.surface.statuses.get(WrongType, WrongType.status)
    for media in {JSON, MULTIPART, FORM, "text/plain", "application/octet-stream", "x", "a/b/c"} - {route.media}:
        found[media] = wrong(send(account, route, b"{}", {"Content-Type": media}), route, (status,))
    assert_all_refused(account, before, found)


@pytest.mark.parametrize("route", with_body(JSON) + with_body(FORM), ids=named)
def test_body_of_a_mebibyte_is_413(account, route):
    before, headers = rows(account.server.data), {"Content-Type": route.media}
    found = {
        "told": wrong(send(account, route, MIB, headers), route, (413,)),
        "in chunks": wrong(send(account, route, iter([MIB[:70_000], MIB[70_000:]]), headers), route, (413,)),
    }
    assert_all_refused(account, before, found)


@pytest.mark.parametrize("route", with_body(JSON) + with_body(FORM), ids=named)
def test_body_whose_announced_length_is_a_mebibyte_is_413_before_it_comes(account, route):
    head = f"{route.method} {path_with(route, account.ids)} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(MIB)}\r\n"
    bearer = f"Authorization: Bearer {account.bearer}\r\nContent-Type: {route.media}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", account.server.port), timeout=20) as connection:
        connection.sendall((head + bearer).encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("route", [route for route in ROUTES if key(route) in ADDRESSED], ids=named)
def test_host_that_is_none_is_refused_where_an_address_is_made_of_it(account, route):
    before, found = rows(account.server.data), {}
    headers, body = encoded(GOOD[key(route)](account) if route.body else None)
    for host in ("", "[", "a b", "a:99999999", "a/b?c#d", "a@b", 'a"<b>', "\xff", "[::1", "a:b"):
        found[host] = wrong(send(account, route, body, headers | {"Host": host}), route, (400,))
    assert_all_refused(account, before, found)


@pytest.mark.parametrize("route", with_body(MULTIPART), ids=named)
def test_form_that_is_not_whole_is_refused(account, route):
    before, good = rows(account.server.data), GOOD[key(route)](account)
    headers, body = encoded(good)
    boundary = headers["Content-Type"].partition("=")[2].encode()
    forms = {f"cut at {at}": body[:at] for at in (0, 1, 20, 60, len(body) // 2, len(body) - len(boundary) - 10)}
    forms |= {"no form": b"\x00\xff" * 500, "JSON": b"{}", "only the end": b"--%s--\r\n" % boundary}
    forms |= {
        f"without {part.name}": encoded_as([each for each in good if each is not part], boundary) for part in good
    }
    forms |= {f"{part.name} twice": encoded_as([*good, part], boundary) for part in good}
    forms |= {"one more": encoded_as([*good, Part("no_such_part", b"x")], boundary)}
    forms |= {"one before": encoded_as([Part("no_such_part", b"x"), *good], boundary)}
    forms |= {
        "nameless": body.replace(b'; name="', b'; title="'),
        "no disposition": body.replace(b"form-data", b"\xff"),
    }
    forms |= {"nested": body.replace(b"\r\n\r\n", b"\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n\r\n")}
    forms |= {"long head": body.replace(b"\r\n\r\n", b"\r\nA: " + b"a" * 20_000 + b"\r\n\r\n", 1)}
    found = {name: wrong(send(account, route, form, headers), route) for name, form in forms.items()}
    for media in ("", "; boundary=", f"; boundary={'b' * 71}", "; boundary=\xff", "; boundary=other"):
        answer = send(account, route, body, {"Content-Type": MULTIPART + media})
        found[media] = wrong(answer, route)
    assert_all_refused(account, before, found)
    assert list((account.server.data / "incoming").iterdir()) == []


def encoded_as(parts: list[Part], boundary: bytes) -> bytes:
    return b"".join(b"--%s\r\n%s\r\n" % (boundary, part.encoded()) for part in parts) + b"--%s--\r\n" % boundary


ANY_CONTENT = (FileForm, PackageForm)  # their files may hold anything; test_packages.py spoils the other part


@pytest.mark.parametrize("route", [each for each in with_body(MULTIPART) if each.body not in ANY_CONTENT], ids=named)
def test_part_with_a_wrong_text_is_refused(account, route):
    before, good, found = rows(account.server.data), GOOD[key(route)](account), {}
    for number, part in enumerate(good):
        for text in (b"", b"\x00", b"a\x00b", b"\xff\xfe", LONG.encode(), b"[" * 5000, MIB):
            parts = [*good[:number], Part(part.name, text, part.filename), *good[number + 1 :]]
            headers, body = encoded(parts)
            found[part.name, text[:10]] = wrong(send(account, route, body, headers), route)
    assert_all_refused(account, before, found)


@pytest.mark.parametrize("route", with_body(FORM), ids=named)
def test_form_fields_that_are_wrong_are_refused(account, route):
    before, headers = rows(account.server.data), {"Content-Type": FORM}
    grant = b"grant_type=client_credentials&client_id=a&client_secret="
    forms = [b"", b"&&&", b"=", b"%zz=%", b"\xff", b"%FF=%FF", grant, grant + b"%00", grant + LONG.encode()]
    forms += [grant + b"x&client_id=b", b"a=1&" * 1000, b"grant_type=password", b"[" * 30_000, b"{}"]
    found = {form[:80]: wrong(send(account, route, form, headers), route, (400, 401)) for form in forms}
    assert_all_refused(account, before, found)


@pytest.mark.parametrize("route", [route for route in ROUTES if "{" in route.path], ids=named)
def test_part_of_a_path_that_names_nothing_is_refused(account, route):
    before, found = rows(account.server.data), {}
    headers, body = encoded(GOOD[key(route)](account) if route.body else None)
    words = [word for word in account.ids if f"/{word}/{{" in path_of(route)]
    for word in words:
        mark = account.ids | {word: HERE}
        template = path_with(route, mark)
        parts = NEVER_A_PART | ({each: each for each in NOT_THERE} if route.method == "GET" else {})
        for name, part in parts.items():
            path = template.replace("%EE%80%80", part)
            found[word, name] = wrong(send(account, route, body, headers, path), route)
    assert_all_refused(account, before, found)


@pytest.mark.parametrize("route", [route for route in ROUTES if route.query], ids=named)
def test_query_that_is_wrong_is_400(account, route):
    before, found = rows(account.server.data), {}
    strict = route.query.model_config.get("extra") == "forbid"
    queries = [
        "offset=-1",
        "offset=x",
        "offset=",
        "limit=0",
        "limit=1001",
        "limit=1&limit=1",
        "limit=%FF",
        "limit=9" * 9,
    ]
    queries += ["limit=1e2", "limit=%00", "limit=true", "offset=" + "9" * 400, *(["no_such=1"] if strict else [])]
    for query in queries:
        answer = send(account, route, None, {}, f"{path_with(route, account.ids)}?{query}")
        found[query] = wrong(answer, route, (400,))
    assert_all_refused(account, before, found)
