"""A factory-fresh flash, booted by the bootloader and mounted by MicroPython."""

import json
import subprocess
from pathlib import Path

import pytest

from twinslot_sim import bootloader, factory, image, micropython, partitions, vfs
from twinslot_sim.factory import FactoryError
from twinslot_sim.image import ImageError
from twinslot_sim.nor import FLASH_SIZE, Nor
from twinslot_sim.nvs import Nvs
from twinslot_sim.partitions import MICROPYTHON_4MIB, MICROPYTHON_4MIB_OTA

FILES = {
    "/boot.py": b"import frozen\n",
    "twinslot.json": json.dumps({"app": "kettle"}).encode(),
    "/lib/deep/er/data.bin": bytes(range(256)) * 40,
    "/empty": b"",
    "/middling": b"m" * 300,
}
NVS, OTADATA, _, OTA_0, OTA_1, VFS = MICROPYTHON_4MIB_OTA

MOUNT = """
import os, sys, vfs
class Flash:
    def __init__(self):
        self.file = open(sys.argv[1], "r+b")
    def readblocks(self, block, buf, offset=0):
        self.file.seek(OFFSET + block * 4096 + offset)
        self.file.readinto(buf)
    def writeblocks(self, block, buf, offset=None):
        if offset is None:
            self.ioctl(6, block)
        self.file.seek(OFFSET + block * 4096 + (offset or 0))
        old = self.file.read(len(buf))
        assert all(a & b == b for a, b in zip(old, buf)), "programmed without an erase"
        self.file.seek(OFFSET + block * 4096 + (offset or 0))
        self.file.write(buf)
    def ioctl(self, op, arg):
        if op == 6:
            self.file.seek(OFFSET + arg * 4096)
            self.file.write(b"\\xff" * 4096)
            return 0
        return {4: BLOCKS, 5: 4096}.get(op, 0)
flash = Flash()
vfs.mount(vfs.VfsLfs2(flash, progsize=32, readsize=32, lookahead=32), "/f")
def walk(path):
    for name, kind, *_ in os.ilistdir(path):
        if kind == 0x4000:
            walk(path + "/" + name)
        else:
            with open(path + "/" + name, "rb") as file:
                print(path[2:] + "/" + name, file.read().hex() or "")
walk("/f")
with open("/f/boot.py", "w") as file:
    file.write("changed = " + "1" * 5000)
os.rename("/f/boot.py", "/f/main.py")
vfs.umount("/f")
vfs.mount(vfs.VfsLfs2(flash, progsize=32, readsize=32, lookahead=32), "/f")
print(len(open("/f/main.py").read()), os.statvfs("/f")[2])
"""


@pytest.fixture(scope="module")
def app_image() -> bytes:
    return image.build("kettle", "1.0.0", {"frozen.py": b"x = 1\n"}, size_bytes=20_000)


def test_fresh_flash_boots_its_image_and_the_rest_is_erased(flash_path: Path, app_image: bytes) -> None:
    factory.make_flash(flash_path, app_image, FILES)
    assert flash_path.stat().st_size == FLASH_SIZE
    with Nor(flash_path) as nor:
        assert partitions.read(nor) == list(MICROPYTHON_4MIB_OTA)
        for erased in (NVS, OTADATA, OTA_1):
            assert nor.read(erased.offset, erased.size) == b"\xff" * erased.size
        assert nor.wear == [0] * 1024
        booted = bootloader.boot(nor)
        assert (booted.slot, booted.image.version) == (OTA_0, "1.0.0")
        assert nor.read(OTA_0.offset, len(app_image)) == app_image
        Nvs(nor, NVS.offset, NVS.size).set_i32("twinslot", "boots", 1)


def test_one_slot_flash_boots_its_image_without_otadata(flash_path: Path, app_image: bytes) -> None:
    factory.make_flash(flash_path, app_image, FILES, MICROPYTHON_4MIB)
    with Nor(flash_path) as nor:
        rows = {row.label: (row.offset, row.size) for row in partitions.read(nor)}
        assert rows == {
            "nvs": (0x9000, 0x6000),
            "phy_init": (0xF000, 0x1000),
            "factory": (0x10000, 0x1F0000),
            "vfs": (0x200000, 0x200000),
        }
        booted = bootloader.boot(nor)
        assert (booted.slot.label, booted.image.version) == ("factory", "1.0.0")
        assert nor.ops == 0
    for name, content in FILES.items():
        assert vfs.read_file(flash_path, name) == content
    with pytest.raises(FactoryError, match="more than the slot's 2031616"):
        too_long = image.build("kettle", "1.0.0", {}, size_bytes=0x1F0001)
        factory.make_flash(flash_path, too_long, {}, MICROPYTHON_4MIB)


def test_micropython_mounts_reads_and_writes_the_files(flash_path: Path, app_image: bytes, tmp_path: Path) -> None:
    factory.make_flash(flash_path, app_image, FILES)
    script = tmp_path / "mount.py"
    script.write_text(f"OFFSET = {VFS.offset}\nBLOCKS = {VFS.size // 4096}\n" + MOUNT)
    done = subprocess.run(
        [*micropython.find(), "-X", "heapsize=1m", str(script), str(flash_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    *files, last = done.stdout.splitlines() or [done.stderr]
    assert last == "5010 240", done.stdout + done.stderr
    expected = {"/" + name.lstrip("/"): content for name, content in FILES.items()}
    assert {line.split(" ")[0]: bytes.fromhex(line.split(" ")[1]) for line in files} == expected


def test_flash_that_was_there_is_replaced_with_its_wear(flash_path: Path, app_image: bytes) -> None:
    factory.make_flash(flash_path, app_image, {})
    with Nor(flash_path) as nor:
        nor.erase(0, 4096)
    factory.make_flash(flash_path, app_image, FILES)
    with Nor(flash_path) as nor:
        assert nor.wear[0] == 0
        assert bootloader.boot(nor).slot == OTA_0
    assert sorted(path.name for path in flash_path.parent.iterdir()) == ["flash.bin", "flash.bin.wear"]


def test_what_does_not_fit_is_refused_and_leaves_the_old_flash(flash_path: Path, app_image: bytes) -> None:
    flash_path.write_bytes(b"old")
    too_long = image.build("kettle", "1.0.0", {}, size_bytes=OTA_0.size + 1)
    with pytest.raises(FactoryError, match="more than the slot's 1572864"):
        factory.make_flash(flash_path, too_long, {})
    with pytest.raises(ImageError, match="SHA-256"):
        factory.make_flash(flash_path, app_image[:-1], {})
    with pytest.raises(ImageError, match="chip id 9, not 0"):
        factory.make_flash(flash_path, image.build("kettle", "1.0.0", {}, chip=9), {})
    with pytest.raises(FactoryError, match="big does not fit"):
        factory.make_flash(flash_path, app_image, {"big": bytes(VFS.size)})
    assert [path.name for path in flash_path.parent.iterdir()] == ["flash.bin"]
    assert flash_path.read_bytes() == b"old"


def test_largest_image_fills_the_slot(flash_path: Path) -> None:
    largest = image.build("kettle", "1.0.0", {}, size_bytes=OTA_0.size)
    assert len(largest) == OTA_0.size
    factory.make_flash(flash_path, largest, {})
    with Nor(flash_path) as nor:
        assert bootloader.boot(nor).image.length == OTA_0.size
