"""The chip. The only module that imports `esp32`, `machine` and `network`, and where their OSError ends."""

import struct
import time

import machine
from esp32 import NVS, Partition

from . import otadata, record
from .errors import ConfigError, TwinslotError

SECTOR_BYTES = 4096
_NVS_KEY = "state"
_RECORD_MAX_BYTES = 1536
_APP_SLOTS = ("ota_0", "ota_1")


class NotBootable(TwinslotError):
    """The chip will not boot from the slot; nothing has changed."""


def _partition(which: "int | str") -> Partition:
    """A partition by label, or BOOT or RUNNING."""
    return Partition(which)  # pyright: ignore[reportArgumentType] - the stubs know labels only


def _slot_index(partition: Partition) -> int:
    label = partition.info()[4]
    if label not in _APP_SLOTS:
        raise ConfigError("this board's partition table has no second app slot ({} runs)".format(label))
    return _APP_SLOTS.index(label)


class Slot:
    """An app slot that may be written: never the running one. Offsets are bytes."""

    def __init__(self, partition: Partition) -> None:
        if partition.info() == _partition(Partition.RUNNING).info():
            raise TwinslotError("the running slot is never written")
        self._partition = partition
        self.index = _slot_index(partition)
        self.size: int = partition.info()[3]

    def read(self, offset: int, buffer: memoryview) -> None:
        """`buffer` is filled from the slot."""
        at = offset // SECTOR_BYTES, offset % SECTOR_BYTES
        self._partition.readblocks(at[0], buffer, at[1])  # pyright: ignore[reportArgumentType] - any buffer will do

    def write_sector(self, sector: int, buffer: memoryview) -> None:
        """The sector has been erased and holds `buffer`, 4096 bytes."""
        # CUT: the sector is torn, in a slot that nothing boots from; the next download writes it again.
        self._partition.writeblocks(sector, buffer)  # pyright: ignore[reportArgumentType] - any buffer will do

    def set_boot(self) -> None:
        """The next boot is this slot's, pending. Raises NotBootable when the chip's check of the image fails.

        The caller has just read the slot back. Not to be called when BOOT is this slot already: that would overwrite
        the record that makes rolling back possible (ESP-IDF up to 5.5.5).
        """
        try:
            # CUT: otadata's older entry is torn or new; the newer one still names the confirmed slot.
            self._partition.set_boot()
        except OSError as error:
            raise NotBootable(str(error))


def running_slot() -> int:
    """0 or 1: the slot whose code this is. Raises ConfigError on a board without two slots."""
    return _slot_index(_partition(Partition.RUNNING))


def boot_slot() -> int:
    """0 or 1: the slot that otadata names."""
    return _slot_index(_partition(Partition.BOOT))


def slot_states() -> "list[int | None]":
    """The otadata states of both slots, None where no entry names a slot."""
    partition = Partition.find(Partition.TYPE_DATA, 0, "otadata")[0]
    first, second = bytearray(otadata.ENTRY_BYTES), bytearray(otadata.ENTRY_BYTES)
    partition.readblocks(0, first)
    partition.readblocks(1, second)
    return otadata.slot_states(first, second)


def slot(index: int) -> Slot:
    """The slot `index`, to be written. Raises TwinslotError when it is the running one."""
    return Slot(_partition(_APP_SLOTS[index]))


def chip_id() -> int:
    """The chip as the running image's header names it (esp_app_format.h, offset 12)."""
    head = bytearray(2)
    _partition(Partition.RUNNING).readblocks(0, head, 12)
    return struct.unpack("<H", head)[0]


def image_version() -> str:
    """The version that the running image gives itself (esp_app_desc_t, offset 48 of the image)."""
    text = bytearray(32)
    _partition(Partition.RUNNING).readblocks(0, text, 48)
    return bytes(text).split(b"\0")[0].decode() or "0.0.0"


def mark_valid() -> None:
    """The running slot is confirmed: no rollback any more. Raises TwinslotError unless RUNNING is BOOT.

    With another BOOT slot it would be that one, perhaps broken, that becomes valid (esp32-facts.md, trap 2).
    """
    if boot_slot() != running_slot():
        raise TwinslotError("otadata names the other slot: not confirmed")
    # CUT: otadata's entry for this slot is lost; the old slot boots, finds its record, and switches again.
    Partition.mark_app_valid_cancel_rollback()


def load_record() -> "dict | None":
    """The device's update record; None when there is none that can be read."""
    buffer = bytearray(_RECORD_MAX_BYTES)
    try:
        length = NVS("twinslot").get_blob(_NVS_KEY, buffer)
        return record.decode(memoryview(buffer)[:length])
    except (OSError, ValueError):
        return None


def save_record(value: dict) -> None:
    """The record is in flash."""
    nvs = NVS("twinslot")
    # CUT: NVS holds the old record or the new one.
    nvs.set_blob(_NVS_KEY, record.encode(value))
    nvs.commit()


reset_cause = machine.reset_cause
reset = machine.reset
Watchdog = machine.WDT  # a second one changes the first one's timeout (ports/esp32/machine_wdt.c)


def set_clock(unix_s: int) -> None:
    """The clock shows `unix_s`, Unix seconds, when it was more than 2 s off. The chip's own epoch may be 2000."""
    offset_s = 0 if time.gmtime(0)[0] == 1970 else 946684800
    if abs(time.time() + offset_s - unix_s) > 2:
        year, month, day, hour, minute, second, weekday = time.gmtime(unix_s - offset_s)[:7]
        machine.RTC().datetime((year, month, day, weekday, hour, minute, second, 0))


def wifi_connected(ssid: str, password: str) -> bool:
    """Whether the station is connected; when it was down, it is up and has been told to connect."""
    import network

    station = network.WLAN(network.STA_IF)
    if not station.active():
        station.active(True)
        station.connect(ssid, password)  # the chip reconnects by itself from here on
    return station.isconnected()
