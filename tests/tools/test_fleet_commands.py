"""Groups, devices and filters, managed by the commands against a real server."""

import asyncio
import json
import secrets

import pytest

from twinslot_tools.provision import ask_group


@pytest.fixture
def group(twinslot, signed_in) -> dict:
    return twinslot("group", "create", secrets.token_hex(8), "--app", "lamp", "--json").document


@pytest.fixture
def device(signed_in, group) -> str:
    """The id of a board that has asked for its keys."""
    name = f"lamp-{secrets.token_hex(4)}"
    asyncio.run(ask_group(signed_in, group["id"], group["token"], name))
    return name


def test_group_is_changed_shown_and_deleted(twinslot, group) -> None:
    name = secrets.token_hex(8)
    changed = twinslot("group", "update", group["id"], "--name", name, "--poll", "300", "--json").document
    assert (changed["name"], changed["poll_s"], changed["target"]) == (name, 300, None)
    assert twinslot("group", "show", group["id"], "--json").document == changed
    shown = twinslot("group", "show", group["id"])
    assert (shown.code, name in shown.out, "300" in shown.out) == (0, True, True)
    assert twinslot("group", "delete", group["id"], "--json").document == {"deleted": group["id"]}
    gone = twinslot("group", "delete", group["id"])
    assert (gone.code, group["id"] in gone.err) == (4, True)


def test_target_that_there_is_not_exits_4_and_names_it(twinslot, group) -> None:
    result = twinslot("group", "update", group["id"], "--name", "held", "--target", "9.9.9", "--json")
    assert (result.code, result.out, "9.9.9" in result.err) == (4, "", True)
    assert twinslot("group", "show", group["id"], "--json").document["name"] == group["name"]
    assert twinslot("group", "update", group["id"], "--no-target", "--json").document["target"] is None


def test_group_with_a_device_exits_4_and_stays(twinslot, group, device) -> None:
    refused = twinslot("group", "delete", group["id"])
    assert (refused.code, "1 device" in refused.err) == (4, True)
    assert twinslot("group", "show", group["id"], "--json").document["devices"] == 1


def test_rotated_token_is_shown_once_and_the_old_one_expires(twinslot, signed_in, group, device) -> None:
    new = twinslot("group", "rotate", group["id"], "--grace", "3600", "--json").document
    assert new["token"] != group["token"]
    listed = twinslot("group", "tokens", group["id"], "--json").document
    assert new["token"] not in json.dumps(listed)
    newest, old = listed["items"]
    assert (newest["expires_at"], old["expires_at"] is None, old["devices"]) == (None, False, 1)
    said = twinslot("group", "rotate", group["id"], "--grace", "0")
    assert (said.code, "refused now" in said.out) == (0, True)


def test_device_is_described_found_moved_and_deleted(twinslot, signed_in, group, device) -> None:
    tags = twinslot("device", "tag", device, "kitchen", "early bird", "--json").document["tags"]
    assert tags == ["early bird", "kitchen"]
    pairs = ("room=küche", "floor=3", "wet=true", 'code="7"', "odd=1e999", "empty=")
    attributes = twinslot("device", "set", device, *pairs, "--json").document["attributes"]
    assert attributes == {"room": "küche", "floor": 3, "wet": True, "code": "7", "odd": "1e999", "empty": ""}
    shown = twinslot("device", "show", device).out
    assert "kitchen" in shown and "floor=3" in shown
    for where in (("--search", "EARLY", "--group", group["id"]), ("--tag", "kitchen", "--sort", "-created_at")):
        assert device in [each["id"] for each in twinslot("device", "list", *where, "--json").document["items"]]
    assert twinslot("device", "list", "--tag", "kitch", "--json").document["items"] == []
    other = twinslot("group", "create", secrets.token_hex(8), "--app", "lamp", "--json").document
    assert twinslot("device", "move", device, other["id"], "--json").document["group"] == other["id"]
    assert twinslot("device", "tag", device, "--json").document["tags"] == []
    assert twinslot("device", "set", device, "--json").document["attributes"] == {}
    assert twinslot("device", "delete", device, "--json").document == {"deleted": device}
    assert twinslot("device", "show", device).code == 4


def test_sort_that_is_none_exits_4_and_is_named(twinslot, signed_in) -> None:
    result = twinslot("device", "list", "--sort", "colour")
    assert (result.code, "sort" in result.err) == (4, True)


def test_move_that_the_server_refuses_exits_4_and_says_why(twinslot, group, device) -> None:
    other = twinslot("group", "create", secrets.token_hex(8), "--app", "oven", "--json").document
    result = twinslot("device", "move", device, other["id"])
    assert (result.code, "oven" in result.err) == (4, True)
    assert twinslot("device", "show", device, "--json").document["group"] == group["id"]


def test_filter_is_made_grown_listed_and_deleted(twinslot, group, device, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    name = secrets.token_hex(8)
    options = ("--group", group["id"], "--tag", "early", "--attribute", "floor=3", "--percentage", "10")
    made = twinslot("filter", "create", name, *options, "--json").document
    parts = {"groups": [group["id"]], "tags": ["early"], "attributes": {"floor": 3}, "percentage": 10}
    assert (made["name"], made["predicate"], made["devices"]) == (name, parts, 0)
    twinslot("device", "tag", device, "early")
    twinslot("device", "set", device, "floor=3")
    grown = twinslot("filter", "update", made["id"], "--percentage", "100", "--json").document
    assert (grown["predicate"], grown["devices"]) == (parts | {"percentage": 100}, 1)
    listed = twinslot("filter", "list")
    assert made["id"] in listed.out and "floor=3; percentage 100" in listed.out
    assert twinslot("filter", "update", made["id"], "--name", name + "x").code == 0
    assert twinslot("filter", "delete", made["id"], "--json").document == {"deleted": made["id"]}
    assert twinslot("filter", "update", made["id"], "--percentage", "1").code == 4


def test_filter_for_a_group_that_there_is_not_exits_4(twinslot, signed_in) -> None:
    result = twinslot("filter", "create", secrets.token_hex(8), "--group", "0" * 24, "--json")
    assert (result.code, result.out, "0" * 24 in result.err) == (4, "", True)
