"""Which MicroPython plays the simulated CPU."""

import subprocess
from pathlib import Path

import pytest

from twinslot_sim import fetch_micropython, micropython
from twinslot_sim.fetch_micropython import FetchError

ROOT = Path(__file__).resolve().parents[2]


def program(path: Path) -> str:
    """A MicroPython at `path`, which is this machine's own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\nexec {" ".join(micropython.find())} "$@"\n')
    path.chmod(0o755)
    return str(path)


def fetched(folder: Path, arch: str) -> Path:
    """What a fetch leaves in `folder`, as far as the search looks at it."""
    for name in ("usr/lib/ld-linux.so.2", f"usr/lib/{arch}-linux-gnu/libffi.so.8", "usr/bin/micropython"):
        program(folder / arch / name)
    return folder / arch


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Nothing is fetched; the folders that it would have gone to."""
    asked = []

    def refuse(folder: Path, say: object) -> list[str]:
        asked.append(folder)
        raise FetchError("offline")

    monkeypatch.setattr(fetch_micropython, "_fetched_now", refuse)
    return asked


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


def test_path_is_used_when_nothing_was_fetched(tmp_path, offline) -> None:
    on_path = program(tmp_path / "bin" / "micropython")
    assert micropython.find({"PATH": str(tmp_path / "bin")}, tmp_path / "cache") == [on_path]


def test_one_on_path_that_will_not_do_is_passed_over_and_one_fetched(tmp_path, offline) -> None:
    old = Path(program(tmp_path / "bin" / "micropython"))
    old.write_text("#!/bin/sh\necho 1.19\n")
    with pytest.raises(micropython.NoInterpreter, match="offline"):
        micropython.find({"PATH": str(tmp_path / "bin")}, tmp_path / "cache")
    assert offline == [tmp_path / "cache"]


def test_half_fetched_folder_is_passed_over_and_one_fetched(tmp_path, offline) -> None:
    program(tmp_path / "cache" / ".fetch-x" / "i386" / "usr" / "bin" / "micropython")
    (fetched(tmp_path / "cache", "i386") / "usr/lib/ld-linux.so.2").unlink()
    with pytest.raises(micropython.NoInterpreter, match="offline"):
        micropython.find({"PATH": ""}, tmp_path / "cache")
    assert offline == [tmp_path / "cache"]


@pytest.mark.parametrize("named", ["/bin/true", "/nowhere/micropython"])
def test_environment_that_names_no_micropython_is_refused(tmp_path, named) -> None:
    fetched(tmp_path, "i386")
    with pytest.raises(micropython.NoInterpreter, match=f"MICROPYTHON={named}.*unset"):
        micropython.find({"MICROPYTHON": named}, tmp_path)


def test_checkout_has_a_folder_of_its_own_for_it() -> None:
    assert micropython.fetched({"XDG_CACHE_HOME": "/elsewhere"}) == ROOT / ".cache" / "micropython"


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"XDG_CACHE_HOME": "/elsewhere"}, Path("/elsewhere/twinslot/micropython")),
        ({"XDG_CACHE_HOME": "relative"}, Path.home() / ".cache/twinslot/micropython"),
        ({}, Path.home() / ".cache/twinslot/micropython"),
    ],
)
def test_without_a_checkout_it_goes_to_the_users_cache(monkeypatch, tmp_path, environ, folder) -> None:
    monkeypatch.setattr(micropython, "_SOURCE_TREE", tmp_path)
    assert micropython.fetched(environ) == folder


def test_interpreter_of_this_machine_runs_and_knows_its_word_size() -> None:
    argv = micropython.find()
    done = subprocess.run([*argv, "-c", "import vfs; print(vfs.VfsRom)"], capture_output=True, check=True)
    assert b"VfsRom" in done.stdout
    assert micropython.is_32_bit(argv) is ("i386" in argv[-1])
