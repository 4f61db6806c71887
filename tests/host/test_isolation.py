"""No route shows or changes what is another account's, and none answers without a token that has its scope.

A new route with a scope is walked by itself; one that takes a body, or makes something, needs a line in TRIES as well.
"""

import dataclasses
import itertools
import signal
import urllib.parse
from collections.abc import Callable, Iterator

import pytest

from twinslot_host.config import SCOPES
from twinslot_host.description.openapi import path_of
from twinslot_host.handlers.surfaces import Surface

from .clients import Answer, Server
from .scene import (
    ROUTES,
    Account,
    Sent,
    another_account,
    encoded,
    first_account,
    furnish,
    new_client,
    new_file,
    new_filter,
    new_group,
    new_job,
    new_job_there,
    new_package,
    new_release,
    new_software,
    new_update,
    new_user,
    new_workflow,
    new_workflow_there,
    path_with,
    rows,
)

GUARDED = [route for route in ROUTES if route.scope is not None]
FIRST_ACCOUNT_ONLY = "/api/v1/accounts"


@dataclasses.dataclass
class Try:
    """A request of one account that is aimed at another's things, and how it may be answered.

    `own`: the path names the caller's own things, and only the body another's.
    """

    sent: Sent
    statuses: tuple[int, ...] = (404,)
    own: bool = False


Tries = Callable[[Account, Account], list[Try]]

REFERS = (400, 404, 409)
KAA = "/otao/api/v1/applications/{appName}/software/{softwareVersion}"
PACKAGES = "/v1/{scopeId}/devices/{deviceId}/packages"
APPLICATIONS = "/api/v1/applications/{app}"

TRIES: dict[tuple[str, str], Tries] = {
    ("POST", "/api/v1/groups"): lambda me, its: [Try(new_group(me.name), (409,))],
    ("PATCH", "/api/v1/groups/{id}"): lambda me, its: [
        Try({"name": "taken over"}),
        Try({"target": None}),
        Try({"target": its.ids["releases"]}, REFERS, own=True),
    ],
    ("POST", "/api/v1/groups/{id}/tokens/rotate"): lambda me, its: [Try({"grace_s": 0})],
    ("PATCH", "/api/v1/devices/{id}"): lambda me, its: [
        Try({"tags": [], "attributes": {}}),
        Try({"group": me.ids["groups"]}),
        Try({"group": its.ids["groups"]}, REFERS, own=True),
    ],
    ("POST", "/api/v1/filters"): lambda me, its: [Try(new_filter("new", its.ids["groups"]), REFERS)],
    ("PUT", "/api/v1/filters/{id}"): lambda me, its: [
        Try(new_filter("new", me.ids["groups"])),
        Try(new_filter("new", its.ids["groups"]), REFERS, own=True),
    ],
    ("POST", f"{APPLICATIONS}/releases"): lambda me, its: [
        Try(new_release("3.0.0", me.name, its.ids["filters"]), REFERS, own=True)
    ],
    ("PATCH", f"{APPLICATIONS}/releases/{{version}}"): lambda me, its: [
        Try({"strategy": "suspended"}),
        Try({"filters": [{"filter": its.ids["filters"]}]}, REFERS, own=True),
    ],
    ("POST", KAA): lambda me, its: [Try(new_software(its.ids["filters"], me.name), REFERS, own=True)],
    ("PUT", KAA): lambda me, its: [
        Try({"rolloutStrategy": "general"}),
        Try({"rolloutStrategy": "targeted", "filters": [{"filterId": its.ids["filters"]}]}, REFERS, own=True),
    ],
    ("PUT", f"{KAA}/files"): lambda me, its: [Try(new_file(me.name))],
    ("POST", "/v1/ota/group"): lambda me, its: [
        Try(new_update(its.group, "3.0.0", me.name)),
        Try(new_update({"id": me.ids["groups"], "token": its.group["token"]}, "3.0.0", me.name), (403,)),
        Try(new_update({"id": its.ids["groups"], "token": me.group["token"]}, "3.0.0", me.name)),
    ],
    ("POST", "/api/v1/workflows"): lambda me, its: [Try(new_workflow(me.name), (201,))],
    ("POST", "/api/v1/jobs"): lambda me, its: [
        Try(new_job(me.name, its.ids["devices"])),
        Try({"name": "x", "workflow": its.ids["workflows"], "device": me.ids["devices"]}),
        Try({"name": "x", "command": "date", "group": its.ids["groups"]}),
        Try({"name": "x", "command": "date", "tag": f"{its.name}-tag"}),
    ],
    ("POST", "/v1/workflow"): lambda me, its: [Try(new_workflow_there(me.name), (200,))],
    ("POST", "/v1/job"): lambda me, its: [
        Try(new_job_there(me.name, me.ids["workflow"], DeviceId=its.ids["devices"])),
        Try(new_job_there(me.name, its.ids["workflow"], DeviceId=me.ids["devices"])),
        Try(new_job_there(me.name, me.ids["workflow"], DeviceGroup=f"{its.name}-group")),
        Try(new_job_there(me.name, me.ids["workflow"], TagId=f"{its.name}-tag")),
    ],
    ("POST", "/api/v1/packages"): lambda me, its: [Try(new_package(me.name, f"1.4.{me.number}"), (409,))],
    ("POST", f"{PACKAGES}/_download"): lambda me, its: [
        Try({"uri": "http://packages.example/x.py", "name": "x", "version": "1.0"}),
        Try({"uri": f"package:{its.name}-package", "name": "x", "version": f"1.4.{its.number}"}, REFERS, own=True),
    ],
    ("POST", f"{PACKAGES}/_uninstall"): lambda me, its: [Try({"name": its.name, "version": "1.0"})],
    ("POST", "/api/v1/users"): lambda me, its: [Try(new_user(its.name), (409,))],
    ("PATCH", "/api/v1/users/{id}"): lambda me, its: [
        Try({"scopes": ["group:read"]}),
        Try({"password": "battery horse correct"}),
    ],
    ("POST", "/api/v1/clients"): lambda me, its: [Try(new_client(me.name), (409,))],
    ("POST", "/api/v1/accounts"): lambda me, its: [Try({"name": "new"}, (403,))],
    ("PATCH", "/api/v1/accounts/{id}"): lambda me, its: [Try({"name": "taken over", "group_ota": False}, (403,))],
}

# Each makes something of the caller's own, whatever another account calls its things.
MAKING: dict[tuple[str, str], Callable[[Account, Account], Sent]] = {
    ("POST", "/api/v1/groups"): lambda me, its: new_group(its.name),
    ("POST", "/api/v1/filters"): lambda me, its: new_filter(its.name, me.ids["groups"]),
    ("POST", "/api/v1/clients"): lambda me, its: new_client(its.name),
    ("POST", "/api/v1/packages"): lambda me, its: new_package(its.name, f"1.4.{its.number}"),
    ("POST", f"{APPLICATIONS}/releases"): lambda me, its: new_release(its.ids["releases"], me.name),
    ("POST", KAA): lambda me, its: new_software(me.ids["filters"], me.name),
}


@pytest.fixture(scope="module")
def victim(tmp_path_factory) -> Iterator[Account]:
    server = Server(tmp_path_factory.mktemp("isolation") / "data")
    yield furnish(first_account(server))
    server.stop(signal.SIGKILL)


@pytest.fixture(scope="module")
def caller(victim) -> Account:
    return furnish(another_account(victim, "birch"))


def key(route) -> tuple[str, str]:
    return route.method, path_of(route)


def named(route) -> str:
    return " ".join(key(route))


def aims(route, me: Account, its: Account) -> list[str]:
    """The route's paths with any of its parts another's; itself when it has none."""
    choices = [{word: owner.ids[word] for word in me.ids} for owner in (me, its)]
    words = [word for word in me.ids if f"/{word}/{{" in path_of(route)]
    return sorted(
        path_with(route, {word: choice[word] for word, choice in zip(words, mix, strict=True)})
        for mix in itertools.product(choices, repeat=len(words))
        if not words or any(choice is choices[1] for choice in mix)
    )


def assert_nothing_shown(answer: Answer, its: Account, asked: str) -> None:
    """The answer holds nothing of the other account's but what the request said itself."""
    marks = {its.name, its.id, its.group["token"], *(each for each in its.ids.values() if len(each) > 5)}
    said = urllib.parse.unquote(asked)
    assert {each for each in marks if each not in said and each.encode() in answer.body} == set()


def assert_told(answer: Answer, surface: Surface) -> None:
    assert answer.headers["Content-Type"].partition(";")[0] == surface.media_type
    assert answer.json.keys() == surface.error.model_fields.keys()
    assert all(answer.json.values())


@pytest.mark.parametrize("route", GUARDED, ids=named)
def test_another_accounts_things_are_not_there_on_any_route(route, caller, victim):
    before = rows(caller.server.data, victim.id)
    tries = TRIES[key(route)](caller, victim) if key(route) in TRIES else [Try(None)]
    lists = route.method == "GET" and "{" not in route.path
    for each in tries:
        for path in [path_with(route, caller.ids)] if each.own else aims(route, caller, victim):
            answer = caller.call(route.method, path, each.sent)
            only_first = route.path.startswith(FIRST_ACCOUNT_ONLY)
            expected = (403,) if only_first else (200,) if lists else each.statuses
            assert (path, answer.status in expected, answer.body) == (path, True, answer.body)
            assert_nothing_shown(answer, victim, f"{path} {encoded(each.sent)[1]!r}")
            if answer.status >= 400:
                assert_told(answer, route.surface)
    assert rows(caller.server.data, victim.id) == before


@pytest.mark.parametrize("route", [each for each in GUARDED if each.query], ids=named)
def test_query_for_another_accounts_things_finds_none(route, caller, victim):
    texts = [name for name, field in route.query.model_fields.items() if field.annotation in (str, str | None)]
    texts += [name for name, field in route.query.model_fields.items() if "Annotated[str" in str(field.annotation)]
    marks = [*victim.ids.values(), victim.name, f"group:{victim.ids['groups']}", f"{victim.name}-tag"]
    for name, mark in itertools.product(texts, marks):
        query = urllib.parse.urlencode({name: mark})
        answer = caller.call("GET", f"{path_with(route, caller.ids)}?{query}")
        assert (query, answer.status) == (query, 403 if route.path == FIRST_ACCOUNT_ONLY else 200)
        assert_nothing_shown(answer, victim, query)


def test_name_that_another_account_uses_is_free_for_ones_own(victim):
    me = furnish(another_account(victim, "cedar", 3))
    before = rows(me.server.data, victim.id)
    for route in [each for each in GUARDED if key(each) in MAKING]:
        path = path_with(route, me.ids | {word: victim.ids[word] for word in ("applications", "software")})
        answer = me.call(route.method, path, MAKING[key(route)](me, victim))
        assert (path, answer.status) == (path, 201)
    assert rows(me.server.data, victim.id) == before


def test_each_route_that_takes_a_body_or_makes_something_is_tried():
    untried = {key(route) for route in GUARDED if route.body is not None or named(route).startswith("POST")}
    alone = {key(route) for route in GUARDED if route.body is None and "{" in route.path}
    assert (untried - alone - TRIES.keys(), TRIES.keys() - {key(route) for route in GUARDED}) == (set(), set())


@pytest.mark.parametrize("route", GUARDED, ids=named)
def test_route_answers_nothing_without_a_token(route, victim):
    before = rows(victim.server.data)
    headers, body = encoded(TRIES[key(route)](victim, victim)[0].sent if key(route) in TRIES else None)
    for given in ({}, {"Authorization": "Bearer"}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer a.b.c"}):
        answer = victim.server.request(route.method, path_with(route, victim.ids), body, headers | given)
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert_told(answer, route.surface)
    assert rows(victim.server.data) == before


@pytest.mark.parametrize("route", GUARDED, ids=named)
def test_route_answers_nothing_to_a_token_without_its_scope(route, victim):
    before = rows(victim.server.data)
    lacking = victim.server.token([each for each in SCOPES if each != route.scope])
    sent = TRIES[key(route)](victim, victim)[0].sent if key(route) in TRIES else None
    answer = victim.call(route.method, path_with(route, victim.ids), sent, bearer=lacking)
    assert answer.status == route.without_scope.status
    assert_told(answer, route.surface)
    assert route.scope in answer.body.decode()
    assert rows(victim.server.data) == before
