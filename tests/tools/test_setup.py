"""The set-up script: what it leaves alone, and what it says when it can't go on."""

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

import setup
from twinslot_sim import debian, fetch_micropython
from twinslot_sim.debian import DebianError
from twinslot_sim.fetch_micropython import FetchError

ROOT = Path(__file__).resolve().parents[2]
needs_apt = pytest.mark.skipif(not (shutil.which("apt-get") and shutil.which("dpkg-deb")), reason="needs apt")


@pytest.fixture
def no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever would install something fails the test."""

    def run(argv: list[str], purpose: str) -> None:
        pytest.fail(f"ran {argv}")

    monkeypatch.setattr(setup, "run", run)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with what the fingerprint is taken of, and a venv that can run pip."""
    for name in ("requirements.lock", "pyproject.toml"):
        (tmp_path / name).write_text(name)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    return tmp_path


@pytest.mark.parametrize("changed", ["requirements.lock", "pyproject.toml"])
def test_fingerprint_changes_with_each_file(project, changed) -> None:
    before = setup.fingerprint(project)
    (project / changed).write_text("changed")
    assert setup.fingerprint(project) != before


def test_fingerprint_changes_with_the_place(project, tmp_path_factory) -> None:
    copy = tmp_path_factory.mktemp("copy")
    for name in ("requirements.lock", "pyproject.toml"):
        shutil.copy(project / name, copy)
    assert setup.fingerprint(copy) != setup.fingerprint(project)


def test_stamped_venv_is_left_alone(tmp_path, project, no_processes) -> None:
    venv = project / ".venv"
    venv.unlink()
    subprocess.run(["python3", "-m", "venv", "--without-pip", str(venv)], check=True)
    packages = next((venv / "lib").glob("python3*/site-packages"))
    (packages / "pip.py").touch()
    (venv / "twinslot-setup.stamp").write_text(setup.fingerprint(project))
    setup.set_up_venv(project)
    assert (venv / "twinslot-setup.stamp").read_text() == setup.fingerprint(project)


def test_venv_whose_python_is_gone_is_not_trusted(tmp_path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to("/nowhere/python3")
    assert not setup.runs(tmp_path)


def test_system_without_apt_is_told_what_to_install(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(debian.platform, "system", lambda: "Darwin")
    with pytest.raises(FetchError, match=r"no apt(?s:.*)brew install micropython"):
        fetch_micropython.provide(tmp_path, {"PATH": ""}, print)
    assert list(tmp_path.iterdir()) == []


@needs_apt
def test_missing_keyring_is_named_with_its_package(tmp_path) -> None:
    with pytest.raises(DebianError, match="debian-archive-keyring"):
        debian.need_tools(tmp_path / "no-keyring.gpg")


def test_missing_venv_package_is_named(monkeypatch) -> None:
    monkeypatch.setattr(setup.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(setup.shutil, "which", lambda name: "/usr/bin/apt-get")
    with pytest.raises(setup.SetupError, match="sudo apt-get install python3"):
        setup.install_packages("this Python has no `venv`", "python3.11-venv")


def test_missing_compiler_is_named_when_a_package_needs_it(project, monkeypatch) -> None:
    def run(argv: list[str], purpose: str) -> None:
        raise setup.SetupError("error: command 'gcc' failed")

    monkeypatch.setattr(setup, "run", run)
    monkeypatch.setattr(setup, "runs", lambda venv: True)
    monkeypatch.setattr(setup.os, "geteuid", lambda: 1000)
    (project / ".venv").unlink()
    (project / ".venv").mkdir()
    with pytest.raises(setup.SetupError, match="'gcc' failed"):
        setup.set_up_venv(project)
    monkeypatch.setattr(setup.shutil, "which", lambda name: "/usr/bin/apt-get" if name == "apt-get" else None)
    with pytest.raises(setup.SetupError, match=r"need a compiler. Run `sudo apt-get install g\+\+ python3"):
        setup.set_up_venv(project)
    assert not (project / ".venv" / "twinslot-setup.stamp").exists()


@needs_apt
def test_archive_that_does_not_answer_leaves_nothing(tmp_path) -> None:
    with pytest.raises(DebianError, match="offline"):
        fetch_micropython.fetch(tmp_path, "i386", archive="http://127.0.0.1:1/debian")
    assert list(tmp_path.iterdir()) == []


@needs_apt
def test_archive_whose_index_is_not_in_step_gives_the_files_that_are_known(tmp_path) -> None:
    path, content = "pool/main/m/micropython.deb", b"a package"
    (tmp_path / "archive" / path).parent.mkdir(parents=True)
    (tmp_path / "archive" / path).write_bytes(content)
    known = ((path, hashlib.sha256(content).hexdigest()),)
    work = tmp_path / "work"
    work.mkdir()
    archive = f"file:{tmp_path}/archive"
    assert [each.read_bytes() for each in debian.download_known(known, work, archive=archive)] == [content]
    for wrong in ((path, "0" * 64), ("pool/another.deb", known[0][1])):
        with pytest.raises(DebianError, match=wrong[0]):
            debian.download_known((wrong,), work, archive=archive)


def test_archive_without_a_signature_is_refused(tmp_path) -> None:
    release = tmp_path / "archive" / "dists" / "trixie"
    packages = release / "main" / "binary-i386"
    packages.mkdir(parents=True)
    (packages / "Packages").write_text("")
    (release / "Release").write_text(
        "Suite: trixie\nCodename: trixie\nComponents: main\nArchitectures: i386\nDate: Thu, 01 Jan 2026 00:00:00 UTC\n"
        "SHA256:\n e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 main/binary-i386/Packages\n"
    )
    cache = tmp_path / "cache"
    with pytest.raises(DebianError, match="is not signed"):
        fetch_micropython.fetch(cache, "i386", archive=f"file:{tmp_path}/archive")
    assert list(cache.iterdir()) == []
