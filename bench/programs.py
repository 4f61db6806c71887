"""Real programs in two versions, out of Debian's archive, as images that a board could run."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from twinslot_sim import debian, image

CACHE = Path(__file__).resolve().parents[1] / ".cache" / "bench"
ARCH = "armhf"  # 32-bit code, as a board's
OLD, NEW = "bookworm", "trixie"
SLOT_BYTES = 0x180000
APPLICATION = b"""import asyncio, twinslot
def main():
    asyncio.run(twinslot.Agent().run())
"""
WRAPPING_BYTES = 4096  # more than an image has around a program

# The program's file, and the package that has it in either.
PROGRAMS = {
    "busybox": ("busybox", "busybox"),
    "dash": ("dash", "dash"),
    "dnsmasq": ("dnsmasq-base", "dnsmasq-base"),
    "libcrypto.so.3": ("libssl3", "libssl3t64"),
    "libcurl.so.4.8.0": ("libcurl4", "libcurl4t64"),
    "libsqlite3.so.0.8.6": ("libsqlite3-0", "libsqlite3-0"),
    "lua5.4": ("lua5.4", "lua5.4"),
    "nano": ("nano", "nano"),
    "tcpdump": ("tcpdump", "tcpdump"),
}


def pairs() -> Iterator[tuple[str, bytes, bytes]]:
    """Each program's name, and its two images of at most a slot, 1.1.0 and 1.2.0 of the application "kettle", which a
    simulated board can run; what is larger is cut."""
    for number, suite in enumerate((OLD, NEW)):
        _fetch(suite, [packages[number] for packages in PROGRAMS.values()])
    for name, (old, new) in PROGRAMS.items():
        yield name, _wrapped(name, old, OLD, "1.1.0"), _wrapped(name, new, NEW, "1.2.0")


def _fetch(suite: str, packages: list[str]) -> None:
    """The files of each package lie in the cache, in a folder of its own, now or from before."""
    missing = [package for package in packages if not (CACHE / suite / package).is_dir()]
    if not missing:
        return
    debian.need_tools()
    (CACHE / suite).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=CACHE) as name:
        folder, work = Path(name), Path(name, "packages")
        work.mkdir()
        for file in debian.download(missing, ARCH, suite, work):
            package = file.name.partition("_")[0]
            debian.unpack(file, folder / package)
            (folder / package).rename(CACHE / suite / package)


def _wrapped(name: str, package: str, suite: str, version: str) -> bytes:
    files = [path for path in (CACHE / suite / package).rglob(name) if path.is_file() and not path.is_symlink()]
    program = max(files, key=lambda path: path.stat().st_size)  # the others are its completions and scripts
    content = program.read_bytes()[: SLOT_BYTES - WRAPPING_BYTES]
    return image.build("kettle", version, {"app.py": APPLICATION, name: content})
