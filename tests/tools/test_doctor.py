"""`twinslot doctor` at the serial port of simulated boards: what it finds, and that it changes nothing."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import shutil
from pathlib import Path

import pytest

from twinslot_sim import applications, bootloader, factory, nvs, partitions
from twinslot_sim.nor import Nor
from twinslot_tools import board_facts, board_port, checkup, provision, provision_plan
from twinslot_tools.board_files import board_files, starter

from .boards import OnTheDesk

PROMPT = r'"help\(\)" for more information\.\n>>> '
NOBODY = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def lying_there() -> dict[str, bytes]:
    return {**board_files(), "/lib/app.py": starter()}


@pytest.fixture
def configuration(twinslot, signed_in):
    """What a board of a new group is configured with."""
    name = f"app-{secrets.token_hex(8)}"
    made = twinslot("group", "create", name, "--app", name, "--json").document
    group = asyncio.run(provision.ask_group(signed_in, made["id"], made["token"], name))
    wifi = {"ssid": "kitchen", "password": "secret of the kitchen"}
    return provision.configuration(group, name, app=name, version="1.25.0", wifi=wifi, trial_s=300)


def crosses(result) -> dict[str, str]:
    """The checks that failed, with their hints; what is said of them is checked for secrets."""
    assert "secret of the kitchen" not in result.out + result.err and "Traceback" not in result.err
    assert result.code == (0 if result.document["healthy"] else 1)
    assert all(check["hint"] for check in result.document["checks"] if check["ok"] is False)
    return {check["name"]: check["found"] for check in result.document["checks"] if check["ok"] is False}


def test_healthy_board_has_no_cross_and_runs_on_unchanged(twinslot, configuration, lying_there, tmp_path) -> None:
    flash = tmp_path / "flash"
    with OnTheDesk(flash, files=lying_there | {"/twinslot.json": json.dumps(configuration).encode()}) as desk:
        desk.says("settled")
        before, at = flash.read_bytes(), len(desk.log)
        result = twinslot("doctor", "--port", desk.port, "--json")
        assert crosses(result) == {}, result.out
        desk.says("soft reboot\nworking", since=at + 2000)
        assert flash.read_bytes() == before and desk.board.boots == 1
        shown = twinslot("doctor", "--port", desk.port)
    assert {check["name"] for check in result.document["checks"]} >= {"slots", "wifi", "server", "key", "clock"}
    assert shown.code == 0 and "✓ key            the server knows it" in shown.out


def test_board_with_one_slot_is_well_and_its_bundle_is_named(twinslot, configuration, lying_there, tmp_path) -> None:
    flash = tmp_path / "flash"
    app = b"def main():\n    print('of the bundle')\n"
    files = lying_there | {"/twinslot.json": json.dumps(configuration).encode(), "/app_a/app.py": app}
    factory.make_flash(flash, applications.micropython(), files, partitions.MICROPYTHON_4MIB)
    with Nor(flash) as nor:
        where = bootloader.nvs_partition(nor)
        nvs.Nvs(nor, where.offset, where.size).set_i32("twinslot", "tree", 1)
    with OnTheDesk(flash) as desk:
        desk.says("of the bundle")
        result = twinslot("doctor", "--port", desk.port, "--json")
    assert crosses(result) == {}, result.out
    found = {check["name"]: (check["ok"], check["found"]) for check in result.document["checks"]}
    assert (found["slots"][0], "one app slot (factory runs): it takes bundles" in found["slots"][1]) == (True, True)
    assert found["application"] == (True, "/app_a/app.py; the bundle in /app_a runs")
    assert found["trees"] == (True, "/app_a")
    assert found["otadata"][0] is None


def test_board_from_the_shop_lacks_everything_of_ours(twinslot, tmp_path) -> None:
    with OnTheDesk(tmp_path / "flash") as desk:
        desk.says(PROMPT)
        shown = twinslot("doctor", "--port", desk.port)
        found = crosses(twinslot("doctor", "--port", desk.port, "--json"))
    assert found.keys() == {"package", "start", "application", "configuration"}
    assert shown.code == 1 and "✗ configuration  /twinslot.json is missing" in shown.out and "✓ slots" in shown.out


@pytest.mark.parametrize(
    ("wrong", "name", "found"),
    [
        ({"server": NOBODY}, "server", "ECONNREFUSED"),
        ({"key": "00" * 32}, "key", "does not accept this board's key"),
        ({"trusted": [1]}, "configuration", "/twinslot.json"),
    ],
    ids=["server down", "wrong key", "configuration"],
)
def test_step_to_the_server_that_fails_is_named(
    twinslot, configuration, lying_there, tmp_path, wrong, name, found
) -> None:
    config = json.dumps(configuration | wrong).encode()
    with OnTheDesk(tmp_path / "flash", files=lying_there | {"/main.py": b"", "/twinslot.json": config}) as desk:
        told = crosses(twinslot("doctor", "--port", desk.port, "--json"))
    assert told.keys() - {"start"} == {name} and found in told[name]


def test_board_out_of_reach_of_its_wifi_says_so(twinslot, configuration, lying_there, tmp_path, monkeypatch) -> None:
    hasty = Path(shutil.copytree(board_port.SCRIPTS, tmp_path / "on_board")) / "online.py"
    hasty.write_text(re.sub("^WIFI_S = .*", "WIFI_S = 1", hasty.read_text(), flags=re.MULTILINE))
    monkeypatch.setattr(board_port, "SCRIPTS", hasty.parent)
    files = lying_there | {"/main.py": b"", "/twinslot.json": json.dumps(configuration).encode()}
    with OnTheDesk(tmp_path / "flash", files=files) as desk:
        desk.board.access_point = False
        told = crosses(twinslot("doctor", "--port", desk.port, "--json"))
    assert told.keys() - {"start"} == {"wifi"} and told["wifi"] == "not connected within 1 s"


def test_files_that_hide_what_a_release_brings_are_crosses(twinslot, lying_there, tmp_path) -> None:
    files = lying_there | {"/app.py": b"def main():\n    print('old')\n", "/twinslot.py": b""}
    image = applications.app_image("kettle", "1.0.0")
    with OnTheDesk(tmp_path / "flash", files=files, image=image) as desk:
        told = crosses(twinslot("doctor", "--port", desk.port, "--json"))
    assert told["application"] == "/app.py hides the `app` of the image"
    assert told["package"].startswith("/twinslot.py goes before")


def test_file_where_a_bundle_would_come_is_a_cross(twinslot, configuration, lying_there, tmp_path) -> None:
    files = lying_there | {"/twinslot.json": json.dumps(configuration).encode(), "/app_a": b"mine", "/app_b/a.py": b""}
    with OnTheDesk(tmp_path / "flash", files=files) as desk:
        told = crosses(twinslot("doctor", "--port", desk.port, "--json"))
    assert told == {"trees": "/app_a is a file of yours, and a bundle needs a folder of that name"}


def test_trial_is_a_row_of_its_own() -> None:
    told = dict.fromkeys(("free_bytes", "block_bytes", "free_heap", "year"), 0)
    told |= {"version": "1.25.0", "mpy": 0x706, "chip": None, "files": {}, "settings": None, "root": [], "lib": []}
    board = board_facts.Board.of([], told | {"tree": "/app_a", "trees": {}, "on_trial": True})
    found = {check.name: check.found for check in checkup.offline(board, provision_plan.plan_of(board, {}, b""), 6)}
    assert (found["trial"], "otadata" in found) == ("/app_a is on trial", False)


def test_folder_is_the_owners_until_a_bundle_may_have_come() -> None:
    told = dict.fromkeys(("free_bytes", "block_bytes", "free_heap", "year"), 0)
    told |= {"version": "1.25.0", "mpy": 0x706, "chip": None, "files": {}, "settings": None, "root": [], "lib": []}
    told |= {"tree": "", "on_trial": False}
    for names, files, whose in (
        (["app.py"], {}, "/app_b"),
        (["app.py"], {"/twinslot.json": None}, ""),
        (["app.py", ".list"], {}, ""),
        ([], {}, ""),
    ):
        trees = {"/app_b": {"names": names, "blocks": 0}}
        found = board_facts.in_the_way(board_facts.Board.of([], told | {"trees": trees, "files": files}))
        assert (found or ("",))[0].partition(" ")[0] == whose


@pytest.mark.parametrize(
    ("key", "certificate", "known"),
    [
        ("", True, True),
        ("connection: (-9984, 'MBEDTLS_ERR_X509_CERT_VERIFY_FAILED')", False, None),
        ("the server does not accept this board's key: ...", True, False),
    ],
)
def test_certificate_and_key_are_told_apart(key, certificate, known) -> None:
    checks = {check.name: check.ok for check in checkup._trust("https://kettle.example", {"server": "", "key": key})}
    assert checks == {"certificate": certificate, "key": known}
