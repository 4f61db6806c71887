"""Packages of every form, good and bad, from real servers onto LittleFS, with the real installer on MicroPython."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from twinslot_sim import micropython

from .web import Web, answer, order

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("prove_packages.py")
OLD = {"kind": "install", "uri": "/old/heater.py", "name": "heater", "version": "0.9"}


@pytest_asyncio.fixture
async def web() -> AsyncIterator[Web]:
    async with Web() as server:
        server.files["/old/heater.py"] = b"old"
        yield server


async def do(web: Web, *orders: dict[str, Any], blocks: int = 40) -> list[dict[str, Any]]:
    """What a board, whose server `web` is, made of each order."""
    given = json.dumps({"server": web.address, "blocks": blocks, "orders": orders})
    command = [*micropython.find(), "-X", "heapsize=8m", str(SCRIPT), str(ROOT / "firmware")]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT)
    out, _ = await process.communicate(given.encode())
    assert process.returncode == 0, out.decode()
    results: list[dict[str, Any]] = json.loads(out.splitlines()[-1])
    assert [each["left_over"] for each in results] == [[]] * len(orders)
    return results


def hexed(**files: bytes) -> dict[str, str]:
    return {path.replace("__", "/").replace("_", "."): content.hex() for path, content in files.items()}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def refused(web: Web, wanted: dict[str, Any], **flash: Any) -> str:
    """Why the order fails, on a board with an old version of that package, which is left as it was."""
    before, after, again = await do(web, OLD, wanted, OLD, **flash)
    assert (before["reason"], again["reason"]) == ("", "")
    assert (after["named"], after["free"]) == (before["named"], before["free"])
    assert after["named"]["heater"] == ["0.9", hexed(heater_py=b"old")]
    reason: str = after["reason"]
    return reason


async def test_package_of_files_folders_and_dependencies_lies_in_one_folder(web: Web) -> None:
    async with Web() as other:
        document = {
            "urls": [["heater/__init__.py", "src/init.py"], ["heater/a.mpy", "/far/a.mpy"], ["table.bin", "table.bin"]],
            "deps": [[other.address + "/cells/", "1"], [other.address + "/single.py", ""]],
            "version": "1.0",
            "unknown": {"is": "ignored"},
        }
        web.files |= {"/x/package.json": json.dumps(document).encode(), "/x/src/init.py": b"init", "/far/a.mpy": b"a"}
        web.files["/x/table.bin"] = bytes(range(256)) * 30
        other.files["/cells/package.json"] = json.dumps({"urls": [["cells.py", "cells.py"]]}).encode()
        other.files |= {"/cells/cells.py": b"cells", "/single.py": b"single"}
        (done,) = await do(web, order(web.address + "/x"))
    assert done["reason"] == ""
    files = {"heater/__init__.py": b"init", "heater/a.mpy": b"a", "cells.py": b"cells", "single.py": b"single"}
    files["table.bin"] = web.files["/x/table.bin"]
    assert done["named"] == {"heater": ["1.0", {path: content.hex() for path, content in files.items()}]}
    assert done["inventory"] == [{"name": "heater", "version": "1.0", "modules": ["cells", "heater", "single"]}]
    assert done["path"] == ["/packages/heater/1.0"]
    assert (done["shown"][-1], sorted(done["shown"])) == (100, done["shown"])


async def test_package_of_an_index_comes_by_its_hashes_with_what_it_depends_on(web: Web) -> None:
    one, two = b"import two", b"two"
    for content in (one, two):
        web.files[f"/pi/v2/file/{sha256(content)[:2]}/{sha256(content)[:8]}"] = content
    package = {"hashes": [["one.mpy", sha256(one)[:8]]], "deps": [["two", "latest"]], "version": "3"}
    web.files["/pi/v2/package/6/one/latest.json"] = json.dumps(package).encode()
    again = {"hashes": [["two.mpy", sha256(two)[:8]]], "deps": [["one", ""]]}  # a circle
    web.files["/pi/v2/package/6/two/latest.json"] = json.dumps(again).encode()
    (done,) = await do(web, order(web.address + "/pi/v2/package/6/one/latest.json", "one", "3"))
    assert (done["reason"], done["named"]) == ("", {"one": ["3", hexed(one_mpy=one, two_mpy=two)]})


@pytest.mark.parametrize("name", ["heater.py", "heater.mpy"])
async def test_single_file_with_its_hash_is_a_package(name: str, web: Web) -> None:
    web.files[f"/x/{name}"] = b"heat"
    bad, good = await do(web, *(order(f"/x/{name}?key=1#part", sha256=digest) for digest in (sha256(b""), "")))
    assert "404" in bad["reason"]
    assert "404" in good["reason"]
    web.files[f"/x/{name}?key=1"] = b"heat"
    bad, good = await do(web, *(order(f"/x/{name}?key=1", sha256=sha256(c)) for c in (b"cold", b"heat")))
    assert (bad["reason"], bad["named"]) == (f"{name}: another SHA-256", {})
    assert (good["reason"], good["named"]) == ("", {"heater": ["1.0", {name: b"heat".hex()}]})
    assert good["inventory"][0]["modules"] == ["heater"]


async def test_package_json_with_another_hash_than_the_order_s_is_not_read(web: Web) -> None:
    web.files |= {"/x/package.json": b'{"urls": [["a.py", "a.py"]]}', "/x/a.py": b"a"}
    assert await refused(web, order("/x", sha256=sha256(b"{}"))) == "package.json: the server answered 404"
    assert await refused(web, order(web.address + "/x", sha256=sha256(b"{}"))) == "package.json: another SHA-256"
    (done,) = await do(web, order(web.address + "/x", sha256=sha256(web.files["/x/package.json"])))
    assert (done["reason"], done["named"]) == ("", {"heater": ["1.0", hexed(a_py=b"a")]})


async def test_server_s_own_package_with_all_hashes_is_not_fetched_twice(web: Web) -> None:
    link = "/device/v1/transfers/aa?expires=1&key=bb"
    document = {"urls": [["heater.py", link]], "sha256": {"heater.py": sha256(b"heat")}, "version": "1.0"}
    uri = "/device/v1/packages/7?expires=1&key=cc"
    web.files |= {uri: json.dumps(document).encode(), link: b"heat"}
    first, second = await do(web, order(uri), order(uri))
    assert (first["reason"], second["reason"]) == ("", "")
    assert second["named"] == {"heater": ["1.0", hexed(heater_py=b"heat")]}
    assert web.got(link) == [link]


async def test_same_version_with_other_files_takes_the_old_one_s_place(web: Web) -> None:
    web.files["/a/heater.py"] = b"new"
    first, second, third = await do(web, OLD, {**OLD, "uri": "/a/heater.py"}, OLD)
    assert [each["path"] for each in (first, second, third)] == [
        ["/packages/heater/0.9"],
        ["/packages/heater/0.9~"],
        ["/packages/heater/0.9"],
    ]
    assert second["named"] == {"heater": ["0.9", hexed(heater_py=b"new")]}
    assert third["free"] == first["free"]


async def test_download_only_leaves_what_is_installed_until_it_is_installed_itself(web: Web) -> None:
    document = {"urls": [["heater.py", "heater.py"]], "sha256": {"heater.py": sha256(b"new")}}
    web.files |= {"/n/package.json": json.dumps(document).encode(), "/n/heater.py": b"new"}
    uri = web.address + "/n/package.json"
    old, staged, installed = await do(web, OLD, order(uri, install=False), order(uri))
    assert staged["named"]["heater"] == old["named"]["heater"]
    assert staged["named"]["heater~"] == ["1.0", hexed(heater_py=b"new")]
    assert (staged["path"], staged["digest"], staged["inventory"]) == (old["path"], old["digest"], old["inventory"])
    assert installed["named"] == {"heater": ["1.0", hexed(heater_py=b"new")]}
    assert installed["digest"] != old["digest"]
    assert web.got("/n/heater.py") == ["/n/heater.py"]


async def test_downloaded_package_that_is_damaged_is_fetched_again(web: Web) -> None:
    document = {"urls": [["heater.py", "heater.py"]], "sha256": {"heater.py": sha256(b"new")}}
    web.files |= {"/n/package.json": json.dumps(document).encode(), "/n/heater.py": b"new"}
    damage = {"kind": "write", "path": "/packages/heater/1.0/heater.py", "text": "old"}
    *_, done = await do(web, order("/n/package.json", install=False), damage, order("/n/package.json"))
    assert (done["reason"], done["named"]) == ("", {"heater": ["1.0", hexed(heater_py=b"new")]})


async def test_downloaded_package_without_hashes_or_with_others_is_fetched_again(web: Web) -> None:
    web.files |= {"/n/heater.py": b"new", "/m/heater.py": b"newer"}
    staged, other, none = await do(
        web, order("/n/heater.py", install=False), order("/m/heater.py", install=False), order("/n/heater.py")
    )
    assert staged["named"] == {"heater~": ["1.0", hexed(heater_py=b"new")]}
    assert other["named"] == {"heater~": ["1.0", hexed(heater_py=b"newer")]}
    assert none["named"] == {"heater": ["1.0", hexed(heater_py=b"new")]}


async def test_uninstall_removes_all_and_says_what_is_not_installed(web: Web) -> None:
    def gone(name: str, version: str, **fields: Any) -> dict[str, Any]:
        return {"kind": "uninstall", "name": name, "version": version, **fields}

    empty, _, other, done, again, lost, last = await do(
        web,
        gone("heater", "1"),
        OLD,
        gone("heater", "1"),
        gone("heater", "0.9"),
        gone("heater", "0.9"),
        gone("heater", "0.9", again=True),
        OLD,
    )
    assert empty["reason"] == "heater 1 is not installed"
    assert other["reason"] == "heater 1 is not installed: 0.9 is"
    assert (done["reason"], done["named"], done["path"], done["inventory"]) == ("", {}, [], [])
    assert again["reason"] == "heater 0.9 is not installed"
    assert (lost["reason"], last["reason"]) == ("", "")


HOSTILE: list[tuple[object, str]] = [
    ({"urls": [["../boot.py", "x"]]}, "no path for a file: '../boot.py'"),
    ({"urls": [["a/../../boot.py", "x"]]}, "no path for a file"),
    ({"urls": [["/boot.py", "x"]]}, "no path for a file"),
    ({"urls": [["", "x"]]}, "no path for a file"),
    ({"urls": [["a//b.py", "x"]]}, "no path for a file"),
    ({"urls": [["./a.py", "x"]]}, "no path for a file"),
    ({"urls": [["a\\b.py", "x"]]}, "no path for a file"),
    ({"urls": [["a\u0000.py", "x"]]}, "no path for a file"),
    ({"urls": [["ä.py", "x"]]}, "no path for a file"),
    ({"urls": [["a" * 129, "x"]]}, "no path for a file"),
    ({"urls": [["a/" * 8 + "b.py", "x"]]}, "no path for a file"),
    ({"urls": [["twinslot/hw.py", "x"]]}, "no package may bring twinslot/hw.py"),
    ({"urls": [["boot.py", "x"]]}, "no package may bring boot.py"),
    ({"urls": [["main.mpy", "x"]]}, "no package may bring main.mpy"),
    ({"urls": [["App.py", "x"]]}, "no package may bring App.py"),
    ({"urls": [["a.py", "x"], ["a.py", "y"]]}, "two files called a.py"),
    ({"urls": [["a.py", "x"], ["A.py", "x"]]}, "two files called A.py"),
    ({"urls": [["a", "x"], ["a/b.py", "y"]]}, "both a file and a folder: a"),
    ({"urls": [[f"a{n}.py", "x"] for n in range(65)]}, "more than 64 files"),
    ({"urls": [["a.py"]]}, "urls must be pairs"),
    ({"urls": [["a.py", 5]]}, "urls must be pairs"),
    ({"urls": [[None, "x"]]}, "urls must be pairs"),
    ({"urls": {"a.py": "x"}}, "urls must be pairs"),
    ({"urls": "a.py"}, "urls must be pairs"),
    ({"urls": None}, "urls must be pairs"),
    ({"urls": [["a.py", "github:only"]]}, "an address without a repository"),
    ({"urls": [["a.py", "http://"]]}, "not http:// or https://"),
    ({"urls": [["a.py", "http://h:x/"]]}, "not http:// or https://"),
    ({"urls": [["a.py", "x\r\nHost: elsewhere"]]}, "characters that it can't have"),
    ({"urls": [["a.py", "x y"]]}, "characters that it can't have"),
    ({"urls": [["a.py", "missing.py"]]}, "a.py: the server answered 404"),
    ({"hashes": [["a.py", "01234567"]]}, "no index that has them"),
    ({"deps": [["umqtt", "latest"]]}, "depends on umqtt"),
    ({"deps": [["umqtt"]]}, "deps must be pairs"),
    ({"urls": [["a.py", "x"]], "sha256": ["a.py"]}, "not a package"),
    ({"urls": [["a.py", "x"]], "sha256": {"a.py": "xyz"}}, "no SHA-256"),
    ({"urls": [["a.py", "x"]], "sha256": {"a.py": 5}}, "no SHA-256"),
    ({"urls": [["a.py", "x"]], "sha256": {"a.py": "0" * 64}}, "a.py: another SHA-256"),
    ({"sha256": {"a.py": "0" * 64}, "urls": [["a.py", "x"]]}, "a.py: another SHA-256"),
    ({"urls": [["a.py", "x"]], "sha256": {"A.py": "0" * 64}}, "two files called A.py"),
    ({"sha256": {f"a{n}.py": "0" * 64 for n in range(65)}}, "more than 64 files"),
    ({"sha256": {"../boot.py": "0" * 64}}, "no path for a file"),
    (b'{"sha256": {1: "00000000"}}', "not "),
    ({"urls": [["a.py", "x" * 2048]]}, "an entry of more than 2048 bytes"),
    (b'{"urls": [["a.py", "x"]}', "not JSON"),
    (b'{"urls": [["a.py", "x"]]]', "not JSON"),
    ({}, "a package without files"),
    ([], "not a package"),
    (5, "not a package"),
    (b"{", "not JSON"),
    (b"", "not JSON"),
    (b"\xff\xfe", "not a package"),
    (b" " * 40000, "40000 bytes"),
    (b"[" * 20000, ""),
]


async def test_bad_packages_fail_with_their_reason_and_leave_the_old_one_as_it_was(web: Web) -> None:
    orders = []
    for number, (document, _) in enumerate(HOSTILE):
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        web.files |= {f"/{number}/package.json": data, f"/{number}/x": b"x", f"/{number}/y": b"y"}
        orders.append(order(f"/{number}/package.json"))
    first, *all_done = await do(web, OLD, *orders)
    for (document, reason), done in zip(HOSTILE, all_done, strict=True):
        assert reason in done["reason"], (document, done["reason"])
        assert done["reason"], document
        assert (done["named"], done["free"]) == (first["named"], first["free"]), document


async def test_package_json_of_many_small_parts_takes_no_more_collections_than_pieces(web: Web) -> None:
    document = {"description": "x" * 4096, "x": [1] * 9000, "urls": [["a.py", "a.py"]]}
    web.files |= {"/x/package.json": json.dumps(document).encode(), "/x/a.py": b"a"}
    pieces = len(web.files["/x/package.json"]) // 512
    (done,) = await do(web, order("/x/package.json"))
    assert (done["reason"], done["named"]) == ("", {"heater": ["1.0", hexed(a_py=b"a")]})
    assert done["collections"] < 2 * pieces


async def test_endless_dependencies_end(web: Web) -> None:
    for number in range(40):
        deps = [[f"{web.address}/{number + 1}/package.json", ""]]
        web.files[f"/{number}/package.json"] = json.dumps({"deps": deps}).encode()
    assert await refused(web, order("/0/package.json")) == "made of more than 16 packages"
    assert len(web.got("/package.json")) == 16


@pytest.mark.parametrize(
    ("name", "version"), [("../x", "1"), ("a/b", "1"), ("", "1"), (".a", "1"), ("a", "~"), ("a~", "1"), ("a", "b" * 65)]
)
async def test_name_that_is_none_reaches_no_path(name: str, version: str, web: Web) -> None:
    assert "no package's name" in await refused(web, order("/old/heater.py", name, version))


async def test_name_of_the_index_is_not_a_package_s(web: Web) -> None:
    assert "no package's name" in await refused(web, order("/old/heater.py", "index.json"))


async def test_servers_that_lie_about_lengths_are_found_out(web: Web) -> None:
    files = {"/long.py": b"x" * 9000, "/short.py": b"x"}
    web.files |= files
    web.raw["HEAD", "/long.py"] = answer(b"", 10)
    web.raw["GET", "/short.py"] = answer(b"x", 5000)
    web.raw["HEAD", "/short.py"] = answer(b"", 5000)
    web.raw["GET", "/none.py"] = web.raw["HEAD", "/none.py"] = b"HTTP/1.1 200 OK\r\n\r\nx"
    web.raw["GET", "/noise.py"] = web.raw["HEAD", "/noise.py"] = b"SSH-2.0-OpenSSH\r\n\r\n"
    web.raw["GET", "/minus.py"] = web.raw["HEAD", "/minus.py"] = answer(b"x", -5)
    assert await refused(web, order("/long.py")) == "long.py: 9000 bytes instead of 10"
    assert await refused(web, order("/short.py")) == "the connection ended in the middle of an answer"
    assert await refused(web, order("/none.py")) == "an answer without a length"
    assert await refused(web, order("/noise.py")) == "what answered does not speak HTTP"
    assert await refused(web, order("/minus.py")) == "an answer without a length"


async def test_server_that_knows_no_head_is_asked_with_get(web: Web) -> None:
    web.files["/a.py"] = b"a"
    web.raw["HEAD", "/a.py"] = answer(b"", status="405 Method Not Allowed")
    (done,) = await do(web, order("/a.py"))
    assert (done["reason"], done["named"]) == ("", {"heater": ["1.0", hexed(a_py=b"a")]})


async def test_redirects_are_followed_three_times_and_a_loop_ends(web: Web) -> None:
    web.redirects("/loop.py", "/loop.py")
    web.redirects("/0/a.py", "/1/a.py", 301)
    web.redirects("/1/a.py", web.address + "/2/a.py", 303)
    web.redirects("/2/a.py", f"//{web.host}/3/a.py", 307)
    web.redirects("/3/a.py", "b.py", 308)
    web.files["/3/b.py"] = b"a"
    assert await refused(web, order("/loop.py")) == "more than 3 redirects"
    assert await refused(web, order("/0/a.py")) == "more than 3 redirects"
    (done,) = await do(web, order("/1/a.py"))
    assert (done["reason"], done["named"]) == ("", {"heater": ["1.0", hexed(a_py=b"a")]})


async def test_user_name_and_password_go_to_their_origin_alone_and_into_no_message(web: Web) -> None:
    async with Web() as other:
        document = {
            "urls": [["a.py", "a.py"], ["b.py", other.address + "/b.py"], ["c.py", web.address + "/c.py"]],
            "deps": [[web.address + "/gone.py", ""]],
        }
        web.files |= {"/x/package.json": json.dumps(document).encode(), "/x/a.py": b"a", "/c.py": b"c"}
        web.redirects("/gone.py", other.address + "/d.py")
        other.files |= {"/b.py": b"b", "/d.py": b"d"}
        uri = f"http://us%3Aer:p%40ss@{web.host}/x/package.json"
        done, wrong = await do(web, order(uri), order(uri.replace("/x/", "/y/"), "other"))
    assert (done["reason"], wrong["reason"]) == ("", "package.json: the server answered 404")
    assert done["named"]["heater"][1] == hexed(a_py=b"a", b_py=b"b", c_py=b"c", gone_py=b"d")
    assert (set(other.got()), other.logins) == ({"/b.py", "/d.py"}, [])
    assert {login for _, login in web.logins} == {"us:er:p@ss"}
    assert {path for path, _ in web.logins} == {path for _, path in web.asked}
    assert "p@ss" not in json.dumps([done, wrong])
    assert "p%40ss" not in json.dumps([done, wrong])


async def test_too_large_a_package_is_said_before_anything_is_written(web: Web) -> None:
    web.files["/large.py"] = b"x" * 40_000
    before, after = await do(web, OLD, order("/large.py"), blocks=20)
    assert after["reason"] == "needs 65536 bytes, {} are free".format(before["free"] * 4096)
    assert after["operations"] == 0
    assert web.got("/large.py") == []


async def test_package_that_just_fits_is_installed_and_one_block_more_is_refused(web: Web) -> None:
    """What is said to be needed is what it takes: with no more room than that, nothing runs full."""
    web.files |= {f"/{n}/package.json": b"" for n in range(2)}
    for extra in (0, 1):
        sizes = [100, 4088, 4089, 9000, 0, 3000 + 4088 * extra]
        urls = [[f"f{size}/g/{size}.py", f"{size}.bin"] for size in sizes]
        web.files |= {f"/{extra}/{size}.bin": b"\x5a" * size for size in sizes}
        web.files[f"/{extra}/package.json"] = json.dumps({"urls": urls}).encode()
    blocks = 2
    for blocks in range(40, 70):
        ok, _ = await do(web, order("/0/package.json", "a"), OLD, blocks=blocks)
        if not ok["reason"]:
            break
        assert ok["reason"].startswith("needs "), ok["reason"]
    assert ok["reason"] == "", blocks
    (more,) = await do(web, order("/1/package.json", "a"), blocks=blocks)
    assert more["reason"].startswith("needs ")


async def test_file_system_that_runs_full_all_the_same_is_left_as_it_was(web: Web) -> None:
    web.files["/large.py"] = b"x" * 100_000
    assert "28" in await refused(web, order("/large.py", blind=True), blocks=24)


async def test_flash_that_loses_what_was_written_is_noticed(web: Web) -> None:
    web.files["/bad.py"] = b"x" * 5000 + b"LOSE THIS" + b"y" * 5000
    assert await refused(web, order("/bad.py", spoils="LOSE THIS")) == "flash did not keep heater/1.0/bad.py"


async def test_flash_that_loses_the_new_index_is_noticed_before_the_old_one_is_replaced(web: Web) -> None:
    web.files["/a.py"] = b"a"
    assert await refused(web, order("/a.py", "a" * 64, spoils='"version"')) == "flash did not keep the index"


async def test_install_that_is_stopped_leaves_the_old_one(web: Web) -> None:
    document = {"urls": [[f"{n}.py", "x"] for n in range(4)]}
    web.files |= {"/x/package.json": json.dumps(document).encode(), "/x/x": b"x"}
    assert await refused(web, order("/x/package.json", stop=3)) == "cancelled"


async def test_unreadable_index_is_no_package_and_the_next_operation_starts_anew(web: Web) -> None:
    for text in ("{", "[]", '{"a": 5}', '{"a": {"version": "1", "folder": 5, "modules": []}}', "5"):
        spoil = {"kind": "write", "path": "/packages/index.json", "text": text}
        _, spoiled, after = await do(web, OLD, spoil, OLD)
        assert (spoiled["path"], spoiled["inventory"]) == ([], [])
        assert (after["reason"], after["named"]) == ("", {"heater": ["0.9", hexed(heater_py=b"old")]})


async def test_index_does_not_grow_without_end(web: Web) -> None:
    names = [f"{number:02}".ljust(64, "x") for number in range(16)]
    done = await do(web, *(order("/old/heater.py", name, "1" * 64) for name in names), blocks=120)
    reasons = [each["reason"] for each in done]
    full = reasons.index("the index would have more than 4096 bytes: uninstall something")
    assert full > 10
    assert len(json.dumps({"digest": "0" * 16, "packages": done[-1]["inventory"]})) < 4200
    assert len(done[-1]["inventory"]) == full
