"""`docs/application.md`: its code is that of the examples, which `tests/e2e/test_examples.py` runs."""

import pytest

from .pages import DOCS, FENCED

ROOT = DOCS.parent
CODE = [block[2] for block in FENCED.finditer((DOCS / "application.md").read_text()) if block[1] == "python"]
SHOWN = [path.read_text() for path in (ROOT / "boot" / "starter" / "app.py", *ROOT.glob("examples/**/*.py"))]


@pytest.mark.parametrize("code", CODE, ids=lambda code: code.strip().partition("\n")[0])
def test_block_is_part_of_an_example_or_a_manifest(code: str) -> None:
    assert any(code in each for each in SHOWN) or code.startswith("include(")


@pytest.mark.parametrize("name", sorted(path.parent.name for path in ROOT.glob("examples/*/app*")))
def test_page_leads_to_each_example(name: str) -> None:
    assert f"`examples/{name}`" in (DOCS / "application.md").read_text()
