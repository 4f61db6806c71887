"""NVS, against ESP-IDF's own generator, a plain dictionary, and power cuts at every operation."""

import random
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from twinslot_sim.errors import EspError
from twinslot_sim.nor import Nor
from twinslot_sim.nvs import Nvs

SIZE = 0x4000
NOT_FOUND = -0x1102
CutEverywhere = Callable[[bytes, Callable[[Nor], object]], Iterator[tuple[int, int]]]
Value = int | bytes


@pytest.fixture
def nor(flash_path: Path) -> Iterator[Nor]:
    flash_path.write_bytes(b"\xff" * SIZE)
    with Nor(flash_path) as nor:
        yield nor


def opened(nor: Nor) -> Nvs:
    return Nvs(nor, 0, SIZE)


def put(nvs: Nvs, key: str, value: Value) -> None:
    if isinstance(value, int):
        nvs.set_i32("app", key, value)
    else:
        nvs.set_blob("app", key, value)


def got(nvs: Nvs, key: str, like: Value) -> Value | None:
    """What is under `key`, read as the type of `like`; None when nothing is."""
    try:
        return nvs.get_i32("app", key) if isinstance(like, int) else nvs.get_blob("app", key)
    except EspError as error:
        assert error.code == NOT_FOUND
        return None


def generated(tmp_path: Path, rows: Mapping[str, Value]) -> bytes:
    """The partition that ESP-IDF's generator makes of `rows`."""
    lines = ["key,type,encoding,value", "app,namespace,,"]
    lines += [
        f"{key},data,i32,{value}" if isinstance(value, int) else f"{key},data,hex2bin,{value.hex()}"
        for key, value in rows.items()
    ]
    (tmp_path / "nvs.csv").write_text("\n".join(lines) + "\n")
    command = ["generate", str(tmp_path / "nvs.csv"), str(tmp_path / "nvs.bin"), hex(SIZE)]
    subprocess.run(
        [sys.executable, "-m", "esp_idf_nvs_partition_gen", *command], check=True, capture_output=True, cwd=tmp_path
    )
    return (tmp_path / "nvs.bin").read_bytes()


ROWS: dict[str, Value] = {"boots": -7, "state": b'{"version": "1.1.0"}' * 9, "exact": b"q" * 64, "last": 2**31 - 1}
LONG_ROWS: dict[str, Value] = {"long": random.Random(1).randbytes(7000), "one": 1, "short": b"s", "longer": b"l" * 3999}


@pytest.mark.parametrize("rows", [ROWS, LONG_ROWS])
def test_partition_made_by_esp_idf_is_read_whole(rows: dict[str, Value], flash_path: Path, tmp_path: Path) -> None:
    made = generated(tmp_path, rows)
    flash_path.write_bytes(made)
    with Nor(flash_path) as nor:
        nvs = opened(nor)
        assert {key: got(nvs, key, value) for key, value in rows.items()} == rows
        assert nor.ops == 0
    assert flash_path.read_bytes() == made


def test_partition_written_here_is_byte_for_byte_esp_idfs(nor: Nor, tmp_path: Path) -> None:
    nvs = opened(nor)
    for key, value in ROWS.items():
        put(nvs, key, value)
    assert nor.read(0, SIZE) == generated(tmp_path, ROWS)


def test_value_written_to_a_partition_of_esp_idfs_leaves_the_others(flash_path: Path, tmp_path: Path) -> None:
    flash_path.write_bytes(generated(tmp_path, LONG_ROWS))
    with Nor(flash_path) as nor:
        opened(nor).set_blob("app", "short", b"changed")
        expected = {**LONG_ROWS, "short": b"changed"}
        assert {key: got(opened(nor), key, value) for key, value in expected.items()} == expected


def test_values_survive_reopening(nor: Nor) -> None:
    nvs = opened(nor)
    rows: dict[str, Value] = {"zero": 0, "low": -(2**31), "high": 2**31 - 1, "empty": b"", "chunk": b"c" * 4000}
    for key, value in rows.items():
        put(nvs, key, value)
    for _ in range(2):
        assert {key: got(nvs, key, value) for key, value in rows.items()} == rows
        nvs = opened(nor)


def test_same_key_in_two_namespaces_is_two_values(nor: Nor) -> None:
    nvs = opened(nor)
    nvs.open("one")
    nvs.set_i32("two", "key", 2)
    nvs.set_i32("one", "key", 1)
    nvs = opened(nor)
    assert (nvs.get_i32("one", "key"), nvs.get_i32("two", "key")) == (1, 2)


def test_missing_values_are_not_found(nor: Nor) -> None:
    nvs = opened(nor)
    nvs.set_i32("app", "number", 1)
    calls: list[Callable[[], object]] = [
        lambda: nvs.get_i32("app", "other"),
        lambda: nvs.get_blob("app", "number"),
        lambda: nvs.get_i32("nowhere", "number"),
        lambda: nvs.erase_key("app", "other"),
        lambda: nvs.erase_key("nowhere", "number"),
    ]
    ops = nor.ops
    for call in calls:
        with pytest.raises(EspError) as raised:
            call()
        assert (raised.value.code, raised.value.name) == (NOT_FOUND, "ESP_ERR_NVS_NOT_FOUND")
    assert nor.ops == ops


def test_erased_key_is_gone_and_can_be_set_again(nor: Nor) -> None:
    nvs = opened(nor)
    nvs.set_blob("app", "key", b"x" * 5000)
    nvs.erase_key("app", "key")
    assert got(opened(nor), "key", b"") is None
    nvs.set_blob("app", "key", b"y")
    assert got(opened(nor), "key", b"") == b"y"


def test_other_type_replaces_the_value(nor: Nor) -> None:
    nvs = opened(nor)
    put(nvs, "key", b"blob" * 100)
    put(nvs, "key", 5)
    assert (got(opened(nor), "key", 0), got(opened(nor), "key", b"")) == (5, None)
    put(nvs, "key", b"again")
    assert (got(opened(nor), "key", 0), got(opened(nor), "key", b"")) == (None, b"again")


def test_unchanged_value_writes_nothing(nor: Nor) -> None:
    nvs = opened(nor)
    put(nvs, "number", 5)
    put(nvs, "blob", b"b" * 500)
    ops = nor.ops
    put(nvs, "number", 5)
    put(nvs, "blob", b"b" * 500)
    assert nor.ops == ops


@pytest.mark.parametrize(
    ("key", "value", "code"), [("k" * 16, 1, -0x1109), ("k" * 16, b"1", -0x1109), ("key", bytes(12_001), -0x110E)]
)
def test_what_nvs_cannot_hold_is_refused_and_leaves_the_rest(nor: Nor, key: str, value: Value, code: int) -> None:
    nvs = opened(nor)
    put(nvs, "other", 1)
    with pytest.raises(EspError) as raised:
        put(nvs, key, value)
    assert raised.value.code == code
    assert got(opened(nor), "other", 0) == 1


def test_blob_with_an_entry_marked_erased_is_gone_whole(nor: Nor) -> None:
    put(opened(nor), "other", 1)
    put(opened(nor), "blob", b"b" * 100)
    assert nor.read(32, 2) == bytes([0b10101010, 0b10101010])
    nor.program(33, bytes([0b10101000]))  # an entry of the blob's data
    nvs = opened(nor)
    assert (got(nvs, "blob", b""), got(nvs, "other", 0)) == (None, 1)
    assert nor.read(32, 2) == bytes([0b00001010, 0])


def test_full_storage_refuses_and_keeps_every_value(nor: Nor) -> None:
    nvs = opened(nor)
    stored: dict[str, Value] = {}
    with pytest.raises(EspError) as raised:
        for index in range(100):
            value = bytes([index]) * 900
            put(nvs, f"key{index}", value)
            stored[f"key{index}"] = value
    assert raised.value.code == -0x1105
    assert len(stored) >= 10
    for reader in (nvs, opened(nor)):
        assert {key: got(reader, key, value) for key, value in stored.items()} == stored
    opened(nor).erase_key("app", "key0")
    put(opened(nor), "after", b"a" * 800)
    assert got(opened(nor), "after", b"") == b"a" * 800


def test_record_and_two_specifications_are_replaced_over_and_over_beside_what_the_chip_keeps(nor: Nor) -> None:
    """The largest of each, and 4 KiB of the chip's own: calibration of the radio, Wi-Fi (nvs.net80211, phy)."""
    nvs = opened(nor)
    stored: dict[str, Value] = {"cal_data": b"c" * 1904, "wifi": b"w" * 2048}
    for key, value in stored.items():
        put(nvs, key, value)
    for number in range(30):
        place = f"spec{number % 2}"
        if number > 1:
            nvs.erase_key("app", place)
        stored |= {place: bytes([number]) * 2048, "spec_state": number}
        put(nvs, place, stored[place])
        for step in range(5):
            stored["state"] = bytes([number, step]) * 768
            put(nvs, "state", stored["state"])
        put(nvs, "spec_state", number)
        assert {key: got(opened(nor), key, value) for key, value in stored.items()} == stored


def test_partition_without_a_free_page_is_refused(nor: Nor) -> None:
    put(opened(nor), "a", 1)
    page = nor.read(0, 4096)
    nor.erase(0, SIZE)
    for sequence in range(4):
        body = sequence.to_bytes(4, "little") + page[8:28]
        crc = zlib.crc32(body, 0xFFFFFFFF).to_bytes(4, "little")
        nor.program(4096 * sequence, page[:4] + body + crc + page[32:])
    with pytest.raises(EspError) as raised:
        opened(nor)
    assert raised.value.code == -0x110D
    assert got_page_sequences(nor) == [0, 1, 2, 3]


def got_page_sequences(nor: Nor) -> list[int]:
    return [int.from_bytes(nor.read(4096 * index + 4, 4), "little") for index in range(4)]


def test_page_of_another_format_is_refused_and_kept(nor: Nor) -> None:
    body = bytes(4) + b"\xfd" + b"\xff" * 19
    nor.program(0, b"\xfe\xff\xff\xff" + body + zlib.crc32(body, 0xFFFFFFFF).to_bytes(4, "little"))
    ops = nor.ops
    with pytest.raises(EspError) as raised:
        opened(nor)
    assert (raised.value.code, nor.ops) == (-0x1110, ops)


@pytest.mark.parametrize("seed", range(3))
def test_random_writes_agree_with_a_dictionary(nor: Nor, seed: int) -> None:
    dice = random.Random(seed)
    print("seed", seed)
    model: dict[str, Value] = {}
    nvs = opened(nor)
    for _ in range(400):
        key = dice.choice("abcdefgh")
        if model.get(key) is not None and dice.random() < 0.1:
            nvs.erase_key("app", key)
            del model[key]
        else:
            value: Value = dice.randrange(-9, 9) if key < "d" else dice.randbytes(dice.randrange(900))
            put(nvs, key, value)
            model[key] = value
        if dice.random() < 0.2:
            nvs = opened(nor)
        assert {key: got(nvs, key, 0 if key < "d" else b"") for key in "abcdefgh"} == {
            key: model.get(key) for key in "abcdefgh"
        }
    assert min(nor.wear) > 0


def filled(flash_path: Path, first: Mapping[str, Value], churn: int) -> tuple[bytes, dict[str, Value]]:
    """A storage with `first` and what it holds besides: a blob, a key written `churn` times, and some in between.

    So the pages are full of erased entries, with a few that must be kept.
    """
    flash_path.write_bytes(b"\xff" * SIZE)
    others: dict[str, Value] = {"big": bytes(range(256)) * 5, "churn": 0}
    with Nor(flash_path) as nor:
        nvs = opened(nor)
        for key, value in {**others, **first}.items():
            put(nvs, key, value)
        for index in range(1, churn + 1):
            key = "churn" if index % 50 else f"kept{index}"
            put(nvs, key, index)
            others[key] = index
        return nor.read(0, SIZE), others


FIRST: dict[str, Value] = {"number": 1, "blob": b"old" * 40, "long": b"o" * 4500}
CHURNS = {"number": (0, 81, 82, 333, 334), "blob": (0, 60, 326), "long": (0, 195)}
SECOND: dict[str, Value] = {"number": 2, "blob": b"newer" * 50, "long": b"n" * 4700}


CASES = [
    pytest.param(key, is_new, churn, id=f"{key}-{'new' if is_new else 'replaced'}-{churn}")
    for key, churns in CHURNS.items()
    for churn in churns
    for is_new in (False, True)
]


@pytest.mark.parametrize(("key", "is_new", "churn"), CASES)
def test_cut_anywhere_leaves_the_old_value_or_the_new(
    key: str, is_new: bool, churn: int, flash_path: Path, cut_everywhere: CutEverywhere
) -> None:
    old = None if is_new else FIRST[key]
    before, others = filled(flash_path, {} if is_new else {key: FIRST[key]}, churn)
    seen: dict[int, set[Value | None]] = {}
    for op, keep in cut_everywhere(before, lambda nor: put(opened(nor), key, SECOND[key])):
        with Nor(flash_path) as nor:
            nvs = opened(nor)
            assert {name: got(nvs, name, value) for name, value in others.items()} == others, (op, keep)
            value = got(nvs, key, SECOND[key])
            assert value in (old, SECOND[key]), (op, keep)
            seen.setdefault(op, set()).add(value)
            ops = nor.ops
            opened(nor)
            assert nor.ops == ops, "a repaired storage needs no repair"
            put(nvs, key, SECOND[key])
            assert got(opened(nor), key, SECOND[key]) == SECOND[key]
    assert set().union(*seen.values()) == {old, SECOND[key]}
    if not is_new:
        assert seen[max(seen)] == {SECOND[key]}, "the old value is erased last, and never read once there is a newer"
