"""Applications and releases through our own API: shown, changed, deleted."""

import pytest

from .kaa import Kaa, new_filter
from .samples import make_image
from .test_uploads import nothing_is_left

IMAGE = make_image(size=5000)
BOIL = b'{"boil":90}'
ONE = "/applications/kettle/releases/1.1.0"


def test_change_of_a_release_changes_what_is_given_and_nothing_else(server):
    filters = [{"filter": new_filter(server), "rollout_at": None}]
    before = server.publish(IMAGE, specification=BOIL, metadata={"a": 1}, upgradable_from=["1.0.0"]).json
    for change in (
        {"strategy": "targeted"},
        {"filters": filters},
        {"upgradable_from": None},
        {"upgradable_from": []},
        {"metadata": [1]},
    ):
        answer = server.api("PATCH", ONE, change)
        assert (answer.status, answer.json) == (200, before | change)
        before = answer.json
        assert server.api("GET", ONE).json == before
    assert server.api("PATCH", ONE, {}).json == before
    without = server.api("PATCH", ONE, {"metadata": None, "filters": []}).json
    assert without == {name: value for name, value in before.items() if name != "metadata"} | {"filters": []}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"strategy": "everyone"}, "strategy"),
        ({"strategy": None}, "strategy"),
        ({"upgradable_from": ["1.x"]}, "upgradable_from: '1.x' is not"),
        ({"filters": None}, "filters"),
        ({"filters": [{"filter": "nothing"}]}, "there is no filter 'nothing'"),
        ({"specification": {}}, "unknown field 'specification'"),
        ({"strategy": "suspended", "colour": 1}, "unknown field 'colour'"),
    ],
)
def test_wrong_change_is_refused_by_name_and_changes_nothing(server, change, reason):
    before = server.publish(IMAGE).json
    answer = server.api("PATCH", ONE, change)
    assert (answer.status, reason in answer.detail) == (400, True)
    assert server.api("GET", ONE).json == before


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["/applications/nothing/releases/1.1.0", "/applications/kettle/releases/9.9.9"])
def test_release_that_is_not_there_is_404(shared, method, path):
    shared.group()
    assert shared.api(method, path, {} if method == "PATCH" else None).status == 404


@pytest.mark.parametrize("version", ["1.0", "v1.1.0", "%00", "1.1.0%2Fx", "9" * 80])
def test_version_that_is_not_semver_is_400(shared, version):
    answer = shared.api("GET", f"/applications/kettle/releases/{version}")
    assert (answer.status, "version" in answer.detail) == (400, True)


def test_deleted_release_is_gone_with_its_file_and_its_version_is_free(server):
    first = server.publish(IMAGE).json
    assert server.api("DELETE", ONE).status == 204
    assert server.api("GET", ONE).status == 404
    assert nothing_is_left(server)
    assert server.publish(IMAGE).json["sequence"] > first["sequence"]


def test_file_of_a_deleted_release_stays_while_another_has_it_too(server):
    board = server.board(server.group())
    server.publish(IMAGE)
    server.publish(IMAGE, "1.2.0")
    assert server.api("DELETE", ONE).status == 204
    assert server.request("GET", board.offer()["image"]).body == IMAGE


@pytest.mark.parametrize("told", [{"version": "1.1.0"}, {"confirmed_version": "1.1.0"}])
def test_release_that_a_device_has_is_not_deleted(server, told):
    before = server.publish(IMAGE).json
    server.board(server.group(), **told).check()
    answer = server.api("DELETE", ONE)
    assert (answer.status, "'board-1' runs it" in answer.detail) == (409, True)
    assert server.api("GET", ONE).json == before


def test_release_that_a_group_is_held_at_is_not_deleted(server):
    group = server.group("kitchen")
    before = server.publish(IMAGE).json
    assert server.api("PATCH", f"/groups/{group['id']}", {"target": "1.1.0"}).status == 200
    answer = server.api("DELETE", ONE)
    assert (answer.status, "'kitchen' is held at" in answer.detail) == (409, True)
    assert server.api("GET", ONE).json == before
    server.api("PATCH", f"/groups/{group['id']}", {"target": None})
    assert server.api("DELETE", ONE).status == 204


@pytest.mark.parametrize("outcome", ["confirmed", "rolled_back", "refused", "nothing"])
def test_release_that_a_device_installs_is_not_deleted_until_it_has_told_the_outcome(server, outcome):
    board = server.board(server.group())
    sequence = server.publish(IMAGE).json["sequence"]
    assert board.offer() is not None
    for event in ("downloading", "trial", "failed"):
        board.report(event, "1.1.0", sequence)
        assert "'board-1' is installing it" in server.api("DELETE", ONE).detail
    board.check(state="trial")
    board.report("refused", "1.0.9", sequence - 1)
    assert server.api("DELETE", ONE).status == 409
    if outcome == "nothing":
        server.api("PATCH", ONE, {"strategy": "suspended"})
        assert board.offer(state="idle") is None
    else:
        board.report(outcome, "1.1.0", sequence)
    answer = server.api("DELETE", ONE)
    assert answer.status == (409 if outcome == "confirmed" else 204)
    assert outcome != "confirmed" or "'board-1' runs it" in answer.detail


def test_applications_are_paged_by_name_with_what_they_have(server):
    server.group("a", "kettle")
    server.group("b", "kettle")
    server.publish(IMAGE, app="toaster")
    server.publish(None, app="lamp", specification=BOIL)
    listed = server.api("GET", "/applications").json
    counted = [(each["name"], each["releases"], each["groups"]) for each in listed["items"]]
    assert (counted, listed["total"]) == ([("kettle", 0, 2), ("lamp", 1, 0), ("toaster", 1, 0)], 3)
    page = server.api("GET", "/applications?offset=1&limit=1").json
    assert ([each["name"] for each in page["items"]], page["total"]) == (["lamp"], 3)


def test_application_is_deleted_only_when_it_has_nothing(server):
    group = server.group()
    server.publish(IMAGE)
    answer = server.api("DELETE", "/applications/kettle")
    assert (answer.status, "1 groups and 1 releases" in answer.detail) == (409, True)
    server.api("DELETE", ONE)
    assert server.api("DELETE", "/applications/kettle").status == 409
    server.api("DELETE", f"/groups/{group['id']}")
    assert server.api("DELETE", "/applications/kettle").status == 204
    assert server.api("DELETE", "/applications/kettle").status == 404
    assert server.api("GET", "/applications").json == {"items": [], "total": 0}


def test_release_made_through_kaa_keeps_what_our_own_api_does_not_change(server):
    kaa = Kaa(server, "kettle")
    kaa.post("1.1.0", skipDispatchingToEndpoint=True)
    shown = server.api("PATCH", ONE, {"strategy": "suspended"}).json
    assert (shown["waits_for_file"], shown["sequence"], shown["file"]) == (True, None, None)
    assert kaa.get("1.1.0").json["skipDispatchingToEndpoint"] is True


def test_every_change_is_in_the_audit_and_no_refusal(server):
    server.publish(IMAGE)
    server.publish(IMAGE)
    server.api("PATCH", ONE, {"strategy": "suspended"})
    server.api("PATCH", ONE, {"strategy": "everyone"})
    server.api("DELETE", ONE)
    server.api("DELETE", ONE)
    server.api("DELETE", "/applications/kettle")
    lines = server.api("GET", "/audit").json["items"]
    assert [(each["action"], each["subject"]) for each in reversed(lines)] == [
        ("release.create", "release:kettle/1.1.0"),
        ("release.update", "release:kettle/1.1.0"),
        ("release.delete", "release:kettle/1.1.0"),
        ("application.delete", "application:kettle"),
    ]
