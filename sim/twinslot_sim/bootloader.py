"""ESP-IDF's second-stage bootloader, with rollback on, and the calls of an app that steer it.

The order of flash writes is that of ESP-IDF v5.5.2: bootloader_utility.c and esp_ota_ops.c, whose functions are named
below. MicroPython's builds have rollback since v1.21 and no anti-rollback (sdkconfig.base).

| found at reset | what boots | what is written |
| --- | --- | --- |
| no valid entry, both blank | ota_0, or the next that validates | entry 0: that slot, VALID |
| no valid entry otherwise | the first slot that validates | |
| selected slot NEW | that slot | PENDING_VERIFY |
| an entry PENDING_VERIFY | the other entry's slot | ABORTED |
| selected slot VALID or UNDEFINED | that slot | |
| the slot to boot does not validate | a lower slot, then a higher one | |

Power loss: each write replaces one entry, while the other stands (see `otadata`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from twinslot_sim import otadata, partitions
from twinslot_sim.errors import Esp, EspError, TwinslotError
from twinslot_sim.image import Image, ImageError, parse_stored
from twinslot_sim.nor import SECTOR_SIZE, Nor
from twinslot_sim.otadata import State
from twinslot_sim.partitions import Partition

CHIP_ESP32 = 0
_FACTORY_INDEX = -1


class NoBootableImage(TwinslotError):
    """The board is a brick until it is flashed by wire: a real one would reset for ever. `log` says why."""

    def __init__(self, log: Sequence[str]) -> None:
        super().__init__("nothing in this flash boots: " + "; ".join(log))
        self.log = tuple(log)


@dataclass(frozen=True)
class BootResult:
    """The slot that runs, what its image says of itself, and what the bootloader printed."""

    slot: Partition
    image: Image
    log: tuple[str, ...]


def boot(nor: Nor) -> BootResult:
    """The slot that the chip runs after a reset is chosen, and otadata says so. Raises NoBootableImage."""
    try:
        table = partitions.read(nor)
    except partitions.PartitionTableError as error:
        raise NoBootableImage([f"E boot: {error}"]) from error
    log: list[str] = []
    start, is_first_boot = _select(nor, table, log)
    for index in _indices(start, len(partitions.slots(table))):
        slot = _app(table, index)
        if slot is None:
            continue
        try:
            image = load(nor, slot)
        except ImageError as error:
            log += [f"E esp_image: {error}", f"E boot: {_app_name(index)} is not bootable"]
            continue
        if is_first_boot and index != _FACTORY_INDEX:
            # set_actual_ota_seq. CUT: as if this had never been booted
            _write(nor, _otadata(table), 0, otadata.entry(index + 1, State.VALID), log)
            log.append(f"I boot: Set actual ota_seq={index + 1} in otadata[0]")
        log.append(f"I boot: Loaded app from partition at offset {slot.offset:#x}")
        return BootResult(slot, image, tuple(log))
    raise NoBootableImage([*log, "E boot: No bootable app partitions in the partition table"])


def load(nor: Nor, partition: Partition) -> Image:
    """The image that lies in `partition`. Raises ImageError when the chip would not boot it."""
    return parse_stored(
        lambda offset, length: nor.read(partition.offset + offset, length), partition.size, chip=CHIP_ESP32
    )


def set_boot(nor: Nor, partition: Partition) -> None:
    """`partition` boots next, on trial (esp_ota_set_boot_partition).

    Trap of ESP-IDF up to 5.5.5, kept here: the entry that is not active is replaced whatever it holds. So calling it
    for the slot that is selected already loses the record of the slot to roll back to.

    Raises EspError ESP_ERR_OTA_VALIDATE_FAILED when no bootable image lies there, which changes nothing;
    ESP_ERR_NOT_FOUND when the flash has no otadata.
    """
    try:
        load(nor, partition)
    except ImageError as error:
        raise EspError(Esp.ESP_ERR_OTA_VALIDATE_FAILED) from error
    if partition.type != partitions.APP:
        raise EspError(Esp.ESP_ERR_INVALID_ARG)
    table = partitions.read(nor)
    data = _otadata(table)
    if partition.subtype == partitions.FACTORY:
        # CUT: between the two sectors, the second entry decides if it is valid, else factory boots
        nor.erase(data.offset, data.size)
        return
    slots = len(partitions.slots(table))
    slot = partition.subtype & 0x0F
    if slot >= slots:
        raise EspError(Esp.ESP_ERR_INVALID_ARG)
    entries = otadata.read(nor, data)
    active = otadata.active(entries)
    if active is None:
        target, sequence = 0, slot + 1
    else:
        target, sequence = 1 - active, otadata.sequence_selecting(slot, slots, entries[active].sequence)
    # CUT: the active entry is untouched, so the running slot boots again
    otadata.write(nor, data, target, otadata.entry(sequence, State.NEW, entries[target].label))


def mark_valid(nor: Nor) -> None:
    """The selected slot is confirmed (esp_ota_mark_app_valid_cancel_rollback); nothing is written when it was.

    Trap: that is the slot which otadata selects, and not the running one when the bootloader had to fall back.
    Raises EspError ESP_ERR_NOT_FOUND without otadata, ESP_FAIL without an active entry.
    """
    table = partitions.read(nor)
    data = _otadata(table)
    entries = otadata.read(nor, data)
    active = otadata.active(entries)
    if active is None or not partitions.slots(table):
        raise EspError(Esp.ESP_FAIL)
    if entries[active].state != State.VALID:
        # CUT: the confirmation is lost, and with it the entry: the other entry's slot boots
        otadata.write(nor, data, active, replace(entries[active], state=State.VALID))


def boot_partition(nor: Nor) -> Partition:
    """The partition that is selected to boot, as `Partition(Partition.BOOT)` (esp_ota_get_boot_partition).

    It need not validate. Raises EspError ENOENT without otadata.
    """
    table = partitions.read(nor)
    data = partitions.find(table, partitions.DATA, partitions.OTADATA)
    if data is None:
        raise EspError(Esp.ENOENT)
    entries = otadata.read(nor, data)
    active = otadata.active(entries)
    slots = partitions.slots(table)
    if active is None or not slots:
        selected = partitions.find(table, partitions.APP, partitions.FACTORY) or next(iter(partitions.ota(table)), None)
    else:
        selected = slots[otadata.selected_slot(entries[active].sequence, len(slots))]
    if selected is None:
        raise EspError(Esp.ENOENT)
    return selected


def next_update(nor: Nor, running: Partition) -> Partition:
    """The slot after `running` (esp_ota_get_next_update_partition); with a single slot, that one.

    Raises EspError ENOENT when there are no slots.
    """
    slots = partitions.ota(partitions.read(nor))
    if not slots:
        raise EspError(Esp.ENOENT)
    return slots[(slots.index(running) + 1) % len(slots)] if running in slots else slots[0]


def nvs_partition(nor: Nor) -> Partition:
    """The first NVS partition. Raises EspError ESP_ERR_NOT_FOUND when there is none."""
    nvs = partitions.find(partitions.read(nor), partitions.DATA, partitions.NVS)
    if nvs is None:
        raise EspError(Esp.ESP_ERR_NOT_FOUND)
    return nvs


def _select(nor: Nor, table: list[Partition], log: list[str]) -> tuple[int, bool]:
    """The index of the app to try first, and whether otadata is as new; both entries are up to date.

    That is bootloader_utility_get_selected_boot_partition. A slot found in its trial is aborted, and a new one begins
    its trial.
    """
    data = partitions.find(table, partitions.DATA, partitions.OTADATA)
    if data is None:
        return _FACTORY_INDEX, False
    if data.size < 2 * SECTOR_SIZE:
        raise NoBootableImage([f"E boot: ota_info partition size {data.size} is too small"])
    entries = otadata.read(nor, data)
    for index in (0, 1):
        if entries[index].state == State.PENDING_VERIFY:
            entries[index] = replace(entries[index], state=State.ABORTED)
            # CUT: the entry is blank instead of ABORTED; the other one decides either way
            _write(nor, data, index, entries[index], log)
    slots = len(partitions.slots(table))
    if not slots or all(entry.is_rejected for entry in entries):
        if partitions.find(table, partitions.APP, partitions.FACTORY):
            log.append("I boot: Defaulting to factory image")
            return _FACTORY_INDEX, False
        log.append("I boot: No factory image, trying OTA 0")
        return 0, all(entry.is_blank for entry in entries)
    active = otadata.active(entries)
    if active is None:
        log.append("E boot: ota data partition invalid, will try all partitions")
        return _FACTORY_INDEX, False
    selected = entries[active]
    if selected.state == State.NEW:
        # CUT: the entry is blank and the new image was never run; the other entry's slot boots
        _write(nor, data, active, replace(selected, state=State.PENDING_VERIFY), log)
    return otadata.selected_slot(selected.sequence, slots), False


def _write(nor: Nor, data: Partition, index: int, entry: otadata.Entry, log: list[str]) -> None:
    """The entry is there, or the log says that flash did not take it: the boot goes on (write_otadata, whose callers do
    not look at what it returns)."""
    try:
        otadata.write(nor, data, index, entry)
    except EspError as error:
        log.append(f"E boot: Error in write_otadata operation. err = {-error.code:#x}")


def _indices(start: int, slots: int) -> Iterator[int]:
    """The order in which apps are tried: down to the factory app, then up (bootloader_utility_load_boot_image)."""
    yield from range(start, _FACTORY_INDEX - 1, -1)
    yield from range(start + 1, slots)


def _otadata(table: Sequence[Partition]) -> Partition:
    data = partitions.find(table, partitions.DATA, partitions.OTADATA)
    if data is None:
        raise EspError(Esp.ESP_ERR_NOT_FOUND)
    return data


def _app(table: Sequence[Partition], index: int) -> Partition | None:
    slots = partitions.slots(table)
    if index == _FACTORY_INDEX:
        return partitions.find(table, partitions.APP, partitions.FACTORY)
    return slots[index] if index < len(slots) else None


def _app_name(index: int) -> str:
    return "Factory app partition" if index == _FACTORY_INDEX else f"OTA app partition slot {index}"
