"""The examples of packages that host, tools and firmware share."""

import hashlib
import json
from pathlib import Path

import pytest

from .packaging import download, form, post, stored, upload
from .scene import Part

EXAMPLES = json.loads((Path(__file__).parent.parent / "vectors" / "packages.json").read_text())
NAMES, PATHS, HASHES, PACKAGE = (EXAMPLES[each] for each in ("names", "paths", "hashes", "package"))


@pytest.mark.parametrize("field", ["name", "version"])
def test_good_names_are_taken_and_bad_ones_refused_by_their_field(server, board, field):
    for number, name in enumerate(NAMES["good"]):
        about = {"name": "versions", "version": str(number), field: name}
        assert post(server, form({"x.py": b""}, **about)).status == 201, name
        assert download(server, **{field: name}).status == 200, name
        told = board.work()
        assert (told[field], board.tell(told).status) == (name, 200)
    for case in NAMES["bad"]:
        refused = post(server, form({"x.py": b""}, **{"name": "refused", "version": "1", field: case["name"]}))
        assert (refused.status, refused.detail.startswith(f"{field}: ")) == (400, True), case
        assert download(server, **{field: case["name"]}).status == 400, case
    assert server.api("GET", "/packages").json["total"] == len(NAMES["good"])


def test_good_paths_are_taken_and_bad_ones_refused(server):
    for number, case in enumerate(PATHS["good"]):
        answer = upload(server, {case["path"]: b""}, version=str(number))
        assert (answer.status, [each["path"] for each in answer.json["files"]]) == (201, [case["path"]])
    for case in PATHS["bad"]:
        answer = post(server, [*form({"x.py": b"kept for a moment"}, "refused"), Part("file", b"new", case["path"])])
        assert answer.status == 400, case
    assert stored(server) == {hashlib.sha256(b"").hexdigest()}
    assert server.api("GET", "/packages").json["total"] == len(PATHS["good"])


@pytest.mark.parametrize("case", EXAMPLES["side_by_side"], ids=lambda case: case["why"])
def test_files_that_can_not_lie_side_by_side_are_refused(shared, case):
    version = str(EXAMPLES["side_by_side"].index(case))
    answer = upload(shared, dict.fromkeys(case["paths"], b""), "apart", version)
    assert (answer.status, b"side by side" in answer.body) == ((201, False) if case["taken"] else (400, True))


def test_hash_is_told_to_the_device_in_one_form_and_another_is_refused(server, board):
    for case in HASHES["good"]:
        assert download(server, fileHash=case["given"]).status == 200
        told = board.work()
        assert told["sha256"] == case["told"]
        assert board.tell(told).status == 200
    for case in HASHES["bad"]:
        assert download(server, fileHash=case["given"]).status == 400, case
    assert board.work() is None


def test_package_json_is_the_one_of_the_example(server, board):
    files = {path: bytes.fromhex(content) for path, content in PACKAGE["files"].items()}
    assert upload(server, files, PACKAGE["name"], PACKAGE["version"]).status == 201
    assert download(server, uri=f"package:{PACKAGE['name']}", version=PACKAGE["version"]).status == 200
    made = server.request("GET", board.work()["uri"]).json
    made["urls"] = [[path, address.partition("?")[0]] for path, address in made["urls"]]
    assert made == PACKAGE["package_json"]
