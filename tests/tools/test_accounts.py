"""`twinslot account`, and what `twinslot serve` says of set-up and of an external issuer."""

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

THREE = ("--issuer", "https://login.example.com", "--audience", "twinslot", "--jwks", "http://127.0.0.1:1/keys")


def served(data: Path, *arguments: str, **environment: str) -> list[str]:
    """What the server prints until it is stopped; its address answered before that."""
    command = [sys.executable, "-m", "twinslot_tools", "serve", "--data", str(data), "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | environment) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.terminate()
        return [first, *process.stdout]


def test_account_is_made_with_a_link_that_sets_it_up_and_listed_without(twinslot, signed_in) -> None:
    made = twinslot("account", "create", "workshop", "--json").document
    assert made["setup_link"].startswith(f"{signed_in}/setup?token=")
    with urllib.request.urlopen(made["setup_link"]) as answer:
        assert answer.status == 200
    listed = twinslot("account", "list", "--json")
    assert made["id"] in [each["id"] for each in listed.document["items"]]
    assert made["setup_link"].partition("token=")[2] not in listed.out
    assert made["id"] in twinslot("account", "list").out


def test_account_is_shown_to_people_with_its_link(twinslot, signed_in) -> None:
    made = twinslot("account", "create", "for people")
    assert made.code == 0
    assert "/setup?token=" in made.out and "not shown again" in made.out


def test_account_whose_name_is_taken_exits_4(twinslot, signed_in) -> None:
    assert twinslot("account", "create", "twice").code == 0
    result = twinslot("account", "create", "twice", "--json")
    assert (result.code, result.out) == (4, "")
    assert "twice" in result.err


def test_server_prints_the_set_up_link_after_its_address(tmp_path) -> None:
    lines = served(tmp_path / "data")
    address = re.fullmatch(r"listening on (http://127\.0\.0\.1:\d+)\n", lines[0])
    assert address is not None
    assert re.fullmatch(rf"set up the account: {address[1]}/setup\?token=[\w-]{{43}}\n", lines[1])
    assert len(lines) == 2


def test_server_says_all_of_it_as_one_document(tmp_path) -> None:
    document = json.loads("".join(served(tmp_path / "data", "--json")))
    assert document.keys() == {"listening", "setup_link"}
    assert document["setup_link"].startswith(document["listening"] + "/setup?token=")


@pytest.mark.parametrize("way", ["options", "environment"])
def test_server_with_an_issuer_has_no_set_up_link(tmp_path, way) -> None:
    environment = dict(zip(("TWINSLOT_ISSUER", "TWINSLOT_AUDIENCE", "TWINSLOT_JWKS"), THREE[1::2], strict=True))
    lines = served(tmp_path / "data", *THREE) if way == "options" else served(tmp_path / "data", **environment)
    assert [line.partition(" on ")[0] for line in lines] == ["listening"]


@pytest.mark.parametrize(
    "arguments",
    [
        THREE[:2],
        THREE[:4],
        THREE[2:],
        (*THREE[:4], "--jwks", ""),
        (*THREE[:4], "--jwks", "ftp://login.example.com/keys"),
        (*THREE[:4], "--jwks", "https://user:secret@login.example.com/keys"),
        ("--issuer", "login.example.com", *THREE[2:]),
        ("--link-life", "59"),
        ("--link-life", "86401"),
        ("--link-life", "x"),
    ],
    ids=" ".join,
)
def test_wrong_options_of_serve_exit_2_and_make_nothing(twinslot, tmp_path, arguments) -> None:
    result = twinslot("serve", "--data", tmp_path / "data", *arguments)
    assert (result.code, result.out) == (2, "")
    assert not (tmp_path / "data").exists()


def test_link_life_reaches_the_links(tmp_path, twinslot, monkeypatch) -> None:
    """The links themselves are the server's tests; here, that the option arrives."""
    from twinslot_host import app

    given: dict[str, object] = {}
    monkeypatch.setattr(app, "serve", lambda *_, **options: given.update(options))
    assert twinslot("serve", "--data", tmp_path / "data", "--link-life", "86400").code == 0
    assert given == {"link_life_s": 86400, "issuer": None}
