"""`docs/power-loss.md`: what it has from the code is up to date, and no durable write is left out."""

import re
from collections import Counter
from pathlib import Path

import pytest

import make_power_loss

from .pages import DOCS
from .test_docs_security import TESTS

PAGE = (DOCS / "power-loss.md").read_text(encoding="utf-8")
WRITES = [write for path in make_power_loss.DEVICE for write in make_power_loss.writes(path)]
FOUR_WRITES = """
import os
from esp32 import NVS, Partition
class Thing:
    def change(self):
        # CUT: the old one
        # or the new one.
        with open("/thing", "wb") as file:
            file.write(b"")
        if self.done:
            os.rename("/thing", "/other")
def confirm():
    keep("key", 1)
    with open("/thing") as file:
        # CUT: as it was.
        return Partition.mark_app_valid_cancel_rollback()
"""


def test_page_is_what_the_code_says() -> None:
    assert make_power_loss.page(PAGE) == PAGE, "run `make docs`"


@pytest.mark.parametrize("write", WRITES, ids=lambda write: f"{write.where} {write.number}")
def test_durable_write_says_what_boots_after_a_cut(write: make_power_loss.Write) -> None:
    assert write.cut, f"{write.where} needs a `# CUT:` comment"


def test_each_durable_write_of_the_device_is_on_the_page_once() -> None:
    on_page = Counter((where, int(number or 1)) for _, where, number in make_power_loss.ON_PAGE.findall(PAGE))
    bootloaders = {each for each in on_page if each[0].startswith("bootloader.")}
    assert {where: n for where, n in on_page.items() if where not in bootloaders} == {
        (write.where, write.number): 1 for write in WRITES
    }


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(test_\w+)`", PAGE))))
def test_test_that_is_named_is_there(name: str) -> None:
    assert name in TESTS


def test_write_without_a_comment_is_found(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(FOUR_WRITES)
    assert make_power_loss.writes(tmp_path / "module.py") == [
        make_power_loss.Write("module.Thing.change", 1, "the old one or the new one."),
        make_power_loss.Write("module.Thing.change", 2, ""),
        make_power_loss.Write("module.confirm", 1, ""),
        make_power_loss.Write("module.confirm", 2, "as it was."),
    ]


def test_comment_without_a_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("# CUT: the old one.\nnothing = 1\n")
    with pytest.raises(ValueError, match=r"module\.py: no durable write follows the comment in line 1"):
        make_power_loss.writes(tmp_path / "module.py")


def test_values_that_lead_to_the_same_share_a_row_and_what_does_not_matter_is_empty() -> None:
    choices = [("a", {"1": 1, "2": 2, "3": 3}), ("b", {"x": 0, "y": 1})]
    assert make_power_loss.cases(choices, lambda a, b: "odd" if a % 2 else "y" if b else "x") == [
        (("1, 3", ""), "odd"),
        (("2", "x"), "x"),
        (("2", "y"), "y"),
    ]
