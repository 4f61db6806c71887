"""Which MicroPython plays the simulated CPU."""

import subprocess
from pathlib import Path

import pytest

from twinslot_sim import micropython


def program(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


def fetched(folder: Path, arch: str) -> Path:
    """What `make setup` leaves in `folder`, as far as the search looks at it."""
    for name in ("usr/lib/ld-linux.so.2", f"usr/lib/{arch}-linux-gnu/libffi.so.8", "usr/bin/micropython"):
        program(folder / arch / name)
    return folder / arch


def test_environment_wins_over_everything(tmp_path) -> None:
    fetched(tmp_path / "cache", "i386")
    named = program(tmp_path / "mine")
    program(tmp_path / "bin" / "micropython")
    environ = {"MICROPYTHON": named, "PATH": str(tmp_path / "bin")}
    assert micropython.find(environ, tmp_path / "cache") == [named]


def test_fetched_32_bit_build_wins_over_others_and_path(tmp_path) -> None:
    fetched(tmp_path / "cache", "amd64")
    root = fetched(tmp_path / "cache", "i386")
    program(tmp_path / "bin" / "micropython")
    found = micropython.find({"PATH": str(tmp_path / "bin")}, tmp_path / "cache")
    assert found[-1] == str(root / "usr" / "bin" / "micropython")
    assert found[:2] == [str(root / "usr/lib/ld-linux.so.2"), "--library-path"]


def test_path_is_used_when_nothing_was_fetched(tmp_path) -> None:
    on_path = program(tmp_path / "bin" / "micropython")
    assert micropython.find({"PATH": str(tmp_path / "bin")}, tmp_path / "cache") == [on_path]


def test_half_fetched_folder_is_passed_over(tmp_path) -> None:
    program(tmp_path / "cache" / ".fetch-x" / "i386" / "usr" / "bin" / "micropython")
    (fetched(tmp_path / "cache", "i386") / "usr/lib/ld-linux.so.2").unlink()
    with pytest.raises(micropython.NoInterpreter):
        micropython.find({"PATH": ""}, tmp_path / "cache")


@pytest.mark.parametrize("environ", [{"MICROPYTHON": "/nowhere/micropython"}, {"PATH": ""}])
def test_none_at_all_is_told_apart_with_what_to_do(tmp_path, environ) -> None:
    with pytest.raises(micropython.NoInterpreter, match="MICROPYTHON"):
        micropython.find(environ, tmp_path)


def test_interpreter_of_this_machine_runs_and_knows_its_word_size() -> None:
    argv = micropython.find()
    done = subprocess.run([*argv, "-c", "import vfs; print(vfs.VfsRom)"], capture_output=True, check=True)
    assert b"VfsRom" in done.stdout
    assert micropython.is_32_bit(argv) is ("i386" in argv[-1])
