"""One simulator for each flash file."""

import subprocess
import sys

import pytest

from twinslot_sim import flash_lock
from twinslot_sim.flash_lock import FlashInUse

HOLD = """
import sys
from pathlib import Path
from twinslot_sim import flash_lock
lock = flash_lock.locked(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_flash_of_another_process_is_refused_until_that_process_dies(tmp_path) -> None:
    flash = tmp_path / "flash"
    flash.write_bytes(b"content")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(flash)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(FlashInUse, match="another simulator runs this flash"):
            flash_lock.locked(flash)
        holder.kill()
    with flash_lock.locked(flash):
        assert flash.read_bytes() == b"content"


def test_flash_that_another_maker_finished_first_is_not_made_again(tmp_path) -> None:
    flash = tmp_path / "flash"
    first = flash_lock.made(flash, lambda: flash.write_bytes(b"first"))
    with first, pytest.raises(FlashInUse):
        flash_lock.made(flash, lambda: flash.write_bytes(b"second"))
    assert flash.read_bytes() == b"first"


def test_maker_that_fails_leaves_no_lock(tmp_path) -> None:
    flash = tmp_path / "flash"
    with pytest.raises(ZeroDivisionError):
        flash_lock.made(flash, lambda: 1 // 0)
    with flash_lock.made(flash, lambda: flash.write_bytes(b"made")):
        assert list(tmp_path.iterdir()) == [flash]
