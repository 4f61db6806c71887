"""MicroPython's Unix port: the one that is there, or else one fetched from Debian into a private folder.

Standard library only, and nothing that an old Python lacks: `make setup` runs this before anything is installed.

The packages come from Debian's trixie suite through the machine's own apt, with state, cache and sources of their own:
nothing of the system changes, and root is not needed. apt checks the archive's signature against Debian's keyring and
each package against the signed index. Proxies and whatever else the machine's apt configuration says stay in force.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Callable, List, Mapping, Optional

ARCHIVE = "http://deb.debian.org/debian"
SUITE = "trixie"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PACKAGES = (
    "micropython",
    "libc6",
    "libffi8",
    "libgcc-s1",
    "libmbedcrypto16",
    "libmbedtls21",
    "libmbedx509-7",
)
# What the simulator needs of an interpreter: 1.25 is the first with the `vfs` module's VfsRom.
PROBE = (
    "import asyncio, deflate, ffi, sys, tls, uctypes, vfs; vfs.VfsRom; vfs.VfsLfs2;"
    " print('twinslot', sys.implementation._mpy & 255)"
)
PROBE_ANSWER = "twinslot 6"

HOW_TO_GET_ONE = (
    "Install MicroPython's Unix port, 1.25 or newer (macOS: `brew install micropython`; elsewhere build ports/unix of\n"
    "https://github.com/micropython/micropython). Then run this again, with MICROPYTHON=/path/to/micropython when it\n"
    "is not on PATH."
)


class FetchError(Exception):
    """MicroPython could not be had; the message says why and what to do."""


def provide(folder: Path, environ: Mapping[str, str], say: Callable[[str], None]) -> List[str]:
    """The command that starts MicroPython, to be followed by its arguments.

    In this order: what $MICROPYTHON names; what was fetched into `folder`, the 32-bit build first, since its RAM
    figures are a board's; `micropython` on PATH; one that is fetched now, which `say` is told of. Raises `FetchError`
    when there is none, or when MICROPYTHON names none that will do.
    """
    named = environ.get("MICROPYTHON")
    if named:
        path = shutil.which(named, path=environ.get("PATH"))
        if path is None or not works([path]):
            raise FetchError(
                f"MICROPYTHON={named} is no MicroPython 1.25 or newer with `tls`, `deflate` and `vfs`: "
                "correct it or unset it"
            )
        return [path]
    for root in sorted(folder.glob("[!.]*"), key=lambda path: path.name != "i386"):
        fetched = command(root)
        if fetched:
            return fetched
    path = shutil.which("micropython", path=environ.get("PATH"))
    return [path] if path and works([path]) else _fetched_now(folder, say)


def works(argv: List[str]) -> bool:
    """True when `argv` starts a MicroPython that can be the simulated CPU."""
    try:
        done = subprocess.run(
            [*argv, "-c", PROBE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and done.stdout.decode("utf-8", "replace").strip() == PROBE_ANSWER


def command(root: Path) -> Optional[List[str]]:
    """The command that runs the MicroPython whose packages are unpacked at `root`, `None` when there is none.

    It runs through its own loader, so that the system's C library does not matter.
    """
    binary = root / "usr" / "bin" / "micropython"
    loaders = sorted(root.glob("usr/lib*/ld-linux*.so.*"))
    libraries = sorted(path.parent for path in root.glob("usr/lib/*/libffi.so.8"))
    if not binary.exists() or not loaders or not libraries:
        return None
    return [str(loaders[0]), "--library-path", str(libraries[0]), str(binary)]


def architectures() -> List[str]:
    """Debian's names of the architectures to try, best first: 32-bit on x86-64, so that RAM figures are a board's."""
    done = subprocess.run(["dpkg", "--print-architecture"], stdout=subprocess.PIPE, check=True)
    native = done.stdout.decode().strip()
    return ["i386", "amd64"] if native == "amd64" else [native]


def fetch(folder: Path, arch: str, *, archive: str = ARCHIVE, keyring: Path = KEYRING) -> List[str]:
    """`folder`/`arch` holds a MicroPython that was checked and runs; its command is returned.

    It is unpacked beside its place and moved there at the end, so that an interrupted fetch leaves nothing half done.
    Raises `FetchError` when the archive can't be reached or trusted, or when this machine can't run the architecture.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as name:
        work = Path(name)
        configuration = configure(work, arch, archive, keyring)
        apt(configuration, work, ["update"], f"read the package index of {archive}")
        apt(configuration, work, ["download", *PACKAGES], f"download packages from {archive}")
        (work / "new").mkdir()
        for package in sorted(work.glob("*.deb")):
            unpack(package, work / "new" / arch)
        argv = command(work / "new" / arch)
        if argv is None or not works(argv):
            raise FetchError(f"the {arch} build of MicroPython does not run on this machine")
        shutil.rmtree(folder / arch, ignore_errors=True)
        (work / "new" / arch).rename(folder / arch)
    fetched = command(folder / arch)
    assert fetched is not None, "it was there a moment ago"
    return fetched


def need_debian_tools(keyring: Path = KEYRING) -> None:
    """Returns when this machine can fetch from Debian; raises `FetchError` that says what is missing when not."""
    if platform.system() != "Linux" or shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise FetchError(
            f"the simulator needs MicroPython, and this machine has no apt to fetch it with.\n{HOW_TO_GET_ONE}"
        )
    if not keyring.exists():
        raise FetchError(
            f"the simulator needs MicroPython from Debian's archive, and {keyring} is missing, which its signature is\n"
            f"checked with. Install the package `debian-archive-keyring` and run this again. Or:\n{HOW_TO_GET_ONE}"
        )


def _fetched_now(folder: Path, say: Callable[[str], None]) -> List[str]:
    """The command of a MicroPython fetched into `folder`, of the first architecture that this machine can run."""
    need_debian_tools()
    *others, last = architectures()
    for arch in others:
        say(f"fetching MicroPython ({arch}) from Debian into {folder}")
        try:
            return fetch(folder, arch)
        except FetchError as error:
            say(str(error).splitlines()[0])
    say(f"fetching MicroPython ({last}) from Debian into {folder}")
    return fetch(folder, last)


def configure(work: Path, arch: str, archive: str = ARCHIVE, keyring: Path = KEYRING, suite: str = SUITE) -> Path:
    """`work` holds an apt configuration of its own, whose path is returned; it is read after the machine's."""
    for part in ("sources", "lists/partial", "cache/archives/partial", "state"):
        (work / part).mkdir(parents=True)
    (work / "status").touch()
    (work / "sources" / "debian.sources").write_text(
        f"Types: deb\nURIs: {archive}\nSuites: {suite}\nComponents: main\nSigned-By: {keyring}\n"
    )
    settings = {
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": f"{work}/sources",
        "Dir::State": f"{work}/state",
        "Dir::State::status": f"{work}/status",
        "Dir::State::lists": f"{work}/lists",
        "Dir::Cache": f"{work}/cache",
        "APT::Architecture": arch,
        "APT::Architectures::": arch,
        "Acquire::Languages": "none",
        "Acquire::AllowInsecureRepositories": "false",
        "Acquire::AllowWeakRepositories": "false",
        "Acquire::AllowDowngradeToInsecureRepositories": "false",
        "APT::Get::AllowUnauthenticated": "false",
        "APT::Update::Error-Mode": "any",
    }
    if os.geteuid() == 0:  # apt's unprivileged user could not write here, and it would warn about that
        settings["APT::Sandbox::User"] = "root"
    # The machine's hooks are for the system's own package lists.
    cleared = ("APT::Architectures", "APT::Update::Pre-Invoke", "APT::Update::Post-Invoke")
    lines = [f"#clear {name};" for name in (*cleared, "APT::Update::Post-Invoke-Success", "Acquire::Languages")]
    lines += [f'{name} "{value}";' for name, value in settings.items()]
    path = work / "apt.conf"
    path.write_text("\n".join(lines) + "\n")
    return path


def apt(configuration: Path, work: Path, arguments: List[str], purpose: str) -> None:
    """apt-get did `purpose`; raises `FetchError` with apt's own words when it did not."""
    done = subprocess.run(
        ["apt-get", "-qq", "-c", str(configuration), *arguments],
        cwd=work,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
        check=False,
    )
    if done.returncode != 0:
        said = done.stdout.decode("utf-8", "replace").strip()
        raise FetchError(f"could not {purpose}:\n{said}\nIs this machine offline? If it stays so:\n{HOW_TO_GET_ONE}")


def unpack(package: Path, folder: Path) -> None:
    """`folder` has the package's files; raises `FetchError` when it can't be unpacked, such as on a full disk."""
    done = subprocess.run(
        ["dpkg-deb", "-x", str(package), str(folder)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode != 0:
        raise FetchError(f"could not unpack {package.name}:\n{done.stdout.decode('utf-8', 'replace').strip()}")
