"""The OpenAPI document and the reference page tell of every route, and of no other."""

import html
import re

import pytest
from aiohttp import web
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from twinslot_host.app import make_app
from twinslot_host.config import SCOPES
from twinslot_host.description.openapi import path_of
from twinslot_host.description.tables import PARTS, SCOPE_TEXTS
from twinslot_host.handlers.described import DESCRIBED
from twinslot_host.services import opened

PAGES = {"/api/v1/reference", "/setup"}


@pytest.fixture(scope="module")
def document(shared):
    answer = shared.request("GET", "/api/v1/openapi.json")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    return answer.json


@pytest.fixture(scope="module")
def page(shared):
    answer = shared.request("GET", "/api/v1/reference")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    return answer.body.decode()


def operations(document):
    return [(path, method, told) for path, its in document["paths"].items() for method, told in its.items()]


def asked_for(operation):
    return {scope for way in operation["security"] for scopes in way.values() for scope in scopes}


def references(part):
    if isinstance(part, dict):
        yield from ([part["$ref"]] if "$ref" in part else [])
        part = list(part.values())
    for each in part if isinstance(part, list) else []:
        yield from references(each)


def test_document_is_valid_openapi_3_1(document):
    assert [str(error) for error in OPENAPI_31_VALIDATOR.iter_errors(document)] == []
    told = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) - told == set()


async def test_document_has_every_route_that_the_server_takes(tmp_path, document):
    (tmp_path / "data").mkdir()
    async with opened(tmp_path / "data") as services:
        taken = {
            (route.method.lower(), route.resource.canonical)
            for route in make_app(services).router.routes()
            if isinstance(route.resource, web.PlainResource | web.DynamicResource) and route.method != "HEAD"
        }
    told = {(method, path) for path, method, _ in operations(document)}
    untold = {path for _, path in taken - told if not path.startswith("/device/v1/")}
    assert (untold - PAGES, told - taken) == (set(), set())


def test_each_operation_has_an_id_of_its_own_and_a_summary(document):
    told = [each for _, _, each in operations(document)]
    assert len({each["operationId"] for each in told}) == len(told)
    assert [each["operationId"] for each in told if not each["summary"]] == []


def test_each_tag_belongs_to_one_surface(document):
    grouped = [tag for group in document["x-tagGroups"] for tag in group["tags"]]
    used = {tag for _, _, each in operations(document) for tag in each["tags"]}
    assert sorted(grouped) == sorted(used) == sorted(each["name"] for each in document["tags"])


def test_each_scope_that_is_named_exists_and_is_told_in_words(document):
    named = {scope for _, _, each in operations(document) for scope in asked_for(each)}
    assert named - set(SCOPES) == set()
    flow = document["components"]["securitySchemes"]["oauth2"]["flows"]["clientCredentials"]
    assert flow["scopes"] == {scope: SCOPE_TEXTS[scope] for scope in SCOPES}
    assert flow["tokenUrl"] == document["servers"][0]["url"] + "/oauth/token"


def test_operation_asks_for_the_scope_of_its_route_and_else_for_no_token(document):
    scopes = {(each.method.lower(), path_of(each)): each.scope for routes in DESCRIBED for each in routes.all}
    told = {(method, path): asked_for(each) for path, method, each in operations(document)}
    assert told == {route: set() if scope is None else {scope} for route, scope in scopes.items()}


def test_form_of_each_part_of_a_path_is_known(document):
    parts = {re.sub(r".*/([^/]+)/\{\w+\}.*", r"\1", path) for path in document["paths"] if "{" in path}
    assert parts - PARTS.keys() == set()


def test_only_the_router_answers_405_and_a_fault_500_so_that_no_operation_tells_of_them(document):
    statuses = {status for _, _, each in operations(document) for status in each["responses"]}
    assert statuses & {"405", "500"} == set()


def test_document_names_the_address_at_which_it_was_asked_for(shared):
    told = shared.request("GET", "/api/v1/openapi.json", headers={"Host": "ota.example:8443"}).json
    assert told["servers"] == [{"url": "http://ota.example:8443"}]


def test_page_shows_each_operation_with_its_path_scope_and_answers(document, page):
    articles = dict(re.findall(r'<article id="(\w+)">(.*?)</article>', page, re.DOTALL))
    for path, method, told in operations(document):
        shown = html.unescape(articles[told["operationId"]])
        wanted = {path, method.upper(), *asked_for(told), *told["responses"]}
        wanted |= {each["name"] for each in told.get("parameters", [])}
        assert (told["operationId"], {each for each in wanted if each not in shown}) == (told["operationId"], set())


def test_each_link_of_the_page_leads_somewhere(page):
    ids = re.findall(r'id="([^"]+)"', page)
    assert len(set(ids)) == len(ids)
    assert set(re.findall(r'href="#([^"]+)"', page)) - set(ids) == set()
    assert set(re.findall(r'(?:href|src)="([^#"][^"]*)"', page)) == {"openapi.json"}
