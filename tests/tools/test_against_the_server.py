"""The commands against a real server."""

import json
import os
import stat

import pytest

from twinslot_sim.applications import app_image


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "kettle.app-bin"
    path.write_bytes(app_image("kettle", "1.1.0", size_bytes=50_000))
    return path


def test_group_is_made_and_listed(twinslot, signed_in) -> None:
    made = twinslot("group", "create", "listed", "--app", "lamp", "--json").document
    listed = twinslot("group", "list", "--json").document
    assert made["app"] == "lamp" and len(made["id"]) == 24 and len(made["token"]) >= 16
    assert made["id"] in [group["id"] for group in listed["items"]]
    assert made["token"] not in json.dumps(listed)


def test_tables_show_what_json_holds(twinslot, signed_in) -> None:
    made = twinslot("group", "create", "for people", "--app", "lamp")
    assert made.code == 0
    listed = twinslot("group", "list")
    assert "for people" in listed.out and "lamp" in listed.out


def test_name_that_is_taken_exits_4(twinslot, signed_in) -> None:
    twinslot("group", "create", "twice", "--app", "lamp")
    result = twinslot("group", "create", "twice", "--app", "lamp", "--json")
    assert (result.code, result.out) == (4, "")
    assert "twice" in result.err


def test_wrong_token_exits_4_and_is_not_shown(twinslot, signed_in, monkeypatch) -> None:
    monkeypatch.setenv("TWINSLOT_TOKEN", "not-a-token")
    result = twinslot("group", "list")
    assert (result.code, result.out) == (4, "")
    assert "twinslot token" in result.err and "not-a-token" not in result.err


@pytest.mark.parametrize("command", [("device", "show"), ("explain",)])
def test_unknown_device_exits_4(twinslot, signed_in, command) -> None:
    result = twinslot(*command, "nobody/knows me", "--json")
    assert (result.code, result.out) == (4, "")


def test_release_signed_here_is_accepted_and_served_signed(twinslot, signed_in, publisher, image) -> None:
    twinslot("group", "create", "own key", "--app", "kettle", "--trust", "publisher", "--key", f"{publisher}.pub")
    published = twinslot("publish", image, "--app", "kettle", "--version", "1.1.0", "--key", publisher, "--json")
    release = published.document
    assert (release["version"], release["size"], release["chip"]) == ("1.1.0", image.stat().st_size, 0)
    assert release["signed_by"] != "server"
    again = twinslot("publish", image, "--app", "kettle", "--version", "1.1.1", "--key", publisher, "--json")
    assert again.document["sequence"] > release["sequence"]


def test_release_without_a_key_is_signed_by_the_server(twinslot, signed_in, image) -> None:
    twinslot("group", "create", "server key", "--app", "toaster")
    arguments = ("--app", "toaster", "--version", "2.0.0", "--strategy", "suspended", "--upgradable-from", "1.0.0")
    release = twinslot("publish", image, *arguments, "--json").document
    assert (release["signed_by"], release["strategy"], release["upgradable_from"]) == ("server", "suspended", ["1.0.0"])


def test_key_that_no_group_trusts_exits_4(twinslot, signed_in, image, publisher, tmp_path) -> None:
    twinslot("group", "create", "strict", "--app", "oven", "--trust", "publisher", "--key", f"{publisher}.pub")
    twinslot("keygen", "--out", tmp_path / "stranger.pem")
    arguments = ("--app", "oven", "--version", "1.1.0")
    stranger = twinslot("publish", image, *arguments, "--key", tmp_path / "stranger.pem")
    unsigned = twinslot("publish", image, *arguments)
    assert (stranger.code, unsigned.code) == (4, 4)
    assert twinslot("publish", image, *arguments, "--key", publisher).code == 0


def test_garbage_is_refused_by_the_server_with_4(twinslot, signed_in, tmp_path) -> None:
    twinslot("group", "create", "garbage", "--app", "grill")
    (tmp_path / "garbage").write_bytes(os.urandom(20_000))
    result = twinslot("publish", tmp_path / "garbage", "--app", "grill", "--version", "1.0.0", "--json")
    assert (result.code, result.out) == (4, "")


def test_token_is_made_for_one_scope(twinslot, server) -> None:
    result = twinslot("token", "--data", server[1], "--scope", "group:read", "--ttl", "60", "--json")
    assert set(result.document) == {"token", "ttl"}
    assert twinslot("token", "--data", server[1], "--scope", "everything").code == 3


def test_second_server_on_the_same_data_is_refused(twinslot, server) -> None:
    result = twinslot("serve", "--data", server[1], "--port", "0")
    assert (result.code, result.out) == (4, "")
    assert str(server[1]) in result.err
    assert stat.S_IMODE((server[1] / "jwt.key").stat().st_mode) == 0o600
