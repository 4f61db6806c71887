"""What people install: the source distribution, the wheel that is built from it, and the wheel in a fresh venv.

Offline: the fresh venv has nothing but the wheel, and finds the locked dependencies where this venv has them.
"""

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest

from twinslot_sim import micropython

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Installed:
    """A venv with the wheel in it; commands run in an empty `home`, far from the checkout."""

    venv: Path
    home: Path
    packages: Path

    def argv(self, *words: object) -> dict:
        """How `twinslot` with these words is started."""
        return {
            "args": [str(self.venv / "bin" / "twinslot"), *(str(word) for word in words)],
            "cwd": self.home,
            "env": {"PATH": os.environ["PATH"], "HOME": str(self.home), "MICROPYTHON": str(self.home / "micropython")},
            "text": True,
        }

    def run(self, *words: object, **environ: str) -> str:
        """What the command printed; it has ended well."""
        how = self.argv(*words)
        how["env"] |= environ
        done = subprocess.run(**how, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def build(kind: str, source: Path, to: Path) -> Path:
    """What hatchling makes of the sources."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(to)],
        cwd=source,
        check=True,
        capture_output=True,
    )
    (made,) = to.glob("*.tar.gz" if kind == "sdist" else "*.whl")
    return made


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def installed(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("installed")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    wheel = build("wheel", folder / sdist.name.removesuffix(".tar.gz"), folder / "wheel")
    venv, home = folder / "venv", folder / "home"
    home.mkdir()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(venv / "bin" / "python"), "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--no-index", "--no-deps", str(wheel)], check=True)
    (packages,) = (venv / "lib").glob("python3*/site-packages")
    (home / "micropython").write_text(f'#!/bin/sh\nexec {" ".join(micropython.find())} "$@"\n')
    (home / "micropython").chmod(0o755)
    return Installed(venv, home, packages)


@pytest.fixture(scope="module")
def twinslot(installed: Installed) -> Installed:
    """The same, which finds its dependencies; this project's own editable install is not among them."""
    (installed.packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return installed


@pytest.fixture
def server(twinslot: Installed) -> Iterator[str]:
    process = subprocess.Popen(
        **twinslot.argv("serve", "--data", "data", "--port", "0"), stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    yield process.stdout.readline().removeprefix("listening on ").strip()
    process.terminate()
    assert process.wait(20) == 0
    process.stdout.close()


def test_nothing_generic_is_put_into_site_packages(installed: Installed) -> None:
    names = {path.name for path in installed.packages.iterdir()} - {"dependencies.pth"}
    assert names == {"twinslot_host", "twinslot_sim", "twinslot_tools", f"twinslot-{version('twinslot')}.dist-info"}


def test_examples_and_device_files_are_those_of_the_sources(installed: Installed) -> None:
    places = {
        "examples": installed.venv / "share" / "twinslot" / "examples",
        "boot": installed.packages / "twinslot_tools" / "board" / "boot",
        "firmware/twinslot": installed.packages / "twinslot_tools" / "board" / "firmware" / "twinslot",
    }
    for name, place in places.items():
        wanted = {path.relative_to(ROOT / name): path.read_bytes() for path in (ROOT / name).rglob("*.py")}
        assert wanted
        assert {path.relative_to(place): path.read_bytes() for path in place.rglob("*.py")} == wanted


def test_source_distribution_has_no_more_than_the_repository(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.split("/")[1] for name in archive.getnames()}
    assert {"host", "sim", "tools", "firmware", "boot", "examples", "docs", "tests", "Makefile"} <= names
    assert not names & {".venv", ".cache", ".git", "build", "dist"}


def test_release_reaches_a_simulated_board_without_the_checkout(twinslot: Installed, server: str) -> None:
    token = twinslot.run("token", "--data", "data").strip()
    named = {"TWINSLOT_SERVER": server, "TWINSLOT_TOKEN": token}
    group = json.loads(twinslot.run("group", "create", "kitchen", "--app", "kettle", "--json", **named))
    twinslot.run("image", "build", "--app", "kettle", "--version", "1.1.0", "--out", "kettle.app-bin")
    twinslot.run("publish", "kettle.app-bin", "--app", "kettle", "--version", "1.1.0", **named)
    board = ("--group", group["id"], "--token", group["token"], "--device", "kettle-1", "--flash", "kettle.flash")
    assert "confirmed 1.1.0" in twinslot.run("sim", *board, "--until", "1.1.0", "--timeout", "50", **named)


def test_completion_for_bash_is_installed_and_completes(twinslot: Installed) -> None:
    twinslot.run("--install-completion", "bash")
    (script,) = twinslot.home.rglob(".bash_completions/twinslot.sh")
    assert str(script) in (twinslot.home / ".bashrc").read_text()
    typed = 'COMP_WORDS=(twinslot publ) COMP_CWORD=1; _twinslot_completion twinslot; echo "${COMPREPLY[*]}"'
    how = twinslot.argv()
    how["env"]["PATH"] = f"{twinslot.venv / 'bin'}:{how['env']['PATH']}"
    how["args"] = ["bash", "-c", f"source {script}; {typed}"]
    done = subprocess.run(**how, capture_output=True, check=True)
    assert done.stdout == "publish\n"
