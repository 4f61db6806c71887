"""`twinslot image`."""

import hashlib

import pytest

from twinslot_sim import bootloader, image
from twinslot_sim.nor import Nor


@pytest.mark.parametrize("habit", ["healthy", "crashing", "mute", "hanging"])
def test_built_image_is_one_that_the_chip_boots(twinslot, tmp_path, habit) -> None:
    out = tmp_path / "app.bin"
    arguments = ("--app", "kettle", "--version", "1.1.0", "--out", out, f"--{habit}", "--size", 50_000)
    built = twinslot("image", "build", *arguments, "--json").document
    data = out.read_bytes()
    assert built["sha256"] == hashlib.sha256(data).hexdigest() and built["size"] == len(data) >= 50_000
    assert built["habit"] == habit
    parsed = image.parse(data)
    assert (parsed.project, parsed.version, parsed.length) == ("kettle", "1.1.0", len(data))
    told = twinslot("image", "info", out, "--json").document
    assert (told["app"], told["version"], told["sha256"]) == ("kettle", "1.1.0", built["sha256"])


def test_damaged_image_exits_3(twinslot, tmp_path) -> None:
    out = tmp_path / "app.bin"
    twinslot("image", "build", "--app", "kettle", "--version", "1.1.0", "--out", out)
    data = bytearray(out.read_bytes())
    data[300] ^= 1
    out.write_bytes(data)
    result = twinslot("image", "info", out, "--json")
    assert (result.code, result.out) == (3, "")


def test_one_slot_build_is_the_flash_of_a_board_that_boots_the_image(twinslot, tmp_path) -> None:
    out = tmp_path / "board.bin"
    asked = ("image", "build", "--app", "kettle", "--version", "1.1.0", "--one-slot", "--out", out)
    built = twinslot(*asked, "--json").document
    with Nor(out) as nor:
        booted = bootloader.boot(nor)
    assert (built["image_size"], built["image_sha256"]) == (booted.image.length, booted.image.sha256.hex())
    assert (booted.slot.label, booted.image.project, booted.image.version) == ("factory", "kettle", "1.1.0")
    before = out.read_bytes()
    again = twinslot(*asked)
    assert (again.code, "never overwritten" in again.err, out.read_bytes() == before) == (3, True, True)
    too_large = twinslot(*asked[:-1], tmp_path / "other.bin", "--size", 0x1F0001)
    assert (too_large.code, "more than the slot's 2031616" in too_large.err) == (3, True)
