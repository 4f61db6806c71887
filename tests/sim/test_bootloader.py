"""The bootloader and the calls that steer it, held to what was seen on real builds."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from twinslot_sim import bootloader, image, otadata, partitions
from twinslot_sim.bootloader import NoBootableImage
from twinslot_sim.errors import EspError
from twinslot_sim.nor import FLASH_SIZE, Nor
from twinslot_sim.otadata import State
from twinslot_sim.partitions import MICROPYTHON_4MIB_OTA, Partition

_, OTADATA, _, OTA_0, OTA_1, VFS = MICROPYTHON_4MIB_OTA

FACTORY = Partition(partitions.APP, partitions.FACTORY, 0x10000, 0x100000, "factory")
IMAGES = {slot: image.build("kettle", version, {}) for slot, version in ((OTA_0, "1.0.0"), (OTA_1, "1.1.0"))}

CutEverywhere = Callable[[bytes, Callable[[Nor], object]], Iterator[tuple[int, int]]]
Entry = tuple[int, State] | None


def flash_of(*entries: Entry, without: Partition | None = None) -> bytes:
    """A flash with an image in both slots, save the one `without`, and these (sequence, state) in otadata."""
    flash = bytearray(b"\xff" * FLASH_SIZE)
    table = partitions.build(MICROPYTHON_4MIB_OTA)
    flash[0x8000 : 0x8000 + len(table)] = table
    for slot, data in IMAGES.items():
        if slot != without:
            flash[slot.offset : slot.offset + len(data)] = data
    for index, entry in enumerate(entries):
        if entry:
            crc = otadata.sequence_crc(entry[0]).to_bytes(4, "little")
            at = OTADATA.offset + 4096 * index
            packed = entry[0].to_bytes(4, "little") + b"\xff" * 20 + entry[1].to_bytes(4, "little") + crc
            flash[at : at + 32] = packed
    return bytes(flash)


@pytest.fixture
def flashed(flash_path: Path) -> Callable[..., Nor]:
    """Writes such a flash and opens it."""

    def make(*entries: Entry, without: Partition | None = None) -> Nor:
        flash_path.write_bytes(flash_of(*entries, without=without))
        return Nor(flash_path)

    return make


def entries_in(nor: Nor) -> list[Entry]:
    """What otadata holds; None for an entry that counts for nothing."""
    return [None if e.is_blank else (e.sequence, State(e.state)) for e in otadata.read(nor, OTADATA)]


def code_of(call: Callable[[], object]) -> tuple[int, str]:
    with pytest.raises(EspError) as raised:
        call()
    return raised.value.code, raised.value.name


def test_crc_of_sequence_1_is_that_of_the_chip() -> None:
    assert otadata.sequence_crc(1) == 0x4743989A


def test_fresh_chip_boots_ota_0_and_records_it_as_valid(flashed: Callable[..., Nor]) -> None:
    with flashed() as nor:
        booted = bootloader.boot(nor)
        assert (booted.slot, booted.image.version) == (OTA_0, "1.0.0")
        assert entries_in(nor) == [(1, State.VALID), None]
        assert bootloader.boot_partition(nor) == OTA_0
        assert booted.log[-1] == "I boot: Loaded app from partition at offset 0x10000"


def test_fresh_chip_with_damaged_ota_0_boots_ota_1(flashed: Callable[..., Nor]) -> None:
    with flashed(without=OTA_0) as nor:
        assert bootloader.boot(nor).slot == OTA_1
        assert entries_in(nor) == [(2, State.VALID), None]


def test_new_image_is_tried_once_and_then_rolled_back(flashed: Callable[..., Nor]) -> None:
    with flashed((1, State.VALID)) as nor:
        bootloader.set_boot(nor, OTA_1)
        assert entries_in(nor) == [(1, State.VALID), (2, State.NEW)]
        assert bootloader.boot(nor).slot == OTA_1
        assert entries_in(nor) == [(1, State.VALID), (2, State.PENDING_VERIFY)]
        assert bootloader.boot(nor).slot == OTA_0
        assert entries_in(nor) == [(1, State.VALID), (2, State.ABORTED)]
        assert bootloader.boot(nor).slot == OTA_0
        assert bootloader.boot_partition(nor) == OTA_0


def test_confirmed_image_stays(flashed: Callable[..., Nor]) -> None:
    with flashed((1, State.VALID)) as nor:
        bootloader.set_boot(nor, OTA_1)
        bootloader.boot(nor)
        bootloader.mark_valid(nor)
        assert entries_in(nor) == [(1, State.VALID), (2, State.VALID)]
        assert [bootloader.boot(nor).slot for _ in range(2)] == [OTA_1, OTA_1]


def test_second_update_takes_the_older_entry(flashed: Callable[..., Nor]) -> None:
    with flashed((1, State.VALID), (2, State.VALID)) as nor:
        bootloader.set_boot(nor, OTA_0)
        assert entries_in(nor) == [(3, State.NEW), (2, State.VALID)]
        assert bootloader.boot(nor).slot == OTA_0


def test_aborted_slot_can_be_set_again(flashed: Callable[..., Nor]) -> None:
    with flashed((1, State.VALID), (2, State.ABORTED)) as nor:
        bootloader.set_boot(nor, OTA_1)
        assert entries_in(nor) == [(1, State.VALID), (2, State.NEW)]


def test_mark_valid_of_a_valid_slot_writes_nothing(flashed: Callable[..., Nor]) -> None:
    with flashed((1, State.VALID)) as nor:
        bootloader.mark_valid(nor)
        assert nor.ops == 0


def test_mark_valid_without_an_active_entry_is_esp_fail(flashed: Callable[..., Nor]) -> None:
    with flashed() as nor:
        assert code_of(lambda: bootloader.mark_valid(nor)) == (-1, "")
        assert nor.ops == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"\xff" * len(data),
        lambda data: bytes(len(data)),
        lambda data: data[:200] + bytes([data[200] ^ 1]) + data[201:],
        lambda data: data[:-33] + b"\xff" * 33,
        lambda data: image.build("kettle", "1.1.0", {}, chip=9),
    ],
    ids=["erased", "zeroed", "one bit flipped", "cut short", "another chip's"],
)
def test_set_boot_of_a_bad_image_is_refused_and_changes_nothing(
    flash_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    flash = bytearray(flash_of((1, State.VALID)))
    data = damage(IMAGES[OTA_1])
    flash[OTA_1.offset : OTA_1.offset + len(data)] = data
    flash_path.write_bytes(flash)
    with Nor(flash_path) as nor:
        assert code_of(lambda: bootloader.set_boot(nor, OTA_1)) == (-5379, "ESP_ERR_OTA_VALIDATE_FAILED")
        assert bootloader.boot_partition(nor) == OTA_0
    assert flash_path.read_bytes() == flash


def test_set_boot_of_a_data_partition_fails_its_validation(flashed: Callable[..., Nor]) -> None:
    with flashed((1, State.VALID)) as nor:
        assert code_of(lambda: bootloader.set_boot(nor, VFS)) == (-5379, "ESP_ERR_OTA_VALIDATE_FAILED")
        assert nor.ops == 0


def test_trap_1_old_slot_set_while_pending_is_itself_on_trial(flashed: Callable[..., Nor]) -> None:
    with flashed((1, State.VALID), (2, State.NEW)) as nor:
        bootloader.boot(nor)
        bootloader.set_boot(nor, OTA_0)
        assert entries_in(nor) == [(3, State.NEW), (2, State.PENDING_VERIFY)]
        assert bootloader.boot(nor).slot == OTA_0
        assert entries_in(nor) == [(3, State.PENDING_VERIFY), (2, State.ABORTED)]


def test_trap_2_confirming_after_a_fallback_marks_the_broken_slot(flashed: Callable[..., Nor]) -> None:
    with flashed((1, State.VALID), (2, State.NEW), without=OTA_1) as nor:
        assert bootloader.boot(nor).slot == OTA_0
        assert bootloader.boot_partition(nor) == OTA_1
        bootloader.mark_valid(nor)
        assert entries_in(nor) == [(1, State.VALID), (2, State.VALID)]
        booted = bootloader.boot(nor)
        assert booted.slot == OTA_0
        assert "E boot: OTA app partition slot 1 is not bootable" in booted.log


def test_trap_3_set_boot_of_the_selected_slot_overwrites_the_rollback_record(flashed: Callable[..., Nor]) -> None:
    with flashed((1, State.VALID)) as nor:
        bootloader.set_boot(nor, OTA_1)
        bootloader.set_boot(nor, OTA_1)
        assert entries_in(nor) == [(2, State.NEW), (2, State.NEW)]


def test_trap_4_torn_entry_leaves_the_choice_to_the_other(flash_path: Path) -> None:
    flash = bytearray(flash_of((1, State.VALID), (2, State.VALID)))
    flash[OTADATA.offset + 4096 + 28] ^= 1
    flash_path.write_bytes(flash)
    with Nor(flash_path) as nor:
        assert bootloader.boot(nor).slot == OTA_0


def test_trap_4_both_torn_boots_the_first_that_validates(flash_path: Path) -> None:
    flash = bytearray(flash_of((1, State.VALID), (2, State.VALID), without=OTA_0))
    for index in (0, 1):
        flash[OTADATA.offset + 4096 * index + 28] ^= 1
    flash_path.write_bytes(flash)
    with Nor(flash_path) as nor:
        assert bootloader.boot(nor).slot == OTA_1
        assert nor.ops == 0


def test_trap_4_aborted_image_still_boots_when_the_old_one_is_damaged(flashed: Callable[..., Nor]) -> None:
    with flashed((1, State.VALID), (2, State.PENDING_VERIFY), without=OTA_0) as nor:
        assert bootloader.boot(nor).slot == OTA_1
        assert entries_in(nor) == [(1, State.VALID), (2, State.ABORTED)]


def test_nothing_that_validates_raises_and_says_why(flash_path: Path) -> None:
    flash_path.write_bytes(flash_of((1, State.VALID), without=OTA_0)[: OTA_1.offset] + b"\xff" * 0x270000)
    with Nor(flash_path) as nor, pytest.raises(NoBootableImage) as raised:
        bootloader.boot(nor)
    assert "E boot: OTA app partition slot 1 is not bootable" in raised.value.log


def test_flash_without_a_table_raises(flash_path: Path) -> None:
    flash_path.write_bytes(b"\xff" * FLASH_SIZE)
    with Nor(flash_path) as nor, pytest.raises(NoBootableImage, match="no partition table"):
        bootloader.boot(nor)


def test_next_update_is_the_other_slot(flashed: Callable[..., Nor]) -> None:
    with flashed() as nor:
        assert bootloader.next_update(nor, OTA_0) == OTA_1
        assert bootloader.next_update(nor, OTA_1) == OTA_0


def with_table(flash_path: Path, *table: Partition) -> Nor:
    """A flash with the image 1.0.0 in the first app partition of another table, and otadata erased."""
    data = bytearray(b"\xff" * FLASH_SIZE)
    built = partitions.build(table)
    data[0x8000 : 0x8000 + len(built)] = built
    data[0x10000 : 0x10000 + len(IMAGES[OTA_0])] = IMAGES[OTA_0]
    flash_path.write_bytes(data)
    return Nor(flash_path)


def test_one_app_layout_boots_and_has_no_updates(flash_path: Path) -> None:
    with with_table(flash_path, FACTORY) as nor:
        assert bootloader.boot(nor).slot == FACTORY
        assert code_of(lambda: bootloader.set_boot(nor, FACTORY)) == (-261, "ESP_ERR_NOT_FOUND")
        assert code_of(lambda: bootloader.mark_valid(nor)) == (-261, "ESP_ERR_NOT_FOUND")
        assert code_of(lambda: bootloader.boot_partition(nor)) == (-2, "")
        assert code_of(lambda: bootloader.next_update(nor, FACTORY)) == (-2, "")
        assert nor.ops == 0


def test_single_ota_slot_is_its_own_next_update(flash_path: Path) -> None:
    slot = replace(OTA_0, label="only")
    with with_table(flash_path, OTADATA, slot) as nor:
        assert bootloader.boot(nor).slot == slot
        assert bootloader.next_update(nor, slot) == slot


def test_factory_app_boots_first_and_set_boot_of_it_erases_otadata(flash_path: Path) -> None:
    with with_table(flash_path, OTADATA, FACTORY, OTA_1) as nor:
        assert bootloader.boot(nor).slot == FACTORY
        assert nor.ops == 0
        nor.program(OTADATA.offset, bytes(64))
        bootloader.set_boot(nor, FACTORY)
        assert nor.read(OTADATA.offset, OTADATA.size) == b"\xff" * OTADATA.size
        assert bootloader.boot_partition(nor) == FACTORY


STEPS: dict[str, tuple[tuple[Entry, ...], Callable[[Nor], object]]] = {
    "first boot": ((), bootloader.boot),
    "set_boot on a fresh chip": ((), lambda nor: bootloader.set_boot(nor, OTA_1)),
    "set_boot": (((1, State.VALID),), lambda nor: bootloader.set_boot(nor, OTA_1)),
    "set_boot back": (((1, State.VALID), (2, State.VALID)), lambda nor: bootloader.set_boot(nor, OTA_0)),
    "set_boot while pending": (
        ((1, State.VALID), (2, State.PENDING_VERIFY)),
        lambda nor: bootloader.set_boot(nor, OTA_0),
    ),
    "set_boot twice": (((1, State.VALID), (2, State.NEW)), lambda nor: bootloader.set_boot(nor, OTA_1)),
    "boot of a new image": (((1, State.VALID), (2, State.NEW)), bootloader.boot),
    "boot that rolls back": (((1, State.VALID), (2, State.PENDING_VERIFY)), bootloader.boot),
    "boot of two pending": (((3, State.PENDING_VERIFY), (2, State.PENDING_VERIFY)), bootloader.boot),
    "mark_valid": (((1, State.VALID), (2, State.PENDING_VERIFY)), bootloader.mark_valid),
    "mark_valid of an entry alone": (((1, State.PENDING_VERIFY),), bootloader.mark_valid),
}


@pytest.mark.parametrize("name", STEPS)
def test_cut_anywhere_leaves_a_board_that_boots(name: str, flash_path: Path, cut_everywhere: CutEverywhere) -> None:
    entries, step = STEPS[name]
    for op, keep in cut_everywhere(flash_of(*entries), step):
        with Nor(flash_path) as nor:
            booted = bootloader.boot(nor)
            assert booted.slot in (OTA_0, OTA_1), (op, keep)
            assert bootloader.load(nor, booted.slot).version == {OTA_0: "1.0.0", OTA_1: "1.1.0"}[booted.slot]
            for slot, data in IMAGES.items():
                assert nor.read(slot.offset, len(data)) == data


@pytest.mark.parametrize("name", ["set_boot", "boot of a new image"])
def test_cut_while_switching_boots_the_old_image_or_the_new(
    name: str, flash_path: Path, cut_everywhere: CutEverywhere
) -> None:
    entries, step = STEPS[name]
    slots = set()
    for _ in cut_everywhere(flash_of(*entries), step):
        with Nor(flash_path) as nor:
            slots.add(bootloader.boot(nor).slot)
            bootloader.set_boot(nor, OTA_1)
            assert bootloader.boot(nor).slot == OTA_1
            bootloader.mark_valid(nor)
            assert bootloader.boot(nor).slot == OTA_1
    assert slots == {OTA_0, OTA_1}
