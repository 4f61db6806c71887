"""What happened on all devices, in one list."""

import pytest


def events(server, query: str = "") -> list[tuple[str, str]]:
    answer = server.api("GET", f"/events?{query}").json
    assert answer["total"] == len(answer["items"])
    return [(each["device"], each["event"]) for each in answer["items"]]


def test_events_are_listed_the_newest_first_and_picked_by_device_group_and_kind(server):
    group, other = server.group("a"), server.group("b")
    first, second = server.board(group, "one"), server.board(other, "two")
    first.check()
    second.check()
    first.report("rolled_back", "1.1.0", 7, "crash")
    second.check(version="1.2.0")
    everything = [("two", "version_changed"), ("one", "rolled_back"), ("two", "first_seen"), ("one", "first_seen")]
    assert events(server) == everything
    assert events(server, "device=one") == [everything[1], everything[3]]
    assert events(server, f"group={other['id']}") == [everything[0], everything[2]]
    assert events(server, "event=first_seen") == everything[2:]
    assert events(server, f"event=first_seen&group={group['id']}&device=one") == everything[3:]
    assert events(server, "device=ONE") == events(server, "group=nothing") == events(server, "event=exploded") == []
    page = server.api("GET", "/events?offset=1&limit=1").json
    assert page["total"] == 4
    (told,) = page["items"]
    assert told.pop("at").endswith("Z")
    facts = {"event": "rolled_back", "version": "1.1.0", "sequence": 7, "reason": "crash"}
    assert told == facts | {"device": "one", "group": group["id"]}


def test_events_of_a_moved_device_are_its_new_groups(server):
    old, new = server.group("a"), server.group("b")
    server.board(old).check()
    server.api("PATCH", "/devices/board-1", {"group": new["id"]})
    assert (events(server, f"group={old['id']}"), len(events(server, f"group={new['id']}"))) == ([], 1)


@pytest.mark.parametrize("query", ["colour=red", f"device={'k' * 201}", "limit=0", "event=a&event=b"])
def test_query_that_makes_no_sense_is_refused_by_name(shared, query):
    answer = shared.api("GET", f"/events?{query}")
    assert (answer.status, query.partition("=")[0] in answer.detail) == (400, True)
