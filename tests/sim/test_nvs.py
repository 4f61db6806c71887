"""NVS, against ESP-IDF's own generator, a plain dictionary, and power cuts at every operation."""

import random
import subprocess
import sys
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
    for nvs in (nvs, opened(nor)):
        assert {key: got(nvs, key, value) for key, value in stored.items()} == stored
    opened(nor).erase_key("app", "key0")
    put(opened(nor), "after", b"a" * 800)
    assert got(opened(nor), "after", b"") == b"a" * 800


def test_foreign_bytes_in_every_page_are_refused_and_kept(flash_path: Path) -> None:
    page = bytes.fromhex("feffffff00000000fd").ljust(28, b"\xff") + bytes.fromhex("00000000")
    flash_path.write_bytes(b"\xff" * SIZE)
    with Nor(flash_path) as nor:
        put(opened(nor), "a", 1)
        first = nor.read(0, 4096)
    # four pages in use, so that none is free
    from zlib import crc32

    def with_sequence(sequence: int) -> bytes:
        head = first[:4] + sequence.to_bytes(4, "little") + first[8:28]
        return head + crc32(head[4:], 0xFFFFFFFF).to_bytes(4, "little") + first[32:]

    content = b"".join(with_sequence(index) for index in range(4))
    assert len(page) == 32
    flash_path.write_bytes(content)
    with Nor(flash_path) as nor, pytest.raises(EspError) as raised:
        opened(nor)
    assert raised.value.code == -0x110D


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


def filled(flash_path: Path, others: Mapping[str, Value], churn: int) -> bytes:
    """A storage with `others`, of which the pages are used up by `churn` writes to another key."""
    flash_path.write_bytes(b"\xff" * SIZE)
    with Nor(flash_path) as nor:
        nvs = opened(nor)
        for key, value in others.items():
            put(nvs, key, value)
        for index in range(churn):
            put(nvs, "churn", index)
        return nor.read(0, SIZE)


OTHERS: dict[str, Value] = {"kept": 77, "big": bytes(range(256)) * 5, "churn": 0}
FIRST: dict[str, Value] = {"number": 1, "blob": b"old" * 40, "long": b"o" * 4500}
SECOND: dict[str, Value] = {"number": 2, "blob": b"newer" * 50, "long": b"n" * 4700}


@pytest.mark.parametrize("key", FIRST)
@pytest.mark.parametrize("is_new", [False, True], ids=["replaced", "new"])
@pytest.mark.parametrize("churn", [0, 41, 66, 100, 135, 170, 243])
def test_cut_anywhere_leaves_the_old_value_or_the_new(
    key: str, is_new: bool, churn: int, flash_path: Path, cut_everywhere: CutEverywhere
) -> None:
    others = {**OTHERS, "churn": max(0, churn - 1)} if churn else OTHERS
    start = others if is_new else {**others, key: FIRST[key]}
    before = filled(flash_path, start, churn)
    old = None if is_new else FIRST[key]
    seen = set()
    for op, keep in cut_everywhere(before, lambda nor: put(opened(nor), key, SECOND[key])):
        with Nor(flash_path) as nor:
            nvs = opened(nor)
            assert {name: got(nvs, name, value) for name, value in others.items()} == others, (op, keep)
            value = got(nvs, key, SECOND[key])
            assert value in (old, SECOND[key]), (op, keep)
            seen.add(value)
            ops = nor.ops
            opened(nor)
            assert nor.ops == ops, "a repaired storage needs no repair"
            put(nvs, key, SECOND[key])
            assert got(opened(nor), key, SECOND[key]) == SECOND[key]
    assert seen == {old} | ({SECOND[key]} if old is not None else seen)
