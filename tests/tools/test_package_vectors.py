"""`twinslot package upload` against the examples of packages that host, tools and firmware share."""

import json
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = json.loads((Path(__file__).parent.parent / "vectors" / "packages.json").read_text())


def upload(twinslot, folder: Path, paths: list[str], name: str = "vectors", version: str = "1") -> Any:
    """The outcome of the upload of files with these paths in their package."""
    folder.mkdir(exist_ok=True)
    (folder / "any.py").write_bytes(b"")
    (folder / "package.json").write_text(json.dumps({"urls": [[path, "any.py"] for path in paths]}))
    return twinslot("package", "upload", folder, f"--name={name}", f"--version={version}", "--json")


def uploaded(twinslot) -> int:
    total: int = twinslot("package", "list", "--json").document["total"]
    return total


def test_good_names_and_paths_are_uploaded(twinslot, signed_in, tmp_path) -> None:
    before = uploaded(twinslot)
    for name in EXAMPLES["names"]["good"]:
        assert upload(twinslot, tmp_path / "one", ["x.py"], name, name).code == 0
    paths = [case["path"] for case in EXAMPLES["paths"]["good"]]
    made = [upload(twinslot, tmp_path / "one", [path], "paths", str(number)) for number, path in enumerate(paths)]
    assert [each.document["files"][0]["path"] for each in made] == paths
    assert uploaded(twinslot) == before + len(EXAMPLES["names"]["good"]) + len(paths)


def test_bad_names_and_paths_are_not_uploaded_and_the_exit_code_says_so(twinslot, signed_in, tmp_path) -> None:
    before = uploaded(twinslot)
    for case in EXAMPLES["names"]["bad"]:
        for field in ("name", "version"):
            assert upload(twinslot, tmp_path / "one", ["x.py"], **{field: case["name"]}).code in (2, 4), case
    for case in EXAMPLES["paths"]["bad"]:
        assert upload(twinslot, tmp_path / "one", [case["path"]]).code in (3, 4), case
    assert uploaded(twinslot) == before


@pytest.mark.parametrize("case", EXAMPLES["side_by_side"], ids=lambda case: case["why"])
def test_files_that_can_not_lie_side_by_side_are_not_uploaded(twinslot, signed_in, tmp_path, case) -> None:
    name = f"apart-{EXAMPLES['side_by_side'].index(case)}"
    result = upload(twinslot, tmp_path / "one", case["paths"], name)
    assert result.code == (0 if case["taken"] else 4), result.err
