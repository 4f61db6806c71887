"""The file system in a flash file, used while the board is off."""

import pytest

from twinslot_sim import factory, image, vfs
from twinslot_sim.nor import Nor

OLD = b"o" * 1500
NEW = b"n" * 1600


@pytest.fixture
def flash(flash_path):
    files = {"/twinslot.json": OLD, "/lib/other.py": b"other" * 1000}
    factory.make_flash(flash_path, image.build("kettle", "1.0.0", {}), files)
    return flash_path


def test_file_is_read_and_nothing_is_changed(flash) -> None:
    before = flash.read_bytes()
    assert vfs.read_file(flash, "/twinslot.json") == OLD
    assert flash.read_bytes() == before


def test_cut_anywhere_in_writing_a_file_leaves_the_old_content_or_the_new(flash, cut_everywhere) -> None:
    seen = set()
    for _ in cut_everywhere(flash.read_bytes(), lambda nor: vfs.write_file(nor, "/twinslot.json", NEW)):
        seen.add(vfs.read_file(flash, "/twinslot.json"))
        assert vfs.read_file(flash, "/lib/other.py") == b"other" * 1000
        with Nor(flash) as nor:
            vfs.write_file(nor, "/twinslot.json", NEW)
        assert vfs.read_file(flash, "/twinslot.json") == NEW
    assert seen == {OLD, NEW}


@pytest.mark.parametrize("spoil", ["no table", "no file system", "too small"])
def test_flash_without_a_file_system_is_refused_and_not_formatted(flash, spoil) -> None:
    content = bytearray(flash.read_bytes())
    if spoil == "no table":
        content[0x8000:0x9000] = b"\xff" * 0x1000
    elif spoil == "no file system":
        content[0x310000:] = b"\xff" * 0xF0000
    else:
        content = content[:4096]
    flash.write_bytes(content)
    with pytest.raises(vfs.NoFileSystem):
        vfs.read_file(flash, "/twinslot.json")
    assert flash.read_bytes() == content


def test_missing_file_is_refused(flash) -> None:
    with pytest.raises(vfs.NoFileSystem):
        vfs.read_file(flash, "/nothing")
