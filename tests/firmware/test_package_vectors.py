"""The device package against the examples of packages that host, tools and firmware share."""

import json
from pathlib import Path

import pytest

from twinslot.errors import PackageError
from twinslot.mip import Plan, checked_name, checked_path, module

from .test_mip import files, plan_of

EXAMPLES = json.loads((Path(__file__).parent.parent / "vectors" / "packages.json").read_text())
URI = "/device/v1/packages/7?expires=1&key=2"


@pytest.mark.parametrize("name", EXAMPLES["names"]["good"])
def test_good_name_is_taken(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize("case", EXAMPLES["names"]["bad"], ids=lambda case: case["why"])
def test_bad_name_is_refused(case: dict[str, str]) -> None:
    with pytest.raises(PackageError):
        checked_name(case["name"])


@pytest.mark.parametrize("case", EXAMPLES["paths"]["good"], ids=lambda case: case["path"])
def test_good_path_is_taken_and_belongs_to_its_module(case: dict[str, str]) -> None:
    assert (checked_path(case["path"]), module(case["path"])) == (case["path"], case["module"])


@pytest.mark.parametrize("case", EXAMPLES["paths"]["bad"], ids=lambda case: case["why"])
def test_bad_path_is_refused(case: dict[str, str]) -> None:
    with pytest.raises(PackageError):
        checked_path(case["path"])


@pytest.mark.parametrize("case", EXAMPLES["side_by_side"], ids=lambda case: case["why"])
def test_files_that_can_not_lie_side_by_side_are_refused(case: dict[str, object]) -> None:
    urls = [[path, f"/{number}"] for number, path in enumerate(case["paths"])]
    if case["taken"]:
        assert set(files(plan_of(URI, packages={"urls": urls}))) == set(case["paths"])
        return
    with pytest.raises(PackageError):
        plan_of(URI, packages={"urls": urls})


def test_package_json_of_the_server_is_read_as_the_package_that_it_is_of() -> None:
    package = EXAMPLES["package"]
    told = package["package_json"]
    plan = plan_of(URI, packages=told)
    assert files(plan) == {path: (address, told["sha256"][path]) for path, address in told["urls"]}
    assert (set(files(plan)), plan.modules()) == (set(package["files"]), package["modules"])


@pytest.mark.parametrize("case", EXAMPLES["hashes"]["good"], ids=lambda case: case["given"][7])
def test_hash_that_the_server_tells_is_taken(case: dict[str, str]) -> None:
    assert files(Plan("http://h/x.py", case["told"])) == {"x.py": ("http://h/x.py", case["told"])}
