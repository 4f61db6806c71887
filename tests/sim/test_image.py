"""App images, with esptool and MicroPython itself as the judges."""

import hashlib
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from esptool.bin_image import LoadFirmwareImage

from twinslot_sim import image, micropython
from twinslot_sim.image import ImageError
from twinslot_sim.romfs import CompileError, romfs

MODULES = {
    "kettle.py": b"VERSION = '1.2.0'\n",
    "twinslot/__init__.py": b"from twinslot.deep import ANSWER\n",
    "twinslot/deep.py": b"ANSWER = 42\n",
    "data/raw.bin": bytes(range(256)),
}


@pytest.fixture(scope="module")
def app_image() -> bytes:
    return image.build("kettle", "1.2.0", MODULES, size_bytes=100_000, secure_version=3)


def resealed(data: bytes) -> bytes:
    """`data` with the SHA-256 at its end made right, so that another check has to find the damage."""
    return data[:-32] + hashlib.sha256(data[:-32]).digest()


def test_image_info_of_esptool_accepts_image(app_image: bytes, tmp_path: Path) -> None:
    file = tmp_path / "app.bin"
    file.write_bytes(app_image)
    done = subprocess.run(
        [sys.executable, "-m", "esptool", "image-info", str(file)], capture_output=True, text=True, check=True
    )
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert any(line.startswith("Checksum:") and line.endswith("(valid)") for line in lines)
    assert any(line.startswith("Validation hash:") and line.endswith("(valid)") for line in lines)
    assert {"Project name: kettle", "App version: 1.2.0", "Secure version: 3", "Chip ID: 0 (ESP32)"} <= set(lines)


CHIP_NAMES = {
    0: "esp32", 2: "esp32s2", 5: "esp32c3", 9: "esp32s3", 12: "esp32c2", 13: "esp32c6", 16: "esp32h2",
}  # fmt: skip


@pytest.mark.parametrize("chip", image.CHIPS)
def test_image_for_each_chip_is_valid_to_esptool(chip: int) -> None:
    data = image.build("kettle", "1.2.0", MODULES, chip=chip)
    seen = LoadFirmwareImage(CHIP_NAMES[chip], data)
    assert seen.chip_id == chip
    assert seen.checksum == seen.calculate_checksum()
    assert seen.stored_digest == seen.calc_digest
    assert [(s.addr, len(s.data)) for s in seen.segments] == [
        (s.load_address, s.length) for s in image.parse(data, chip=chip).segments
    ]


def test_parse_tells_what_build_was_given(app_image: bytes) -> None:
    parsed = image.parse(app_image, chip=0)
    assert (parsed.chip, parsed.project, parsed.version, parsed.secure_version) == (0, "kettle", "1.2.0", 3)
    assert parsed.length == len(app_image)
    assert parsed.sha256 == hashlib.sha256(app_image).digest()
    assert parsed.romfs is not None
    offset, length = parsed.romfs
    assert app_image[offset : offset + length] == romfs(MODULES)


def test_image_is_padded_to_at_least_its_size_with_incompressible_bytes(app_image: bytes) -> None:
    assert 100_000 <= len(app_image) <= 100_016
    assert len(zlib.compress(app_image, 9)) > 99_000


@pytest.mark.parametrize("smallest", [0, 300, 4096, 65_536])
def test_size_is_never_less_than_asked_for(smallest: int) -> None:
    for size_bytes in range(smallest, smallest + 100):
        data = image.build("kettle", "1.2.0", {}, size_bytes=size_bytes)
        assert image.parse(data).length == len(data) >= size_bytes


def test_same_input_gives_same_bytes_in_any_order(app_image: bytes) -> None:
    backwards = dict(reversed(MODULES.items()))
    assert image.build("kettle", "1.2.0", backwards, size_bytes=100_000, secure_version=3) == app_image


def test_bytes_after_the_image_are_ignored(app_image: bytes) -> None:
    assert image.parse(app_image + b"\xff" * 4096) == image.parse(app_image)


@pytest.mark.parametrize("length", [0, 10, 24, 30, 200, 5000, -49, -33, -32, -1])
def test_image_cut_short_is_refused(app_image: bytes, length: int) -> None:
    with pytest.raises(ImageError, match="cut short"):
        image.parse(app_image[:length])


def test_every_flipped_byte_is_refused() -> None:
    data = image.build("kettle", "1.2.0", {"kettle.py": b"x = 1\n"})
    for offset in range(len(data)):
        damaged = bytearray(data)
        damaged[offset] ^= 0x10
        with pytest.raises(ImageError):
            image.parse(bytes(damaged), chip=0)


def test_damage_names_the_check_that_found_it(app_image: bytes) -> None:
    def refusal(damaged: bytes, chip: int | None = None) -> str:
        with pytest.raises(ImageError) as raised:
            image.parse(damaged, chip=chip)
        return str(raised.value)

    def with_byte(offset: int, value: int) -> bytes:
        return resealed(app_image[:offset] + bytes([value]) + app_image[offset + 1 :])

    assert "first byte is 0xff" in refusal(b"\xff" * 4096)
    assert "this is no app image" in refusal(with_byte(0, 0xEA))
    assert "17 segments" in refusal(with_byte(1, 17))
    assert "chip id 0, not 9" in refusal(app_image, chip=9)
    assert "impossible length" in refusal(with_byte(28, app_image[28] | 1))
    assert "cannot be mapped" in refusal(with_byte(24, 0x10))
    assert "within segment 0" in refusal(with_byte(30, 0x70))
    assert "checksum" in refusal(with_byte(400, app_image[400] ^ 1))
    assert "SHA-256" in refusal(app_image[:-1] + bytes([app_image[-1] ^ 1]))


def test_image_without_a_hash_is_held_to_its_checksum_alone() -> None:
    data = bytearray(image.build("kettle", "1.2.0", {}))
    data[23] = 0
    bare = bytes(data[:-32])
    assert image.parse(bare).length == len(bare)
    data[300] ^= 1
    with pytest.raises(ImageError, match="checksum"):
        image.parse(bytes(data[:-32]))


def test_name_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ImageError, match="31 bytes"):
        image.build("kettle", "1.0.0-" + "x" * 26, {})
    assert image.parse(image.build("kettle", "1.0.0-" + "x" * 25, {})).version == "1.0.0-" + "x" * 25


def test_module_that_does_not_compile_is_refused_with_its_name() -> None:
    with pytest.raises(CompileError, match=r"(?s)twinslot/bad\.py.*SyntaxError"):
        image.build("kettle", "1.2.0", {"twinslot/bad.py": b"def f(:\n"})


def test_micropython_runs_frozen_modules_from_the_image(app_image: bytes, tmp_path: Path) -> None:
    (tmp_path / "app.bin").write_bytes(app_image)
    parsed = image.parse(app_image)
    assert parsed.romfs is not None
    script = f"""
import sys, vfs
with open({str(tmp_path / "app.bin")!r}, "rb") as file:
    file.seek({parsed.romfs[0]})
    rom = bytearray(file.read({parsed.romfs[1]}))
vfs.mount(vfs.VfsRom(rom), "/x")
sys.path.insert(0, "/x")
import kettle, twinslot
with open("/x/data/raw.bin", "rb") as file:
    raw = file.read()
print(kettle.VERSION, twinslot.ANSWER, raw == bytes(range(256)), twinslot.__file__)
"""
    (tmp_path / "load.py").write_text(script)
    done = subprocess.run(
        [*micropython.find(), str(tmp_path / "load.py")], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout + done.stderr == "1.2.0 42 True /x/twinslot/__init__.mpy\n"
