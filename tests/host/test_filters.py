"""Filters: whom they match, how they are kept, and what they are to releases."""

import itertools
import uuid

import pytest

from .clients import Server
from .samples import make_image

UNKNOWN = "0" * 24


def create(server, name: str = "some", **predicate):
    return server.api("POST", "/filters", {"name": name, "predicate": predicate})


def matching(server, made: dict) -> list[str]:
    """The ids of whom the filter matches, as many as it says."""
    items, offset = [], 0
    while True:
        page = server.api("GET", f"/filters/{made['id']}/devices?offset={offset}&limit=64").json
        items += [each["id"] for each in page["items"]]
        offset += 64
        if offset >= page["total"]:
            break
    shown = server.api("GET", f"/filters/{made['id']}").json
    assert len(items) == page["total"] == shown["devices"]
    return items


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """A server with 200 devices that have asked for their keys, in two groups."""
    server = Server(tmp_path_factory.mktemp("filters") / "data")
    server.groups = [server.group("even"), server.group("odd")]
    for number in range(200):
        assert server.board(server.groups[number % 2], f"d-{number:03}").keys().status == 200
    change = {"attributes": {"room": "hall", "floor": 1, "wet": True}, "tags": ["new", "wet"]}
    server.api("PATCH", "/devices/d-000", change)
    server.api("PATCH", "/devices/d-001", change | {"tags": ["new"]})
    server.api("PATCH", "/devices/d-002", {"attributes": {"room": "hall", "floor": True, "wet": 1}})
    yield server
    server.stop(9)


@pytest.mark.parametrize(
    ("predicate", "found"),
    [
        ({"tags": ["new"]}, ["d-000", "d-001"]),
        ({"tags": ["new", "wet"]}, ["d-000"]),
        ({"tags": ["New"]}, []),
        ({"attributes": {"room": "hall"}}, ["d-000", "d-001", "d-002"]),
        ({"attributes": {"room": "hall", "floor": 1}}, ["d-000", "d-001"]),
        ({"attributes": {"floor": 1.0}}, ["d-000", "d-001"]),
        ({"attributes": {"floor": True}}, ["d-002"]),
        ({"attributes": {"floor": "1"}}, []),
        ({"attributes": {"wet": True}, "tags": ["wet"]}, ["d-000"]),
        ({"attributes": {"colour": "red"}}, []),
        ({"percentage": 0}, []),
        ({"tags": ["new"], "attributes": None, "percentage": 100, "groups": None}, ["d-000", "d-001"]),
    ],
)
def test_every_part_that_is_given_must_hold(fleet, predicate, found):
    made = create(fleet, str(uuid.uuid4()), **predicate).json
    assert matching(fleet, made) == found


def test_groups_match_any_of_them_and_nothing_given_matches_all(fleet):
    everybody = [f"d-{number:03}" for number in range(200)]
    even, odd = (group["id"] for group in fleet.groups)
    for predicate, found in (
        ({}, everybody),
        ({"percentage": 100}, everybody),
        ({"groups": [even, odd]}, everybody),
        ({"groups": [odd]}, everybody[1::2]),
        ({"groups": [odd], "tags": ["new"]}, ["d-001"]),
    ):
        made = create(fleet, str(uuid.uuid4()), **predicate).json
        assert matching(fleet, made) == found


def test_growing_percentage_keeps_whom_it_has(fleet):
    made = create(fleet, "growing", percentage=10).json
    sets = [set(matching(fleet, made))]
    for percentage in (10.01, 50, 99.99, 100):
        body = {"name": "growing", "predicate": {"percentage": percentage}}
        assert fleet.api("PUT", f"/filters/{made['id']}", body).json["predicate"] == {"percentage": percentage}
        sets.append(set(matching(fleet, made)))
    assert all(smaller <= larger for smaller, larger in itertools.pairwise(sets))
    assert (8 <= len(sets[0]) <= 35, 75 <= len(sets[2]) <= 125, len(sets[-1])) == (True, True, 200)
    other = create(fleet, "other", percentage=50).json
    assert set(matching(fleet, other)) != sets[2]  # it is drawn for each filter anew


def test_filter_is_kept_as_it_was_made_and_replaced_whole(start):
    server = start()
    group = server.group()
    predicate = {"groups": [group["id"]], "tags": ["b", "a"], "attributes": {"n": 1.5}, "percentage": 12.344}
    made = create(server, "some", **predicate | {"groups": [group["id"]] * 2}).json
    assert uuid.UUID(made["id"]).version == 4
    kept = predicate | {"tags": ["a", "b"], "percentage": 12.34}
    assert (made["name"], made["predicate"], made["devices"]) == ("some", kept, 0)
    server.stop()
    server = start()
    listed = {name: value for name, value in made.items() if name != "devices"}  # which takes a look at every device
    assert server.api("GET", "/filters").json == {"items": [listed], "total": 1}
    answer = server.api("PUT", f"/filters/{made['id']}", {"name": "other", "predicate": {"tags": []}})
    changed = {"id": made["id"], "name": "other", "predicate": {"tags": []}, "devices": 0}
    assert (answer.status, answer.json) == (200, changed | {"created_at": made["created_at"]})
    assert server.api("GET", f"/filters/{made['id']}").json == answer.json
    assert server.api("DELETE", f"/filters/{made['id']}").status == 204
    assert server.api("DELETE", f"/filters/{made['id']}").status == 404
    assert server.api("GET", "/filters").json == {"items": [], "total": 0}
    actions = [line["action"] for line in server.api("GET", f"/audit?subject=filter:{made['id']}").json["items"]]
    assert actions == ["filter.delete", "filter.update", "filter.create"]


def test_filters_are_paged_by_name(server):
    for name in ("c", "a", "b"):
        create(server, name)
    page = server.api("GET", "/filters?offset=1&limit=1").json
    assert ([each["name"] for each in page["items"]], page["total"]) == (["b"], 3)


def test_name_that_is_taken_is_refused_and_nothing_changed(server):
    create(server, "a")
    other = create(server, "b").json
    for answer in (create(server, "a"), server.api("PUT", f"/filters/{other['id']}", {"name": "a", "predicate": {}})):
        assert (answer.status, answer.detail.startswith("name: ")) == (409, True)
    assert [each["name"] for each in server.api("GET", "/filters").json["items"]] == ["a", "b"]
    assert server.api("PUT", f"/filters/{other['id']}", {"name": "b", "predicate": {}}).status == 200


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"predicate": {}}, "name"),
        ({"name": "a"}, "predicate"),
        ({"name": "", "predicate": {}}, "name"),
        ({"name": "a/b", "predicate": {}}, "name"),
        ({"name": 1, "predicate": {}}, "name"),
        ({"name": "a", "predicate": []}, "predicate"),
        ({"name": "a", "predicate": None}, "predicate"),
        ({"name": "a", "predicate": {}, "id": "x"}, "unknown field 'id'"),
        ({"name": "a", "predicate": {"colour": 1}}, "unknown field 'predicate.colour'"),
        ({"name": "a", "predicate": {"groups": []}}, "predicate.groups"),
        ({"name": "a", "predicate": {"groups": UNKNOWN}}, "predicate.groups"),
        ({"name": "a", "predicate": {"groups": [UNKNOWN]}}, "predicate.groups"),
        ({"name": "a", "predicate": {"groups": ["\0"]}}, "predicate.groups"),
        ({"name": "a", "predicate": {"groups": [UNKNOWN] * 101}}, "predicate.groups"),
        ({"name": "a", "predicate": {"tags": ["a/b"]}}, "predicate.tags"),
        ({"name": "a", "predicate": {"tags": [str(n) for n in range(33)]}}, "predicate.tags"),
        ({"name": "a", "predicate": {"attributes": {"a": None}}}, "predicate.attributes"),
        ({"name": "a", "predicate": {"attributes": {"a": float("nan")}}}, "attributes"),
        ({"name": "a", "predicate": {"attributes": {str(n): 1 for n in range(33)}}}, "predicate.attributes"),
        ({"name": "a", "predicate": {"percentage": -0.01}}, "predicate.percentage"),
        ({"name": "a", "predicate": {"percentage": 100.01}}, "predicate.percentage"),
        ({"name": "a", "predicate": {"percentage": float("nan")}}, "predicate.percentage"),
        ({"name": "a", "predicate": {"percentage": float("inf")}}, "predicate.percentage"),
        ({"name": "a", "predicate": {"percentage": "10"}}, "predicate.percentage"),
        ({"name": "a", "predicate": {"percentage": True}}, "predicate.percentage"),
    ],
)
def test_wrong_field_is_refused_by_name_and_nothing_is_changed(shared, body, reason):
    made = create(shared, str(uuid.uuid4()), tags=["a"]).json
    before = shared.api("GET", "/filters").json
    for method, path in (("POST", "/filters"), ("PUT", f"/filters/{made['id']}")):
        answer = shared.api(method, path, body)
        assert (answer.status, reason in answer.detail) == (400, True), answer.body
    assert shared.api("GET", "/filters").json == before


@pytest.mark.parametrize(
    ("method", "rest", "body"),
    [("GET", "", None), ("PUT", "", {"name": "a", "predicate": {}}), ("DELETE", "", None), ("GET", "/devices", None)],
)
@pytest.mark.parametrize("name", [f"{UNKNOWN[:8]}-0000-4000-8000-{UNKNOWN[:12]}", "x", "%00", "k" * 1000])
def test_unknown_filter_is_404(shared, method, rest, body, name):
    assert shared.api(method, f"/filters/{name}{rest}", body).status == 404


def test_filter_that_a_release_goes_out_to_is_not_deleted_and_names_the_release(server):
    made = create(server).json
    board = server.board(server.group())
    board.check()
    answer = server.publish(make_image(), strategy="targeted", filters=[{"filter": made["id"], "rollout_at": None}])
    assert answer.status == 201, answer.body
    answer = server.api("DELETE", f"/filters/{made['id']}")
    assert (answer.status, "kettle 1.1.0" in answer.detail, "'some'" in answer.detail) == (409, True, True)
    assert board.offer() is not None
    assert server.api("DELETE", "/applications/kettle/releases/1.1.0").status in (204, 409)


def test_targeted_release_follows_its_filter_and_explain_says_why(server):
    made = create(server, "wet ones", tags=["wet"]).json
    board = server.board(server.group())
    board.check()
    server.publish(make_image(), strategy="targeted", filters=[{"filter": made["id"], "rollout_at": None}])
    assert board.offer() is None
    (verdict,) = server.api("GET", "/devices/board-1/explain").json["releases"]
    assert "wet ones" in verdict["reason"]
    server.api("PATCH", "/devices/board-1", {"tags": ["wet"]})
    assert board.offer() is not None
