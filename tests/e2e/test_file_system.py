"""A board whose file system is gone, or full: what it says that it needs, and what lies in flash all the same."""

from __future__ import annotations

import random
import re
import shlex
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from twinslot_sim import image
from twinslot_sim.nor import SECTOR_SIZE, Nor
from twinslot_sim.partitions import MICROPYTHON_4MIB_OTA
from twinslot_sim.vfs import NoFileSystem, read_file, write_file

from ..host.packaging import download, upload
from ..pages import DOCS
from .bundles import Bakery, files_of, tree
from .conftest import Site
from .heaters import flash_of
from .impostor import Impostor
from .lab import Bench, Flash, app_image
from .test_serial import mpremote
from .working import connected, outcome

ROOT = Path(__file__).resolve().parents[2]
VFS = next(row for row in MICROPYTHON_4MIB_OTA if row.label == "vfs")
APP = "import asyncio, twinslot\ndef main():\n    asyncio.run(twinslot.Agent().run())\n"
PAGE = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
EMPTY = shlex.split(re.findall(r"mpremote connect PORT (.*mkfs.*)", PAGE)[0])
NEEDS = "twinslot: /twinslot.json is missing; provision the board"


def frozen_image(version: str, app: str | None = APP) -> bytes:
    """An image with everything frozen that docs/application.md says: the package, `main.py` and the application, if
    there is one."""
    package = {f"twinslot/{path.name}": path.read_bytes() for path in (ROOT / "firmware/twinslot").glob("*.py")}
    main = (ROOT / "boot/main.py").read_bytes()
    modules = {"main.py": main, "app_version.py": f"VERSION = {version!r}\n".encode()}
    return image.build("kettle", version, {**package, **modules, **({"app.py": app.encode()} if app else {})})


def lose_files(flash: Path, how: str) -> None:
    """The file system is erased, or garbage."""
    garbage = random.Random(7).randbytes(VFS.size) if how == "garbage" else b"\xff" * VFS.size
    data = flash.read_bytes()
    flash.write_bytes(data[: VFS.offset] + garbage + data[VFS.offset + VFS.size :])


def provisioned(flash: Path) -> dict[str, bytes]:
    """The files that provisioning wrote, as they lie on the board."""
    return {name: read_file(flash, name) for name in ("/boot.py", "/main.py", "/twinslot.json")}


def write_all(flash: Path, files: dict[str, bytes]) -> None:
    with Nor(flash) as nor:
        for name, content in files.items():
            write_file(nor, name, content)


async def test_board_without_files_says_what_it_needs_and_goes_on_once_it_has_it(site: Site) -> None:
    first, second = frozen_image("1.0.0"), frozen_image("1.1.0")
    flash = site.flash(start=first, frozen=True)
    async with Bench(flash) as bench:
        await bench.says("settled")
        site.publish(second, "1.1.0")
        await bench.confirmed("1.1.0")
    files = provisioned(flash)
    lose_files(flash, "erased")
    async with Bench(flash) as bench:
        await bench.says(NEEDS)
        await bench.says(">>> ")
        assert "Traceback" not in bench.log
        assert bench.board.boots == 1
        assert "1.1.0" in await mpremote(bench, "exec", "from twinslot import hw; print(hw.image_version())")
    look = Flash(flash)
    assert (look.boot, look.states["ota_1"]) == ("ota_1", "VALID")
    assert (look.holds("ota_0", first), look.holds("ota_1", second)) == (True, True)
    write_all(flash, files)
    site.publish(frozen_image("1.2.0"), "1.2.0")
    async with Bench(flash) as bench:
        await bench.confirmed("1.2.0")
    assert Flash(flash).boot == "ota_0"


async def test_files_lost_in_a_trial_end_it_and_the_old_image_says_what_it_needs(site: Site) -> None:
    first, second = frozen_image("1.0.0"), frozen_image("1.1.0")
    flash = site.flash(start=first, frozen=True)
    site.publish(second, "1.1.0")
    async with Bench(flash) as bench:
        await bench.says("restarting into 1.1.0")
    files = provisioned(flash)
    lose_files(flash, "erased")
    async with Bench(flash) as bench:
        await bench.says(NEEDS)
        await bench.says(">>> ")
    look = Flash(flash)
    assert (look.states["ota_0"], look.states["ota_1"]) == ("VALID", "ABORTED")
    assert (look.holds("ota_0", first), look.holds("ota_1", second)) == (True, True)
    write_all(flash, files)
    async with Bench(flash) as bench:
        await bench.confirmed("1.1.0")
    assert Flash(flash).boot == "ota_1"


@pytest.mark.parametrize("moment", ["confirmed", "restarting into", "trial of"])
async def test_board_that_lost_all_its_files_with_a_bundle_asks_for_them_and_takes_the_next_one(
    moment: str, owner: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    """NVS names a tree still, the one that is kept or the one on trial, and neither that nor any other application is
    there."""
    async with Impostor() as server:
        bakery = Bakery(server, owner, tmp_path)
        flash = bakery.flash(start=frozen_image("1.0.0", app=None), frozen=True)
        bakery.offer(files_of("first"), 100)
        async with Bench(flash) as bench:
            await bench.confirmed("1.100.0")
        bakery.offer(files_of("second"), 200)
        server.silent_in_trial = moment == "trial of"
        async with Bench(flash) as bench:
            await bench.says(f"{moment} 1.200.0")
        files = provisioned(flash)
        lose_files(flash, "erased")
        async with Bench(flash) as bench:
            await bench.says(NEEDS)
            await bench.says(">>> ")
        write_all(flash, files)
        server.silent_in_trial = False
        server.checks.clear()
        bakery.offer(files_of("third"), 300)
        async with Bench(flash) as bench:
            await bench.confirmed("1.300.0")
    assert server.checks[0]["bundle"] is None
    assert "third" in bench.log
    assert sorted(tree(flash, root) == {} for root in ("/app_a", "/app_b")) == [False, True]


async def test_garbage_in_place_of_the_files_is_named_until_a_new_file_system_is_made(site: Site) -> None:
    first = frozen_image("1.0.0")
    flash = site.flash(start=first, frozen=True)
    lose_files(flash, "garbage")
    async with Bench(flash) as bench:
        await bench.says("The filesystem appears to be corrupted")
        assert NEEDS not in bench.log
        await mpremote(bench, *EMPTY)
        await bench.says(NEEDS)
    look = Flash(flash)
    assert (look.boot, look.holds("ota_0", first)) == ("ota_0", True)


def fill(flash: Path) -> dict[str, bytes]:
    """No further block is free; returns the files that take them all."""
    files: dict[str, bytes] = {}
    for size in (64 * 1024, SECTOR_SIZE):
        try:
            while True:
                name = f"/data{len(files)}"
                write_all(flash, {name: bytes([len(files) % 256]) * size})
                files[name] = bytes([len(files) % 256]) * size
        except NoFileSystem:
            continue
    return files


async def test_full_file_system_refuses_a_package_and_lets_an_update_through(site: Site) -> None:
    flash = flash_of(site)
    files = {**fill(flash), **provisioned(flash)}
    new = app_image("1.1.0")
    async with Bench(flash) as bench:
        await connected(site, bench)
        assert upload(site.server, {"lamp.py": b"lit = True\n"}, "lamp", "1").status == 201
        made = download(site.server, "kettle-7", uri="package:lamp", name="lamp", version="1")
        over = await outcome(site, bench, made.json["operationId"])
        assert over["state"] == "failed"
        assert re.match(r"needs \d+ bytes, 0 are free$", over["reason"])
        site.publish(new, "1.1.0")
        await bench.confirmed("1.1.0")
    assert {name: read_file(flash, name) for name in files} == files
    with pytest.raises(NoFileSystem):
        read_file(flash, "/packages/index.json")
    assert Flash(flash).holds("ota_1", new)
