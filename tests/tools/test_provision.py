"""`twinslot provision` with the unmodified mpremote, at the serial port of simulated boards, against a real server."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import secrets
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from twinslot_sim import bootloader, nvs, partitions
from twinslot_sim.errors import EspError
from twinslot_sim.nor import Nor
from twinslot_sim.vfs import NoFileSystem
from twinslot_tools import coming_online, provisioning
from twinslot_tools.board_facts import Board, unfit
from twinslot_tools.board_files import board_files, starter
from twinslot_tools.board_port import BoardPort
from twinslot_tools.commands import provision as command
from twinslot_tools.provision_plan import plan_of

from .boards import OnTheDesk, lying, put, settings

NOBODY = "http://127.0.0.1:1"
PROMPT = r'"help\(\)" for more information\.\n>>> '


@pytest.fixture
def group(twinslot, signed_in, monkeypatch):
    """A new group, whose token is in the environment."""
    app = f"app-{secrets.token_hex(8)}"
    made = twinslot("group", "create", app, "--app", app, "--json").document
    monkeypatch.setenv("TWINSLOT_GROUP_TOKEN", made["token"])
    monkeypatch.setenv("TWINSLOT_WIFI_PASSWORD", "secret of the kitchen")
    return made


@pytest.fixture
def silent_port():
    """A port at whose end nothing answers."""
    near, far = os.openpty()
    yield os.ttyname(far)
    os.close(near)
    os.close(far)


@pytest.fixture(scope="module")
def certified(tmp_path_factory) -> tuple[Path, Path]:
    """A certificate for localhost that vouches for itself, and its key."""
    folder = tmp_path_factory.mktemp("certified")
    certificate, key = folder / "server.pem", folder / "server.key"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate]
    named = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*make, *named], check=True, capture_output=True)
    return certificate, key


@pytest.fixture
def over_tls(server, certified):
    """The address of the real server behind a reverse proxy that speaks https."""
    address = urlsplit(server[0])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certified)

    async def pipe(reader, writer) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def handle(reader, writer) -> None:
        behind = await asyncio.open_connection(address.hostname, address.port)
        await asyncio.gather(pipe(reader, behind[1]), pipe(behind[0], writer))

    loop = asyncio.new_event_loop()
    listening = loop.run_until_complete(
        asyncio.start_server(handle, "localhost", 0, ssl=context, family=socket.AF_INET)
    )
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield f"https://localhost:{listening.sockets[0].getsockname()[1]}"
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def test_certificate_decides_whether_the_board_is_written(twinslot, group, tmp_path, certified, over_tls) -> None:
    certificate, _ = certified
    flash = tmp_path / "flash"
    with OnTheDesk(flash) as desk:
        desk.says(PROMPT)
        before = flash.read_bytes()
        ask = ("provision", "--port", desk.port, "--group", group["id"], "--server", over_tls)
        unknown = twinslot(*ask)
        assert (unknown.code, "--ca FILE" in unknown.err, "certificate" in unknown.err) == (4, True, True)
        without = subprocess.run(  # this machine trusts it, the board has none
            [sys.executable, "-m", "twinslot_tools", *ask],
            env=os.environ | {"SSL_CERT_FILE": str(certificate)},
            capture_output=True,
            text=True,
        )
        assert (without.returncode, "certificates of its own" in without.stderr) == (2, True), without.stderr
        assert flash.read_bytes() == before
        done = twinslot(*ask, "--ca", certificate, "--json")
        assert (done.code, done.document["online"]) == (0, True), done.err
    assert lying(flash, "/twinslot-ca.pem") == certificate.read_bytes()


def files_of(flash: Path) -> dict[str, bytes]:
    return {path: lying(flash, path) for path in board_files()}


def test_board_from_the_shop_comes_online_and_again_with_its_configuration_alone(twinslot, group, tmp_path) -> None:
    flash = tmp_path / "flash"
    with OnTheDesk(flash) as desk:
        desk.says(PROMPT)
        done = twinslot("provision", "--port", desk.port, "--group", group["id"], "--wifi", "kitchen", "--json")
        assert (done.code, done.document["online"], done.document["version"]) == (0, True, "1.25.0"), done.err
        desk.says("working")
    device = done.document["device"]
    assert device.startswith("esp32-2462abfe")
    assert files_of(flash) == board_files()
    assert lying(flash, "/lib/app.py") == starter()
    written = settings(flash)
    assert (written["group"], written["device"], written["app"]) == (group["id"], device, group["app"])
    assert written["wifi"] == {"ssid": "kitchen", "password": "secret of the kitchen"}
    assert group["token"].encode() not in flash.read_bytes()
    put(flash, "/twinslot.json", json.dumps(written | {"allow_exec": True, "poll_s": 1, "clock_s": 1}).encode())
    with OnTheDesk(flash) as desk:
        desk.says("settled")
        again = twinslot("provision", "--port", desk.port, "--group", group["id"], "--json")
        assert (again.code, again.document["write"], again.document["device"]) == (0, ["/twinslot.new"], device)
        assert settings(flash)["clock_s"] >= written["clock_s"]
        renamed = twinslot("provision", "--port", desk.port, "--group", group["id"], "--device", f"k-{group['id']}")
        assert renamed.code == 0 and f"k-{group['id']} is online, running 1.25.0" in renamed.out
    kept = settings(flash)
    assert (kept["wifi"], kept["allow_exec"], kept["poll_s"]) == (written["wifi"], True, 1)
    assert kept["device"] == f"k-{group['id']}" and kept["key"] != written["key"]
    told = done.err + done.out + renamed.out + renamed.err + desk.log
    assert "secret of the kitchen" not in told and group["token"] not in told and kept["key"] not in told


def test_dry_run_shows_the_plan_without_a_token_and_changes_nothing(twinslot, tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("TWINSLOT_GROUP_TOKEN", raising=False)
    flash = tmp_path / "flash"
    with OnTheDesk(flash, files={"/lib/twinslot/old.py": b"x = 1\n", "/main.py": b"print('mine')\n"}) as desk:
        desk.says("mine")
        before, at = flash.read_bytes(), len(desk.log)
        shown = twinslot("provision", "--port", desk.port, "--group", "g", "--dry-run", "--server", NOBODY)
        desk.says("soft reboot\nmine", since=at)
        assert flash.read_bytes() == before
    assert shown.code == 0, shown.err
    assert "write  /lib/twinslot/agent.mpy" in shown.out and "remove /lib/twinslot/old.py" in shown.out
    assert "keep   /main.py, which is yours" in shown.out


OWNERS_BOOT = b"# mine\nprint('my boot')\n"


@pytest.mark.parametrize(
    ("files", "environment", "code", "said"),
    [
        ({"/boot.py": OWNERS_BOOT}, {}, 1, "/boot.py holds code of yours"),
        ({"/full": bytes(870_000)}, {}, 1, "KiB free, and what is to be written needs"),
        ({"/app_b": b"mine"}, {}, 1, "/app_b is a file of yours, and a bundle needs a folder of that name: `mpremote"),
        ({"/app_a/notes.txt": b"mine"}, {}, 1, "/app_a holds files of yours, and is emptied when a bundle comes"),
        ({}, {"TWINSLOT_GROUP_TOKEN": "0" * 32}, 4, "does not know group"),
        ({}, {"TWINSLOT_SERVER": NOBODY}, 4, "no answer from " + NOBODY),
        ({}, {"TWINSLOT_SERVER": "https://127.0.0.1:1"}, 4, "no answer from https://"),
    ],
    ids=["boot.py", "full file system", "file for a tree", "folder for a tree", "wrong token", "server down", "https"],
)
def test_what_cannot_be_done_leaves_the_board_as_it_was(
    twinslot, group, tmp_path, monkeypatch, files, environment, code, said
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    flash = tmp_path / "flash"
    with OnTheDesk(flash, files={"/main.py": b"print('mine runs')\n", **files}) as desk:
        desk.says("mine runs")
        before, at = flash.read_bytes(), len(desk.log)
        result = twinslot("provision", "--port", desk.port, "--group", group["id"], "--json")
        desk.says("soft reboot\n(my boot\n)?mine runs", since=at)
        assert flash.read_bytes() == before
    assert (result.code, result.out) == (code, "")
    assert said in result.err and "Traceback" not in result.err


def test_board_with_one_slot_comes_online_and_is_told_what_it_takes(twinslot, group, tmp_path) -> None:
    flash = tmp_path / "flash"
    with OnTheDesk(flash, table=partitions.MICROPYTHON_4MIB) as desk:
        desk.says(PROMPT)
        shown = twinslot("provision", "--port", desk.port, "--group", group["id"], "--dry-run")
        result = twinslot("provision", "--port", desk.port, "--group", group["id"])
    assert (shown.code, result.code) == (0, 0), result.err
    for said in (shown.out, result.out):
        assert "one app slot (factory runs): it takes bundles and packages over the air, but no firmware" in said
    assert "is online, running 1.25.0" in result.out and "FILE is what `twinslot bundle DIR` makes" in result.out
    assert files_of(flash) == board_files()


OLD_TREE = {"/app_a/app.py": b"def main():\n    print('the old one')\n", "/app_a/lib/x.py": b"", "/app_b/app.py": b""}
KEEP_TREE_A = b"""
import os
from esp32 import NVS
if "app_a" in os.listdir("/"):
    nvs = NVS("twin" + "slot")  # not to look like a main.py that starts the agent
    nvs.set_i32("tree", 1)
    nvs.set_i32("spec_state", 2 | 8 * 2)
    nvs.commit()
print("mine runs")
"""


def test_bundles_of_another_application_go_and_those_of_its_own_stay(twinslot, group, tmp_path) -> None:
    flash = tmp_path / "flash"
    of_another = {"group": "another", "app": "kettle", "key": "00" * 32}
    full = {"/app_a/data/table": bytes(870_000), "/twinslot.json": json.dumps(of_another).encode()}
    with OnTheDesk(flash, files={**OLD_TREE, "/main.py": KEEP_TREE_A, **full}) as desk:
        desk.says("mine runs")
        planned = twinslot("provision", "--port", desk.port, "--group", group["id"], "--dry-run", "--json").document
        assert {"/app_a", "/app_b"} <= set(planned["remove"])
        done = twinslot("provision", "--port", desk.port, "--group", group["id"], "--json")
        assert done.code == 0 and {"/app_a", "/app_b"} <= set(done.document["remove"]), done.err
    with Nor(flash) as nor:
        stored = nvs.Nvs(nor, bootloader.nvs_partition(nor).offset, bootloader.nvs_partition(nor).size)
        for key in ("tree", "spec_state"):
            with pytest.raises(EspError):
                stored.get_i32("twinslot", key)
    with pytest.raises(NoFileSystem):
        lying(flash, "/app_a/app.py")
    own = {**OLD_TREE, "/main.py": KEEP_TREE_A, "/twinslot.json": lying(flash, "/twinslot.json")}
    flash = tmp_path / "again"
    with OnTheDesk(flash, files=own) as desk:
        desk.says("mine runs")
        again = twinslot("provision", "--port", desk.port, "--group", group["id"], "--json")
        assert (again.code, again.document["remove"]) == (0, []), again.err
    assert lying(flash, "/app_a/app.py") == OLD_TREE["/app_a/app.py"]


def test_main_of_the_owner_stays_and_is_told_how_to_start_the_agent(twinslot, group, tmp_path, monkeypatch) -> None:
    bar: list[tuple[int, int]] = []
    monkeypatch.setattr(command, "_bar", contextmanager(lambda: iter([lambda *at: bar.append(at)])))
    flash = tmp_path / "flash"
    mine = b"# runs my kettle\nprint('kettle')\n"
    with OnTheDesk(flash, files={"/main.py": mine}) as desk:
        desk.says("kettle")
        result = twinslot("provision", "--port", desk.port, "--group", group["id"])
        assert result.code == 0, result.err
    assert lying(flash, "/main.py") == mine
    assert bar[0][0] == 0 and bar[-1][0] == bar[-1][1] > 0
    assert "asyncio.run(twinslot.Agent().run())" in result.out and "your main.py" in result.out


def test_power_cut_in_the_middle_is_put_right_by_the_next_run(twinslot, group, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(BoardPort, "silence_s", 8.0)
    flash = tmp_path / "flash"
    with OnTheDesk(flash, files={}, cut_at_op=150, keep_bytes=100) as desk:
        desk.says(PROMPT)
        cut = twinslot("provision", "--port", desk.port, "--group", group["id"])
        assert (cut.code, "Run the command again" in cut.err) == (1, True), cut.err
        done = twinslot("provision", "--port", desk.port, "--group", group["id"], "--json")
        assert (done.code, done.document["online"]) == (0, True), done.err
    assert 0 < len(done.document["write"]) < len(board_files())
    assert files_of(flash) == board_files()


def test_application_that_fails_is_shown_with_a_hint(twinslot, group, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(coming_online, "PATIENCE_S", 6.0)
    files = {**board_files(), "/app.py": b"def main():\n    raise ValueError('no kettle')\n"}
    with OnTheDesk(tmp_path / "flash", files=files) as desk:
        result = twinslot("provision", "--port", desk.port, "--group", group["id"])
    assert result.code == 1
    assert "ValueError: no kettle" in result.err and "fails before it reaches the server" in result.err


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("twinslot: no Wi-Fi", "--wifi"),
        ("twinslot: the server does not accept this board's key: is its group's token still valid?", "group tokens"),
        ("twinslot: connection: (-9984, 'MBEDTLS_ERR_X509_CERT_VERIFY_FAILED')", "--ca"),
        ("twinslot: connection: [Errno 111] ECONNREFUSED", "--host 0.0.0.0"),
        ("ConfigError: /twinslot.json is not JSON; provision the board again", "twinslot provision"),
        ("hello", "Agent().run()"),
    ],
)
def test_hint_follows_from_what_the_board_prints(line, advice) -> None:
    assert advice in coming_online.hint(["I boot: Loaded app", line])


def test_board_that_cannot_run_the_package_is_told_why() -> None:
    entry = "01000000" + "ff" * 20 + "{}" + "9a984347"
    chip = {
        "id": 9,
        "unique_id": "ab",
        "partitions": [{"type": 0, "label": f"ota_{n}", "size": 1} for n in (0, 1)],
        "running": "ota_0",
        "boots": "ota_0",
        "otadata": [entry.format("02000000"), "ff" * 32],
    }
    told = dict.fromkeys(("free_bytes", "block_bytes", "free_heap", "year"), 0)
    told |= {"version": "1.25.0", "mpy": 0x706, "chip": chip, "files": {}, "settings": None, "root": [], "lib": []}
    told |= {"tree": "", "trees": {}, "on_trial": False}
    board = Board.of([], told)
    assert unfit(board, 6) is None
    assert "bytecode of version 6" in (unfit(board, 7) or "")
    assert "too old" in (unfit(dataclasses.replace(board, micropython="1.20.0"), 6) or "")
    assert unfit(dataclasses.replace(board, micropython="1.26.0-preview"), 6) is None
    assert "no ESP32" in (unfit(Board.of([], told | {"chip": None}), 6) or "")
    named = Board.of([], told | {"chip": chip | {"project": "kettle", "version": "v1.2.0"}})
    assert (named.version_of("kettle"), named.version_of("oven")) == ("1.2.0", "1.25.0")
    trying = Board.of([], told | {"chip": chip | {"otadata": [entry.format("01000000"), "ff" * 32]}})
    assert "trying the release in ota_0" in (unfit(trying, 6) or "")
    tried = Board.of([], told | {"tree": "/app_b", "on_trial": True})
    assert "trying the release in /app_b" in (unfit(tried, 6) or "")
    assert plan_of(dataclasses.replace(board, modules=frozenset({"app"})), {}, b"starter").writes == {}


def test_port_that_is_none_or_silent_exits_5(twinslot, group, tmp_path, silent_port, monkeypatch) -> None:
    monkeypatch.setattr(BoardPort, "silence_s", 1.5)
    (tmp_path / "file").touch()
    no_ports = {"/dev/nothing": "there is no port", tmp_path / "file": "no serial port", "/dev/null": "no serial port"}
    for port, said in no_ports.items():
        result = twinslot("provision", "--port", port, "--group", group["id"])
        assert (result.code, said in result.err) == (5, True), result.err
    result = twinslot("provision", "--port", silent_port, "--group", group["id"])
    assert (result.code, "answers as MicroPython does" in result.err) == (5, True), result.err


STUBBORN = b"""
import time
print("busy")
while True:
    try:
        time.sleep(1)
    except KeyboardInterrupt:
        print("no")
"""


def test_program_that_does_not_stop_exits_5_with_the_way_out(twinslot, group, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(BoardPort, "silence_s", 5.0)
    with OnTheDesk(tmp_path / "flash", files={"/main.py": STUBBORN}) as desk:
        desk.says("busy")
        result = twinslot("provision", "--port", desk.port, "--group", group["id"])
    assert (result.code, "reset button" in result.err) == (5, True), result.err


def test_wrong_arguments_are_told_before_the_board_is_touched(
    twinslot, group, tmp_path, silent_port, certified, monkeypatch
) -> None:
    certificate, key = certified
    ask = ("provision", "--port", silent_port, "--group", group["id"])
    (tmp_path / "no.pem").write_text("no certificate")
    (tmp_path / "empty.pem").touch()
    (tmp_path / "both.pem").write_bytes(certificate.read_bytes() + key.read_bytes())
    https = ("--server", "https://localhost:1", "--ca")
    assert twinslot(*ask, "--ca", certificate).code == 2
    assert twinslot(*ask, *https, tmp_path / "missing.pem").code == 3
    assert twinslot(*ask, *https, tmp_path / "no.pem").code == 3
    assert twinslot(*ask, *https, tmp_path / "empty.pem").code == 3
    assert "private key" in twinslot(*ask, *https, tmp_path / "both.pem").err
    assert twinslot(*ask, "--wifi", "x" * 33).code == 2
    assert twinslot(*ask, "--device", "../x").code == 2
    assert twinslot(*ask, "--server", "HTTPS://localhost:1", "--ca", tmp_path / "missing.pem").code == 3
    for server in ("http://kettle.example/ota", "http://[::1]:8080"):
        assert "devices can't reach" in twinslot(*ask, "--server", server).err
    for password in ("seven77", "x" * 65):
        monkeypatch.setenv("TWINSLOT_WIFI_PASSWORD", password)
        assert "no password of a Wi-Fi" in twinslot(*ask, "--wifi", "kitchen").err
    monkeypatch.setenv("TWINSLOT_GROUP_TOKEN", "")
    assert "no group's token" in twinslot(*ask).err
    del os.environ["TWINSLOT_GROUP_TOKEN"]
    refused = twinslot(*ask)
    assert (refused.code, "TWINSLOT_GROUP_TOKEN" in refused.err) == (2, True)


def test_address_that_leads_a_board_to_itself_is_warned_of() -> None:
    for server in ("http://127.0.0.1:8080", "http://localhost"):
        assert "0.0.0.0" in (provisioning.loopback_warning(server, "/dev/ttyUSB0") or "")
        assert provisioning.loopback_warning(server, "/dev/pts/3") is None
    assert provisioning.loopback_warning("http://192.0.2.1", "/dev/ttyUSB0") is None
