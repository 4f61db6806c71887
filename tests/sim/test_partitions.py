"""The partition table, against ESP-IDF's own bytes and an independent reading of them."""

import hashlib
import struct
from pathlib import Path

import pytest

from twinslot_sim import partitions
from twinslot_sim.nor import Nor
from twinslot_sim.partitions import MICROPYTHON_4MIB_OTA, Partition, PartitionTableError

# The table that ESP-IDF tests its generator with (components/partition_table/test_gen_esp32part_host).
IDF_TABLE = bytes.fromhex(
    "aa500000 00000100 00001000 666163746f727900 0000000000000000 00000000"
    "aa500120 00001100 00020000 6461746100000000 0000000000000000 00000000"
    "aa501000 00001500 00100000 7365636f6e640000 0000000000000000 00000000"
    "ebebffffffffffffffffffffffffffff f9bd061b45686f86571a2cd52a1da65b"
).ljust(0xC00, b"\xff")
IDF_ROWS = [
    Partition(0, 0, 0x10000, 0x100000, "factory"),
    Partition(1, 0x20, 0x110000, 0x200, "data"),
    Partition(0x10, 0, 0x150000, 0x1000, "second"),
]


def test_table_built_is_byte_for_byte_esp_idfs() -> None:
    assert partitions.build(IDF_ROWS) == IDF_TABLE


def test_table_parsed_has_esp_idfs_rows() -> None:
    assert partitions.parse(IDF_TABLE) == IDF_ROWS


def test_micropythons_layout_reads_as_on_the_real_builds() -> None:
    data = partitions.build(MICROPYTHON_4MIB_OTA)
    rows = [struct.unpack_from("<HBBII16sI", data, 32 * index) for index in range(6)]
    assert [(row[1], row[2], row[3], row[4], row[5].rstrip(b"\0"), row[6]) for row in rows] == [
        (1, 2, 36864, 16384, b"nvs", 0),
        (1, 0, 53248, 8192, b"otadata", 0),
        (1, 1, 61440, 4096, b"phy_init", 0),
        (0, 16, 65536, 1572864, b"ota_0", 0),
        (0, 17, 1638400, 1572864, b"ota_1", 0),
        (1, 129, 3211264, 983040, b"vfs", 0),
    ]
    assert {row[0] for row in rows} == {0x50AA}
    assert data[192:224] == b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(data[:192]).digest()
    assert data[224:] == b"\xff" * (0xC00 - 224)


def test_encrypted_flag_survives() -> None:
    row = Partition(1, 2, 0x9000, 0x1000, "secret", encrypted=True)
    assert partitions.parse(partitions.build([row])) == [row]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff" * 0xC00, "no partition table"),
        (bytes(0xC00), "magic 0x0000"),
        (IDF_TABLE[:40] + b"\x01" + IDF_TABLE[41:], "MD5"),
        (IDF_TABLE[:64], "no end"),
        (IDF_TABLE[:32] + b"\xaa\x51" + IDF_TABLE[34:], "magic 0x51aa"),
    ],
)
def test_damaged_table_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(PartitionTableError, match=reason):
        partitions.parse(data)


def test_more_rows_than_fit_are_refused() -> None:
    with pytest.raises(PartitionTableError, match="94"):
        partitions.build([IDF_ROWS[0]] * 95)
    assert len(partitions.parse(partitions.build([IDF_ROWS[0]] * 94))) == 94


def test_partition_beyond_the_flash_is_refused(flash_path: Path) -> None:
    flash_path.write_bytes((b"\xff" * 0x8000 + partitions.build(MICROPYTHON_4MIB_OTA)).ljust(0x200000, b"\xff"))
    with Nor(flash_path) as nor, pytest.raises(PartitionTableError, match="ota_1 ends beyond"):
        partitions.read(nor)


@pytest.mark.parametrize(
    ("subtypes", "slots"), [((0x11, 0x10), ["ota_0", "ota_1"]), ((0x10, 0x12), ["ota_0"]), ((), [])]
)
def test_slots_count_up_to_the_first_that_is_missing(subtypes: tuple[int, ...], slots: list[str]) -> None:
    factory = Partition(partitions.APP, partitions.FACTORY, 0x10000, 0x1000, "factory")
    table = [factory, *(Partition(partitions.APP, each, 0x20000, 0x1000, f"ota_{each - 0x10}") for each in subtypes)]
    assert [row.label for row in partitions.slots(table)] == slots
