"""Real programs in two versions, out of Debian's archive, as images that a board could run."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from twinslot_sim import image
from twinslot_sim.fetch_micropython import apt, configure, need_debian_tools, unpack

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
    for name in PROGRAMS:
        yield name, _wrapped(name, OLD, "1.1.0"), _wrapped(name, NEW, "1.2.0")


def _fetch(suite: str, packages: list[str]) -> None:
    """The packages are unpacked in the cache, now or from before."""
    if (CACHE / suite).is_dir():
        return
    need_debian_tools()
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=CACHE) as folder:
        work = Path(folder)
        configuration = configure(work, ARCH, suite=suite)
        apt(configuration, work, ["update"], f"read the package index of {suite}")
        apt(configuration, work, ["download", *packages], f"download packages of {suite}")
        for package in sorted(work.glob("*.deb")):
            unpack(package, work / "unpacked")
        shutil.move(work / "unpacked", CACHE / suite)


def _wrapped(name: str, suite: str, version: str) -> bytes:
    files = [path for path in (CACHE / suite).rglob(name) if path.is_file() and not path.is_symlink()]
    program = max(files, key=lambda path: path.stat().st_size)  # the others are its completions and scripts
    content = program.read_bytes()[: SLOT_BYTES - WRAPPING_BYTES]
    return image.build("kettle", version, {"app.py": APPLICATION, name: content})
