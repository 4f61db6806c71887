"""MicroPython's Unix port: the one that is there, or else one fetched from Debian into a private folder.

Standard library only, and nothing that an old Python lacks: `make setup` runs this before anything is installed.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Callable, List, Mapping, Optional

from twinslot_sim import debian
from twinslot_sim.debian import DebianError

SUITE = "trixie"
PACKAGES = (
    "micropython",
    "libc6",
    "libffi8",
    "libgcc-s1",
    "libmbedcrypto16",
    "libmbedtls21",
    "libmbedx509-7",
)
KNOWN = {
    "i386": (
        (
            "pool/main/m/micropython/micropython_1.25.0+ds-1_i386.deb",
            "a72799821cb45442150f8a7f0757bc8e4f9a4b64abccbd837d694a20d6900bb5",
        ),
        (
            "pool/main/g/glibc/libc6_2.41-12+deb13u4_i386.deb",
            "67bb4b54cf4bb6a380449dfa1852cd9135659f85360caa0e41d312f4b30e573a",
        ),
        (
            "pool/main/libf/libffi/libffi8_3.4.8-2_i386.deb",
            "8bafefb38c320ca27796070c881595ce04d900c3b534ac142a494daf1fe1db13",
        ),
        (
            "pool/main/g/gcc-14/libgcc-s1_14.2.0-19_i386.deb",
            "a4c71fd856d2a48a7505a087b4186e3cca23f94603c05e3fb7c799b27e72f761",
        ),
        (
            "pool/main/m/mbedtls/libmbedcrypto16_3.6.6-0.1~deb13u1_i386.deb",
            "aa4698ed436eebf77e3dc9f5c514073bd554109d857d887db5a367dde9a5c377",
        ),
        (
            "pool/main/m/mbedtls/libmbedtls21_3.6.6-0.1~deb13u1_i386.deb",
            "eb1b20154ce9008aca1d036698ffc12019020a54985d2c5ae3dc1c1c39c9e995",
        ),
        (
            "pool/main/m/mbedtls/libmbedx509-7_3.6.6-0.1~deb13u1_i386.deb",
            "fe6ba192c9227d30a4cd05a3bdeccdf9ff30d55b27d8ff488126c16dcf727cce",
        ),
    ),
}
"""Files of the archive with their SHA-256, of the build whose RAM figures are a board's: it can be had, too, while the
archive and its index are not in step. The archive keeps them until its next point release."""
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


def fetch(folder: Path, arch: str, archive: str = debian.ARCHIVE) -> List[str]:
    """`folder`/`arch` holds a MicroPython that was checked and runs; its command is returned.

    It is unpacked beside its place and moved there at the end, so that an interrupted fetch leaves nothing half done.
    Raises `DebianError` when it can't be had, `FetchError` when this machine can't run the architecture.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as name:
        work, new = Path(name, "packages"), Path(name, "new", arch)
        for each in (work, new.parent):
            each.mkdir()
        for package in _packages(arch, work, archive):
            debian.unpack(package, new)
        argv = command(new)
        if argv is None or not works(argv):
            raise FetchError(f"the {arch} build of MicroPython does not run on this machine")
        shutil.rmtree(folder / arch, ignore_errors=True)
        new.rename(folder / arch)
    fetched = command(folder / arch)
    assert fetched is not None, "it was there a moment ago"
    return fetched


def _packages(arch: str, work: Path, archive: str) -> List[Path]:
    """The packages for the architecture, in `work`. Raises `DebianError`, with apt's words."""
    try:
        return debian.download(PACKAGES, arch, SUITE, work, archive=archive)
    except DebianError as error:
        if arch not in KNOWN:
            raise
        try:
            return debian.download_known(KNOWN[arch], work, archive=archive)
        except DebianError:
            raise error from None


def _fetched_now(folder: Path, say: Callable[[str], None]) -> List[str]:
    """The command of a MicroPython fetched into `folder`. Raises `FetchError`."""
    try:
        debian.need_tools()
        return _first_that_runs(folder, say)
    except DebianError as error:
        raise FetchError(
            f"the simulator needs MicroPython, and it could not be fetched: {error}\n"
            f"If that can't be helped:\n{HOW_TO_GET_ONE}"
        ) from error


def _first_that_runs(folder: Path, say: Callable[[str], None]) -> List[str]:
    """As `fetch`, for the first architecture that can be had and that this machine can run."""
    *others, last = architectures()
    for arch in others:
        say(f"fetching MicroPython ({arch}) from Debian into {folder}")
        try:
            return fetch(folder, arch)
        except (DebianError, FetchError) as error:
            say(str(error).splitlines()[0])
    say(f"fetching MicroPython ({last}) from Debian into {folder}")
    return fetch(folder, last)
