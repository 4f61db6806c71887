"""`examples/greenhouse`: bundled, published, and run by a simulated board with one app slot."""

import shutil
from pathlib import Path

import pytest

from .boards import lying

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "greenhouse"
NAMES = ["app/__init__.mpy", "app/beds.mpy", "app/plants.json"]


@pytest.fixture
def publish(twinslot, signed_in, tmp_path):
    """Publishes what lies in a folder."""

    def publish(folder: Path, version: str) -> None:
        bundle = tmp_path / f"{version}.tar.gz"
        made = twinslot("bundle", folder, "--out", bundle, "--json")
        assert ([file["path"] for file in made.document["files"]], made.err) == (NAMES, "")
        assert twinslot("publish", bundle, "--app", "greenhouse", "--version", version).code == 0

    return publish


def test_board_takes_the_bundle_and_its_next_one_and_keeps_its_diary(twinslot, publish, tmp_path) -> None:
    group = twinslot("group", "create", "greenhouses", "--app", "greenhouse", "--json").document
    flash = tmp_path / "flash"
    board = ("--group", group["id"], "--token", group["token"], "--device", "bed-1", "--flash", flash, "--one-slot")
    publish(EXAMPLE, "1.1.0")
    first = twinslot("sim", *board, "--until", "1.1.0", "--timeout", 120)
    assert (first.code, "watered the tomatoes" in first.out) == (0, True), first.out
    diary = lying(flash, "/data/diary.csv")
    assert diary.startswith(b"basil,5\ntomatoes,8\n")
    changed = shutil.copytree(EXAMPLE, tmp_path / "greenhouse")
    (changed / "app" / "plants.json").write_text('{"basil": 40, "kale": 30, "tomatoes": 60}')
    publish(changed, "1.2.0")
    second = twinslot("sim", *board, "--until", "1.2.0", "--timeout", 120)
    assert (second.code, "watered the kale" in second.out) == (0, True), second.out
    assert lying(flash, "/data/diary.csv").startswith(diary)
    assert twinslot("device", "show", "bed-1", "--json").document["slot_size"] == 0
    assert lying(flash, "/app_b/app/plants.json") == (changed / "app" / "plants.json").read_bytes()
