"""Files that commands write."""

import os
import stat

import pytest

from twinslot_tools.errors import BadFile
from twinslot_tools.new_files import NewFile, write_new


def test_what_came_there_meanwhile_is_not_overwritten(tmp_path):
    (tmp_path / "file").write_bytes(b"precious")
    (tmp_path / "link").symlink_to("elsewhere")
    for name in ("file", "link"):
        with pytest.raises(BadFile, match=f"can't write .*{name}: File exists"):
            write_new(NewFile(tmp_path / "first", b"new"), NewFile(tmp_path / name, b"new"))
    assert (tmp_path / "file").read_bytes() == b"precious"
    assert {path.name for path in tmp_path.iterdir()} == {"file", "link"}


def test_files_and_then_their_names_are_on_disk_when_all_is_done(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync

    def noted(descriptor: int) -> None:
        fsync(descriptor)
        status = os.fstat(descriptor)
        synced.append((status.st_ino, status.st_size if stat.S_ISREG(status.st_mode) else None))

    monkeypatch.setattr(os, "fsync", noted)
    paths = [tmp_path / "one", tmp_path / "two"]
    write_new(*(NewFile(path, b"new") for path in paths))
    assert synced == [*((path.stat().st_ino, 3) for path in paths), (tmp_path.stat().st_ino, None)]
