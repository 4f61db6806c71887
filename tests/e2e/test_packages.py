"""Packages on a real board, through Everyware's routes: what it is told to install it has, and tells that it has it."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

from twinslot_sim.vfs import read_file

from ..firmware.web import Web
from ..host.clients import Answer
from ..host.packaging import download, everyware, upload
from .configuring import said
from .conftest import Site
from .heaters import files, flash_of
from .lab import Bench
from .working import connected, outcome

LOGIN = "anna:hunter2"
PASSWORD = "hunter2"
ENCODED = "YW5uYTpodW50ZXIy"  # LOGIN in base64
CUT_AT_OP = 40  # while the second file is written


def offer(web: Web, version: str, elsewhere: Web | None = None) -> str:
    """The address of that version's package.json, with credentials; its second file may lie on another server."""
    urls = []
    for path, content in files(version).items():
        name = path.rpartition("/")[2]
        urls.append([path, name])
        web.files[f"/{version}/{name}"] = content
    web.files[f"/{version}/package.json"] = json.dumps({"version": version, "urls": urls}).encode()
    if elsewhere is not None:
        elsewhere.files["/two.py"] = web.files[f"/{version}/two.py"]
        web.redirects(f"/{version}/two.py", f"{elsewhere.address}/two.py")
    return f"http://{LOGIN}@{web.host}/{version}/package.json"


async def call(site: Site, method: str, path: str, body: object = None) -> Answer:
    """A call that leaves the board running meanwhile."""
    return await asyncio.to_thread(everyware, site.server, method, f"kettle-7/packages{path}", body)


async def listed(site: Site) -> list[tuple[str, str]]:
    """Name and version of the packages, as the board tells them now."""
    answer = await call(site, "GET", "?requireConnected=true&timeout=60000")
    assert (answer.status, "reportedOn" in answer.json) == (200, False), answer.body
    return [(each["name"], each["version"]) for each in answer.json["devicePackage"]]


async def ended(site: Site, bench: Bench, answer: Answer) -> tuple[str, str]:
    """The state and the reason in which the operation that was submitted has ended."""
    assert answer.status == 200, answer.body
    over = await outcome(site, bench, answer.json["operationId"])
    return over["state"], over["reason"]


def all_that_is_told(site: Site) -> str:
    """What the server tells of the device and of what was done to it."""
    paths = ("/devices/kettle-7", "/devices/kettle-7/queue", "/audit")
    return "".join(site.server.api("GET", path).body.decode() for path in paths)


async def test_packages_come_from_the_web_and_from_the_server_and_what_fails_changes_nothing(site: Site) -> None:
    flash = flash_of(site)
    async with Web() as web, Web() as elsewhere:
        uri, newer = offer(web, "1.0", elsewhere), offer(web, "2.0")
        async with Bench(flash) as bench:
            await connected(site, bench)
            made = download(site.server, "kettle-7", uri=uri, version="1.0", reboot=True)
            assert await ended(site, bench, made) == ("succeeded", "")
            await bench.says("heater 1.0 1.0")
            await connected(site, bench)
            assert await listed(site) == [("heater", "1.0")]

            wrong = download(site.server, "kettle-7", uri=newer, version="2.0", fileHash="SHA256:" + "a" * 64)
            assert await ended(site, bench, wrong) == ("failed", "package.json: another SHA-256")
            absent = await call(site, "POST", "/_uninstall", {"name": "lamp", "version": "1"})
            assert await ended(site, bench, absent) == ("failed", "lamp 1 is not installed")
            assert await listed(site) == [("heater", "1.0")]

            assert upload(site.server, {"lamp.py": b"lit = True\n"}, "lamp", "1").status == 201
            own = download(site.server, "kettle-7", uri="package:lamp", name="lamp", version="1")
            assert await ended(site, bench, own) == ("succeeded", "")
            assert await listed(site) == [("heater", "1.0"), ("lamp", "1")]
        told = all_that_is_told(site)
    assert {login for _, login in web.logins} == {LOGIN}
    assert len(web.logins) == len(web.asked)
    assert (elsewhere.got(), elsewhere.logins) == (["/two.py"], [])
    assert f"http://***@{web.host}/1.0/package.json" in told
    log = site.server.stop()
    for place in (told, bench.log, log, site.server.printed):
        assert not re.search(f"{PASSWORD}|{ENCODED}", place), place
    index: dict[str, Any] = json.loads(read_file(flash, "/packages/index.json"))
    assert {name: entry["version"] for name, entry in index.items()} == {"heater": "1.0", "lamp": "1"}
    assert read_file(flash, "/packages/lamp/1/lamp.py") == b"lit = True\n"


async def test_cut_in_the_middle_of_an_upgrade_ends_with_the_new_version_in_use(site: Site) -> None:
    flash = flash_of(site, "1.0")
    async with Web() as web, Bench(flash, cut_at_op=CUT_AT_OP, keep_bytes=17) as bench:
        await connected(site, bench)
        made = download(site.server, "kettle-7", uri=offer(web, "2.0"), version="2.0", reboot=True)
        assert await ended(site, bench, made) == ("succeeded", "")
        await bench.says("heater 2.0 2.0")
        await connected(site, bench)
        assert await listed(site) == [("heater", "2.0")]
    assert said(bench, "heater", "no heater") == ["heater 1.0 1.0", "heater 1.0 1.0", "heater 2.0 2.0"]
    assert (bench.board.boots, web.got("/two.py")) == (3, ["/2.0/two.py"] * 2)
    assert {login for _, login in web.logins} == {LOGIN}
    assert PASSWORD not in bench.log
    for path, content in files("2.0").items():
        assert read_file(flash, f"/packages/heater/2.0/{path}") == content
