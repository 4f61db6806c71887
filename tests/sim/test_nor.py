"""The flash: NOR rules, operations, wear, time, power cuts."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from twinslot_sim.errors import EspError
from twinslot_sim.nor import FlashFileError, Nor, NorViolation, PowerCut, Probe, Spoiled

SIZE = 0x8000


@pytest.fixture
def blank(flash_path: Path) -> Path:
    flash_path.write_bytes(b"\xff" * SIZE)
    return flash_path


def test_program_of_erased_bytes_is_in_the_file_at_once(blank: Path) -> None:
    with Nor(blank) as nor:
        nor.program(0x1003, b"twinslot")
        assert blank.read_bytes()[0x1000:0x100C] == b"\xff" * 3 + b"twinslot" + b"\xff"


def test_program_that_clears_more_bits_is_allowed(blank: Path) -> None:
    with Nor(blank) as nor:
        nor.program(0, b"\xf0")
        nor.program(0, b"\x30")
        assert nor.read(0, 2) == b"\x30\xff"


def test_program_that_would_set_a_bit_raises_and_writes_nothing(blank: Path) -> None:
    with Nor(blank) as nor:
        nor.program(300, b"\x0f")
        with pytest.raises(NorViolation, match="erase first"):
            nor.program(0, b"\x00" * 300 + b"\xf0")
        assert nor.ops == 1
    assert blank.read_bytes()[:302] == b"\xff" * 300 + b"\x0f\xff"


def test_program_like_the_chip_ands_bits(blank: Path) -> None:
    with Nor(blank, like_chip=True) as nor:
        nor.program(0, b"\x0f\x0f")
        nor.program(0, b"\xf0\xff")
        assert nor.read(0, 3) == b"\x00\x0f\xff"


def test_erase_sets_whole_sectors_only(blank: Path) -> None:
    with Nor(blank) as nor:
        nor.program(0x0FFF, b"\x00" * 0x1002)
        nor.erase(0x1000, 0x1000)
        assert nor.read(0x0FFF, 1) + nor.read(0x2000, 1) == b"\x00\x00"
        assert nor.read(0x1000, 0x1000) == b"\xff" * 0x1000


@pytest.mark.parametrize(("address", "length", "code"), [(0, 100, -260), (8, 4096, -258), (0x7000, 0x2000, -260)])
def test_erase_of_no_whole_sectors_raises_and_changes_nothing(
    blank: Path, address: int, length: int, code: int
) -> None:
    with Nor(blank) as nor:
        nor.program(0, bytes(SIZE))
        with pytest.raises(EspError) as raised:
            nor.erase(address, length)
    assert raised.value.code == code
    assert blank.read_bytes() == bytes(SIZE)


def test_access_outside_the_chip_raises_and_changes_nothing(blank: Path) -> None:
    with Nor(blank) as nor:
        for address, length in ((-1, 1), (SIZE - 1, 2), (SIZE + 1, 0)):
            with pytest.raises(EspError):
                nor.program(address, bytes(length))
            with pytest.raises(EspError):
                nor.read(address, length)
    assert blank.read_bytes() == b"\xff" * SIZE


def test_operations_are_page_programs_and_sector_erases(blank: Path) -> None:
    with Nor(blank) as nor:
        nor.erase(0, 0x2000)
        assert nor.ops == 2
        nor.program(0, b"")
        nor.program(0xFF, b"\x00\x00")
        assert nor.ops == 4
        nor.program(0x1000, bytes(0x1000))
        assert nor.ops == 20


def test_operations_take_the_chips_time(blank: Path) -> None:
    with Nor(blank) as nor:
        nor.erase(0, 0x1000)
        nor.program(0, bytes(0x1000))
        nor.read(0, 0x2000)
        assert nor.busy_us == 45_000 + 16 * 700 + 2 * 460


def test_wear_is_counted_by_sector_and_survives_closing(blank: Path) -> None:
    with Nor(blank) as nor:
        nor.erase(0x1000, 0x2000)
    with Nor(blank) as nor:
        nor.erase(0x2000, 0x1000)
        assert nor.wear == [0, 1, 2, 0, 0, 0, 0, 0]
    assert blank.with_name("flash.bin.wear").read_bytes() == b"".join(n.to_bytes(4, "little") for n in nor_wear(blank))


def nor_wear(path: Path) -> list[int]:
    with Nor(path) as nor:
        return nor.wear


def test_short_wear_file_counts_as_zeros(blank: Path) -> None:
    blank.with_name("flash.bin.wear").write_bytes(b"\x05\0\0\0\x07")
    assert nor_wear(blank) == [5, 7, 0, 0, 0, 0, 0, 0]


def test_cut_program_keeps_the_pages_before_and_first_bytes(blank: Path) -> None:
    with Nor(blank, cut_at_op=3, keep_bytes=5) as nor, pytest.raises(PowerCut):
        nor.program(0x1080, bytes(0x300))
    assert blank.read_bytes()[0x1000:0x1400] == b"\xff" * 0x80 + bytes(0x180 + 5) + b"\xff" * (0x200 - 5)


def test_cut_program_keeps_no_more_than_its_page(blank: Path) -> None:
    with Nor(blank, cut_at_op=1, keep_bytes=4096) as nor, pytest.raises(PowerCut):
        nor.program(0xF0, bytes(0x300))
    assert blank.read_bytes()[0xF0:0x3F0] == bytes(0x10) + b"\xff" * 0x2F0


def test_cut_erase_keeps_the_rest_of_the_sector(blank: Path) -> None:
    with Nor(blank) as nor:
        nor.program(0, bytes(0x3000))
    with Nor(blank, cut_at_op=2, keep_bytes=7) as nor, pytest.raises(PowerCut):
        nor.erase(0, 0x3000)
    assert blank.read_bytes()[:0x3000] == b"\xff" * (0x1000 + 7) + bytes(0x2000 - 7)


def test_everything_after_a_cut_raises_and_changes_nothing(blank: Path) -> None:
    with Nor(blank, cut_at_op=1) as nor:
        with pytest.raises(PowerCut):
            nor.program(0, b"\0")
        with pytest.raises(PowerCut):
            nor.program(0, b"\0")
        with pytest.raises(PowerCut):
            nor.erase(0, 0x1000)
        with pytest.raises(PowerCut):
            nor.read(0, 1)
        assert nor.ops == 1
    assert blank.read_bytes() == b"\xff" * SIZE


def test_sigkill_leaves_every_finished_operation_in_the_file(blank: Path) -> None:
    script = textwrap.dedent("""
        import sys
        from pathlib import Path
        from twinslot_sim.nor import Nor
        nor = Nor(Path(sys.argv[1]))
        nor.program(0, b"\\0" * 4096)
        nor.erase(0x1000, 0x1000)
        print("done", flush=True)
        nor.program(0x2000, b"\\0")
        sys.stdin.read()
    """)
    with subprocess.Popen(
        [sys.executable, "-c", script, str(blank)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"done\n"
        os.kill(process.pid, signal.SIGKILL)
    assert blank.read_bytes()[:0x2000] == bytes(0x1000) + b"\xff" * 0x1000
    assert nor_wear(blank)[:2] == [0, 1]


@pytest.mark.parametrize("content", [b"", b"\xff" * 100])
def test_file_that_is_no_flash_is_refused_and_kept(flash_path: Path, content: bytes) -> None:
    flash_path.write_bytes(content)
    with pytest.raises(FlashFileError, match=r"is no flash"):
        Nor(flash_path)
    assert flash_path.read_bytes() == content


def test_missing_flash_is_refused_and_not_made(flash_path: Path) -> None:
    with pytest.raises(FlashFileError, match="cannot be opened"):
        Nor(flash_path)
    assert not flash_path.exists()


class Witness(Probe):
    """Writes down what it is told, and spoils the operation of that number, the first being 1."""

    def __init__(self, number: int = 0, spoiled: Spoiled | None = None) -> None:
        self.told: list[tuple[str, int, int]] = []
        self._left = number
        self._spoiled = spoiled

    def spoils(self, address: int, data: bytes | None) -> Spoiled | None:
        self._left -= 1
        return None if self._left else self._spoiled

    def operated(self, address: int, data: bytes | None) -> None:
        self.told.append(("erased", address, 4096) if data is None else ("programmed", address, len(data)))

    def is_read(self, address: int, length: int) -> None:
        self.told.append(("chip", address, length))

    def was_read(self, address: int, length: int) -> None:
        self.told.append(("processor", address, length))


def test_probe_sees_each_page_and_sector_and_who_reads(blank: Path) -> None:
    witness = Witness()
    with Nor(blank, probe=witness) as nor:
        nor.erase(0x1000, 0x2000)
        nor.program(0x10F0, bytes(0x120))
        nor.read(0x1000, 4)
        nor.probe.was_read(0x2000, 512)
    assert witness.told == [
        ("erased", 0x1000, 4096),
        ("erased", 0x2000, 4096),
        ("programmed", 0x10F0, 0x10),
        ("programmed", 0x1100, 0x100),
        ("programmed", 0x1200, 0x10),
        ("chip", 0x1000, 4),
        ("processor", 0x2000, 512),
    ]


def test_operation_that_fails_changes_nothing_and_says_so(blank: Path) -> None:
    with Nor(blank, probe=Witness(2, Spoiled.FAILS)) as nor, pytest.raises(EspError, match="FLASH_OP_FAIL"):
        nor.program(0, bytes(600))
    assert blank.read_bytes()[:600] == bytes(256) + b"\xff" * 344


def test_operation_that_is_lost_changes_nothing_and_says_nothing(blank: Path) -> None:
    blank.write_bytes(bytes(SIZE))
    with Nor(blank, probe=Witness(1, Spoiled.LOST)) as nor:
        nor.erase(0, 0x2000)
    assert blank.read_bytes()[:0x2000] == bytes(0x1000) + b"\xff" * 0x1000
