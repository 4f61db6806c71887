"""`docs/security.md`: each attack of the lists that it goes by is there, and each test that it names."""

import ast
import re

import pytest

from .pages import DOCS

PAGE = (DOCS / "security.md").read_text()
NAMED = sorted(set(re.findall(r"`(test_\w+)`", PAGE)))
TESTS = {
    node.name
    for path in (DOCS.parent / "tests").rglob("test_*.py")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
}
# theupdateframework/specification, tuf-spec.md 1.0.30, "Goals to protect against specific attacks"
TUF = """arbitrary installation, endless data, extraneous dependencies, fast-forward, indefinite freeze,
malicious mirrors, mix-and-match, rollback, vulnerability to key compromise, wrong software"""
# uptane.github.io, "Enhanced Security Measures"; Uptane Standard, "Description of threats"
UPTANE = """eavesdrop, drop-request, slow retrieval, freeze, partial bundle installation, rollback, endless data,
mixed bundles, mix-and-match, arbitrary software"""
# RFC 9124, 4.2.1 to 4.2.18
RFC = """IMG.EXPIRED, IMG.EXPIRED.OFFLINE, IMG.INCOMPATIBLE, IMG.FORMAT, IMG.LOCATION, NET.REDIRECT, NET.ONPATH,
IMG.REPLACE, IMG.NON_AUTH, UPD.WRONG_PRECURSOR, UPD.UNAPPROVED, IMG.DISCLOSURE, MFST.OVERRIDE, MFST.EXPOSURE, IMG.EXTRA,
KEY.EXPOSURE, MFST.MODIFICATION, MFST.TOCTOU"""


@pytest.mark.parametrize("name", NAMED)
def test_test_that_is_named_is_there(name: str) -> None:
    assert name in TESTS


@pytest.mark.parametrize(("section", "attacks"), [("The Update Framework", TUF), ("Uptane", UPTANE), ("RFC 9124", RFC)])
def test_each_attack_of_the_list_has_a_row_with_a_test(section: str, attacks: str) -> None:
    part = PAGE.split(f"\n## {section}")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| .+ \| `test_\w+`.* \|$", part, re.MULTILINE)
    assert [attack for row in rows for attack in row.split(", ")] == re.split(r",\s", attacks)
