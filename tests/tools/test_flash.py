"""`twinslot flash`: what it makes of the files that people have, and the unmodified esptool at a board that is not
there but for its ROM loader's protocol; what was written then runs on a simulated one."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from esptool.targets import CHIP_DEFS

from twinslot_sim import partitions
from twinslot_tools import firmware_file, first_prompt
from twinslot_tools.board_port import BoardPort
from twinslot_tools.errors import BadFile, NoDevice

from . import firmwares
from .boards import OnTheDesk
from .rom_loader import RomLoader

NAME = "ESP32_GENERIC-OTA-20250415-v1.25.0.bin"


@pytest.fixture(scope="module")
def ota(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return firmwares.combined(tmp_path_factory.mktemp("firmware") / NAME)


@pytest.fixture(scope="module")
def one_slot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("firmware")
    return firmwares.combined(folder / "ESP32_GENERIC-20250415-v1.25.0.bin", table=partitions.MICROPYTHON_4MIB)


def test_chips_are_as_esptool_knows_them() -> None:
    known = {
        chip.IMAGE_CHIP_ID: (chip.CHIP_NAME, chip.BOOTLOADER_FLASH_OFFSET)
        for chip in CHIP_DEFS.values()
        if chip.IMAGE_CHIP_ID is not None
    }
    assert {id: known[id] for id in firmware_file.CHIPS} == firmware_file.CHIPS


@pytest.mark.parametrize(("chip", "id", "offset"), [("esp32", 0, 0x1000), ("esp32c3", 5, 0)])
def test_reading_agrees_with_esptools(tmp_path: Path, chip: str, id: int, offset: int) -> None:
    path = firmwares.combined(tmp_path / "firmware.bin", chip=chip, id=id, offset=offset)
    firmware = firmware_file.read(path)
    asked = ["--chip", "auto", "image-info", str(path.with_suffix(".0x10000"))]
    told = subprocess.run([sys.executable, "-m", "esptool", *asked], check=True, capture_output=True, text=True).stdout
    assert f"Chip ID: {firmware.chip} ({firmware.chip_name})" in told
    assert f"Project name: {firmware.project}" in told
    assert f"App version: {firmware.version}" in told
    assert f"Image size: {firmware.app_size} bytes" in told
    assert firmware.flash_offset == offset
    assert firmware.table == partitions.MICROPYTHON_4MIB_OTA
    assert [slot.size for slot in firmware.slots] == [0x180000, 0x180000]
    assert firmware.has_two_slots


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no ESP32 firmware"),
        (b"UF2\n" + bytes(508), "no ESP32 firmware"),
        (b"\xe9\x01\x02", "cut short"),
        (firmwares.micropython(), "an .app-bin, which is for updates"),
        (firmwares.bootloader(), "a bootloader alone"),
        (firmwares.bootloader()[:-40], "cut short"),
        (firmwares.bootloader()[:12] + b"\x4d" + firmwares.bootloader()[13:], "id 77"),
        (firmwares.bootloader().ljust(0x9000, b"\xff"), "no partition table"),
    ],
    ids=["empty", "other-format", "header-cut", "app-bin", "bootloader", "bootloader-cut", "chip", "no-table"],
)
def test_file_that_is_no_combined_firmware_is_refused_by_name(
    twinslot, tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / NAME
    path.write_bytes(content)
    result = twinslot("flash", "--port", "/dev/nowhere", "--firmware", path)
    assert result.code == 3
    assert reason in result.err
    assert "https://micropython.org/download/ESP32_GENERIC" in result.err
    assert result.out == ""


@pytest.mark.parametrize("kept", [0x7400, 0xF000, -1], ids=["in-table", "before-app", "in-app"])
def test_combined_firmware_that_is_cut_short_is_refused(ota: Path, tmp_path: Path, kept: int) -> None:
    path = tmp_path / NAME
    path.write_bytes(ota.read_bytes()[:kept])
    with pytest.raises(BadFile, match="cut short"):
        firmware_file.read(path)


@pytest.mark.parametrize("at", [0x120, 0xF120], ids=["bootloader", "app"])
def test_combined_firmware_with_a_flipped_bit_is_refused(ota: Path, tmp_path: Path, at: int) -> None:
    path = tmp_path / NAME
    data = bytearray(ota.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    with pytest.raises(BadFile, match="checksum"):
        firmware_file.read(path)


def test_app_larger_than_its_slot_is_refused(tmp_path: Path) -> None:
    path = firmwares.combined(tmp_path / NAME, app=firmwares.micropython(size_bytes=0x180001))
    with pytest.raises(BadFile, match=r"more than the 1572864 of its slot ota_0"):
        firmware_file.read(path)


def test_app_for_another_chip_than_its_bootloaders_is_refused(tmp_path: Path) -> None:
    path = firmwares.combined(tmp_path / NAME, app=firmwares.micropython(chip=9))
    with pytest.raises(BadFile, match="for chip id 9, not 0"):
        firmware_file.read(path)


def test_build_with_one_slot_is_refused_with_what_it_can_not_do(twinslot, one_slot: Path, tmp_path: Path) -> None:
    with RomLoader(tmp_path) as board:
        result = twinslot("flash", "--port", board.path, "--firmware", one_slot)
    assert result.code == 3
    assert "never firmware" in result.err
    assert "-OTA- in its name: https://micropython.org/download/ESP32_GENERIC." in result.err
    assert "--one-slot" in result.err
    assert board.asked == []


def test_build_with_a_single_ota_slot_has_not_two(tmp_path: Path) -> None:
    table = [row for row in partitions.MICROPYTHON_4MIB_OTA if row.label != "ota_1"]
    assert not firmware_file.read(firmwares.combined(tmp_path / NAME, table=table)).has_two_slots


def test_firmware_written_is_byte_for_byte_the_file_and_then_answers(twinslot, ota: Path, tmp_path: Path) -> None:
    with RomLoader(tmp_path) as board:
        result = twinslot("flash", "--port", board.path, "--firmware", ota)
    assert result.code == 0, result.out + result.err
    written = ota.read_bytes()
    assert board.flash == b"\xff" * 0x1000 + written + b"\xff" * (len(board.flash) - 0x1000 - len(written))
    said = result.out
    assert said.index("ESP32") < said.index("v1.25.0") < said.index("erasing all") < said.index("100.0%")
    assert "the board answers: MicroPython 1.25.0\n" in said


def test_build_with_one_slot_is_written_when_that_is_wanted(twinslot, one_slot: Path, tmp_path: Path) -> None:
    with RomLoader(tmp_path) as board:
        result = twinslot("flash", "--port", board.path, "--firmware", one_slot, "--one-slot", "--json")
    assert result.code == 0, result.err
    told = result.document
    assert (told["chip"], told["version"], told["slots"], told["slot_size"]) == ("ESP32", "v1.25.0", 1, 0x1F0000)
    assert told["answers"] == "MicroPython 1.25.0"
    assert "100.0%" in result.err


def test_firmware_for_another_chip_is_refused_before_anything_is_written(twinslot, tmp_path: Path) -> None:
    path = firmwares.combined(tmp_path / "s3.bin", chip="esp32s3", id=9, offset=0)
    with RomLoader(tmp_path) as board:
        result = twinslot("flash", "--port", board.path, "--firmware", path)
    assert result.code == 3
    assert "is for an ESP32-S3" in result.err
    assert "This chip is ESP32" in result.err
    assert board.flash == bytes(len(board.flash))


def test_port_that_is_not_there_is_said(twinslot, ota: Path) -> None:
    result = twinslot("flash", "--port", "/dev/nowhere", "--firmware", ota)
    assert result.code == 5
    assert "there is no port /dev/nowhere" in result.err


def test_port_without_a_board_is_said_with_what_to_look_at(twinslot, ota: Path, monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "esptool.cfg").write_text("[esptool]\nconnect_attempts = 1\n")
    monkeypatch.setenv("ESPTOOL_CFGFILE", str(tmp_path / "esptool.cfg"))
    near, far = os.openpty()
    result = twinslot("flash", "--port", os.ttyname(far), "--firmware", ota)
    os.close(near)
    os.close(far)
    assert result.code == 5
    assert "no board could be written at /dev/pts/" in result.err
    assert "Failed to connect to ESP32" in result.err
    assert "BOOT button" in result.err


def test_board_that_fails_while_it_is_written_is_said_to_have_no_firmware(twinslot, ota: Path, tmp_path: Path) -> None:
    with RomLoader(tmp_path, worn=True) as board:
        result = twinslot("flash", "--port", board.path, "--firmware", ota)
    assert result.code == 5
    assert "It has no firmware now: run this again" in result.err


def running() -> list[list[bytes]]:
    """The command lines of all processes."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended since
            found.append((process / "cmdline").read_bytes().split(b"\0"))
    return found


def test_ctrl_c_ends_esptool_too_while_it_says_nothing(ota: Path, tmp_path: Path) -> None:
    with RomLoader(tmp_path, unanswered="ERASE_FLASH") as board:
        process = subprocess.Popen(
            [sys.executable, "-m", "twinslot_tools", "flash", "--port", board.path, "--firmware", str(ota)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("Erasing flash"):
                break
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
        assert (process.returncode, said) == (130, "")
        assert not [words for words in running() if board.path.encode() in words]


async def test_port_that_goes_away_while_the_board_starts_is_waited_for(tmp_path: Path) -> None:
    port = tmp_path / "port"
    with OnTheDesk(tmp_path / "shop.flash") as board:
        asyncio.get_running_loop().call_later(1, port.symlink_to, board.port)
        facts = await first_prompt.wait(BoardPort(str(port)))
    assert facts["version"] == "1.25.0"


async def test_board_that_never_answers_is_said_after_the_wait() -> None:
    near, far = os.openpty()
    with pytest.raises(NoDevice, match="was written, but its MicroPython does not answer"):
        await first_prompt.wait(BoardPort(os.ttyname(far)), patience_s=0, silence_s=1)
    os.close(near)
    os.close(far)
