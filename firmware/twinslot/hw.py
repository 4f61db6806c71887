"""The chip. The only module that imports `esp32`, `machine` and `network`. An OSError of theirs that somebody can do
something about leaves it as a class of `errors`."""

import os
import struct
import sys
import time

import machine
from esp32 import NVS, Partition
from micropython import const

from . import otadata, record
from .errors import NotBootable, NvsRefused, RecordUnreadable, TransferError, TwinslotError

_RECORD = "state"
_FLOOR = "floor"
_CRASHES = "crashes"
_TRIAL_STATE = "spec_state"  # boot/boot.py has the same names
_TREE = "tree"
_TREES = ("/app_a", "/app_b")
OPERATION = "operation"
OPERATION_MAX_BYTES = 1280
_NVS_NOT_FOUND = const(-0x1102)
_NVS_FULL = const(-0x1105)
_NOT_VALID = const(-0x1503)  # ESP_ERR_OTA_VALIDATE_FAILED
_APP_SLOTS = ("ota_0", "ota_1")
_BLOCK_ERASE = const(6)  # of `ioctl` (extmod/vfs.h)


def _partition(which: "int | str") -> Partition:
    """A partition by label, or BOOT or RUNNING."""
    return Partition(which)  # pyright: ignore[reportArgumentType] - the stubs know labels only


def _slot_index(partition: Partition) -> int:
    label = partition.info()[4]
    return _APP_SLOTS.index(label) if label in _APP_SLOTS else 0


def _running_label() -> str:
    return _partition(Partition.RUNNING).info()[4]


class App:
    """What runs, to be read. Offsets are bytes."""

    def __init__(self, which: "int | str" = Partition.RUNNING) -> None:
        self._partition = _partition(which)
        self.size: int = self._partition.info()[3]

    def read(self, offset: int, buffer: memoryview) -> None:
        """`buffer` is filled from flash."""
        sector, at = divmod(offset, otadata.SECTOR_BYTES)
        self._partition.readblocks(sector, buffer, at)  # pyright: ignore[reportArgumentType] - any buffer will do


class Slot(App):
    """An app slot, 0 or 1, that may be written: never the running one."""

    def __init__(self, index: int) -> None:
        if index == running_slot():
            raise TwinslotError("the running slot is never written")
        super().__init__(_APP_SLOTS[index])
        self.index = index

    def write_sector(self, sector: int, buffer: memoryview) -> None:
        """The sector has been erased and holds `buffer`, 4096 bytes. Raises TransferError when flash does not take
        that."""
        try:
            # CUT: the sector is torn, in a slot that otadata does not select; the next download writes it again.
            self._partition.writeblocks(sector, buffer)  # pyright: ignore[reportArgumentType] - any buffer will do
        except OSError as error:
            raise TransferError("flash did not take sector {}: {}".format(sector, error))

    def set_boot(self) -> None:
        """The next boot is this slot's, pending. Raises NotBootable when the chip's check of the image fails,
        TransferError when flash does not take the switch.

        The caller has just read the slot back. Not to be called when BOOT is this slot already: that would overwrite
        the record that makes rolling back possible (ESP-IDF up to 5.5.5).
        """
        _erase_other_entry()
        try:
            # CUT: otadata's older entry is torn, and the newer one still names the confirmed slot, which switches
            # again, or gives up after four times; or it is whole, and the new image boots.
            self._partition.set_boot()
        except OSError as error:
            raise (NotBootable if error.args[0] == _NOT_VALID else TransferError)(str(error))


def running_slot() -> int:
    """0 or 1: the slot whose code this is; 0 on a board without two slots."""
    return _slot_index(_partition(Partition.RUNNING))


def free_slot_size() -> int:
    """Bytes of the slot that is not running; 0 on a board without two slots."""
    if _running_label() not in _APP_SLOTS:
        return 0
    found = Partition.find(Partition.TYPE_APP, label=_APP_SLOTS[1 - running_slot()])
    return found[0].info()[3] if found else 0


def boot_slot() -> int:
    """0 or 1: the slot that otadata names; without a second slot, the running one."""
    if not free_slot_size():
        return running_slot()  # there may be no otadata, and then there is no BOOT
    return _slot_index(_partition(Partition.BOOT))


def slot_states() -> "list[int | None]":
    """The otadata states of both slots, None where no entry names a slot."""
    partitions = Partition.find(Partition.TYPE_DATA, 0, "otadata")
    first, second = bytearray(otadata.ENTRY_BYTES), bytearray(otadata.ENTRY_BYTES)
    for partition in partitions:
        partition.readblocks(0, first)
        partition.readblocks(1, second)
    return otadata.slot_states(first, second)


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


def _erase_other_entry() -> None:
    """Where one of otadata's two entries confirms the running slot, there is no other one. `set_boot` writes over the
    entry that is not the newest: where an erase was cut short, the newest is one in this moment and the other in the
    next. Raises TransferError when flash does not erase it."""
    entry = bytearray(otadata.ENTRY_BYTES)
    for partition in Partition.find(Partition.TYPE_DATA, 0, "otadata"):
        confirms = []
        for sector in (0, 1):
            partition.readblocks(sector, entry)
            confirms.append(otadata.slot_states(entry, b"\0" * 32)[running_slot()] == otadata.VALID)
        if confirms[0] != confirms[1]:
            try:
                # CUT: otadata names the confirmed slot, which boots and comes here again.
                partition.ioctl(_BLOCK_ERASE, confirms.index(False))
            except OSError as error:
                raise TransferError("flash did not erase an entry of otadata: {}".format(error))


def keep_running() -> None:
    """The running slot is confirmed, and the one that boots.

    Where otadata names the other slot (the bootloader fell back from it), confirming alone would make that one valid,
    perhaps broken (tests/e2e/test_traps.py), and where it names none, fail; so the running slot is selected first, and
    where it was confirmed before, that is all. What is selected and confirmed is left alone: a sector whose erase was
    cut short may read otherwise in the next moment.
    Where there is no second slot, there is nothing to do. Raises TransferError when flash does not keep it; then it is
    to be done again.
    """
    if not free_slot_size():
        return
    running = running_slot()
    selected, state = boot_slot() == running, slot_states()[running]
    if selected and state == otadata.VALID:
        return
    if state != otadata.VALID:
        if not selected or state in (None, otadata.INVALID, otadata.ABORTED):
            # CUT: otadata is as wrong as it was, and this slot boots all the same; it comes here again.
            _partition(Partition.RUNNING).set_boot()
        # CUT: otadata's entry for this slot is lost; the other slot boots, finds the trial in the record, and switches
        # again, or gives up after four times.
        Partition.mark_app_valid_cancel_rollback()
    else:
        _erase_other_entry()
    if slot_states()[running] != otadata.VALID or boot_slot() != running:
        raise TransferError("flash did not keep the confirmation")


def load_record() -> "dict | None":
    """The device's update record, None when there never was one. Raises RecordUnreadable when there is no telling."""
    buffer = bytearray(record.MAX_BYTES)
    try:
        length = NVS("twinslot").get_blob(_RECORD, buffer)
        return record.decode(memoryview(buffer)[:length])
    except (OSError, ValueError) as error:
        if error.args[:1] == (_NVS_NOT_FOUND,) and not any(load_floor() or ()):
            return None
        raise RecordUnreadable(str(error))


def save_record(value: dict) -> None:
    """The record is in flash. Raises ValueError for one that could not be read back, TransferError when NVS does not
    take it. Where the application has filled NVS, one that is not longer than the old one gets its room, so that a
    trial comes to its end."""
    data, floor = record.encode(value), record.floor(value)
    try:
        _save(data, floor)
    except TransferError:
        if refused or len(data) > load_blob(_RECORD, bytearray(record.MAX_BYTES)):
            raise
        # CUT: there is no record. What otadata and `tree` select boots, as ever, and takes nothing below the floor.
        forget(_RECORD)
        _save(data, floor)


def _save(data: bytes, floor: bytes) -> None:
    # CUT: the floor may be ahead of the record; it is only read when the record can't be.
    keep(_FLOOR, floor)
    # CUT: NVS holds the old record or the new one.
    keep(_RECORD, data)


def load_floor() -> "tuple[int, int, int, list | None] | None":
    """`record.floor_numbers` of the last record, kept apart from it; None when they can't be read either."""
    data = bytearray(record.FLOOR_BYTES)
    return record.floor_numbers(data) if load_blob(_FLOOR, data) else None


def crashes() -> int:
    """How many boots in a row the application of a confirmed image has ended in an exception."""
    return _number(_CRASHES) or 0


def set_crashes(count: int) -> None:
    """`crashes()` is `count` from now on; 0 in an NVS that is full."""
    # CUT: the old count; the next crash, or the next check-in, changes it.
    _keep_or_forget(_CRASHES, count)


def trial_state() -> "int | None":
    """How far the trial of a release without an image is: NEW, PENDING_VERIFY, ABORTED as in otadata; VALID when it was
    confirmed, None before the first."""
    number = _number(_TRIAL_STATE)
    return None if number is None else number & 7


def try_next(tree: int) -> None:
    """The next boot that is not a soft reset is the trial of the specification that the record names, and of the
    `tree`, 0 for none. Raises TransferError when NVS does not take that."""
    # CUT: as it was, and the next boot tries again, or gives up after four times; or NEW, and the next boot is its
    # trial.
    keep(_TRIAL_STATE, otadata.NEW + 8 * tree)


def end_trial() -> None:
    """Neither a specification nor a tree is on trial, nor will the next boot try one."""
    if trial_state() in (otadata.NEW, otadata.PENDING_VERIFY):
        # CUT: as it was, or aborted by the next boot; the record decides: it names no trial, or undoes it once more.
        _keep_or_forget(_TRIAL_STATE, otadata.VALID)


def _running_tree() -> int:
    for tree, folder in enumerate(_TREES, 1):
        if folder in sys.path:
            try:
                os.stat(folder + "/.list")
                return tree
            except OSError:
                pass  # it went with its file system, and NVS has outlived that
    return 0


running_tree = _running_tree()
"""The tree that boot.py has put into `sys.path`, 1 or 2; 0 for none, or where there is nothing in it."""


def kept_tree() -> int:
    """The tree that runs when none is on trial, 1 or 2; 0 for none."""
    tree = _number(_TREE)
    return tree if tree in (1, 2) else 0


def keep_tree(tree: int) -> None:
    """That is `kept_tree()`. Raises TransferError when NVS does not take it."""
    if kept_tree() != tree:
        # CUT: the tree is on trial still, and gets another one; or it is kept, which the next boot records.
        keep(_TREE, tree)
        if kept_tree() != tree:
            raise TransferError("NVS did not keep the tree")


def free_tree() -> int:
    """The tree that may be written beside the one that is kept."""
    return 2 if kept_tree() == 1 else 1


def tree_root(tree: int) -> str:
    """The folder of the tree, with a slash at its end; "/" for none."""
    return _TREES[tree - 1] + "/" if tree else "/"


def load_operation() -> bytes:
    """What is kept of an operation (`outcome.py`); empty when there is nothing."""
    data = bytearray(OPERATION_MAX_BYTES)
    return bytes(data[: load_blob(OPERATION, data)])


def image_on_trial() -> bool:
    """Whether the running image has yet to be confirmed."""
    label = _running_label()
    return label in _APP_SLOTS and slot_states()[_APP_SLOTS.index(label)] in otadata.UNPROVEN


def on_trial() -> bool:
    """Whether what runs, the image, its specification or its tree, has yet to be confirmed."""
    number = _number(_TRIAL_STATE) or 0
    # Without a boot.py it stays pending, though no tree is on trial.
    is_tried = number & 7 == otadata.PENDING_VERIFY and number >> 3 in (0, running_tree)
    return is_tried or image_on_trial()


def _number(key: str) -> "int | None":
    try:
        return NVS("twinslot").get_i32(key)
    except OSError:
        return None


def load_blob(key: str, buffer: "bytearray | memoryview") -> int:
    """How many bytes the key has, which are in `buffer`; 0 when they can't be read."""
    try:
        return NVS("twinslot").get_blob(key, buffer)  # pyright: ignore[reportArgumentType] - any buffer will do
    except OSError:
        return 0


refused = False
"""Whether flash has refused a write to NVS since the start, which takes none any more before the next one."""


def keep(key: str, value: "int | bytes") -> None:
    """The key has the value. Raises TransferError when NVS has no room for it, NvsRefused when flash does not take it:
    then it may lie there in two versions until the next start, when ESP-IDF erases one; what was written in between, it
    would take for a part of either."""
    global refused
    if refused:
        raise NvsRefused("NVS takes nothing before the next start")
    try:
        nvs = NVS("twinslot")
        if isinstance(value, int):
            nvs.set_i32(key, value)
        else:
            nvs.set_blob(key, value)
        nvs.commit()
    except OSError as error:
        refused = error.args[0] != _NVS_FULL
        raise (NvsRefused if refused else TransferError)("NVS did not take {}: {}".format(key, error))


def forget(key: str) -> None:
    """There is no such key. NVS has room for that when it is full."""
    try:
        nvs = NVS("twinslot")
        nvs.erase_key(key)
        nvs.commit()
    except OSError:
        pass  # there was none


def _keep_or_forget(key: str, value: int) -> None:
    """The key has the value; in an NVS that is full, there is none."""
    try:
        keep(key, value)
    except TransferError:
        forget(key)


reset_cause = machine.reset_cause
reset = machine.reset
Watchdog = machine.WDT  # a second one changes the first one's timeout (ports/esp32/machine_wdt.c)


started_s = time.time()
"""When the package was imported, by the clock as it shows the time now."""
_EPOCH_S = 0 if time.gmtime(0)[0] == 1970 else 946684800  # the chip's own is 2000


def clock_s() -> int:
    """What the clock shows, Unix seconds."""
    return int(time.time()) + _EPOCH_S


def network_time_s() -> int:
    """Unix seconds by a time server, for which nobody vouches; 0 when none answers, or this image has no `ntptime`."""
    try:
        import ntptime

        return ntptime.time() + _EPOCH_S
    except (ImportError, OSError, ValueError, IndexError):
        return 0


def set_clock(unix_s: int) -> None:
    """The clock shows `unix_s`, Unix seconds, or the start of the chip's epoch, when it was more than 2 s off."""
    global started_s
    now_s = max(0, unix_s - _EPOCH_S)
    late_s = now_s - time.time()
    if abs(late_s) > 2:
        started_s += late_s
        year, month, day, hour, minute, second, weekday = time.gmtime(now_s)[:7]
        machine.RTC().datetime((year, month, day, weekday, hour, minute, second, 0))


def wifi_connected(ssid: str, password: str) -> bool:
    """Whether the station is connected; when it is not, and is not about to be, it has been told to connect.

    Raises OSError or RuntimeError when the radio does not do as it is told; `wifi_off` is the way out.
    """
    import network

    station = network.WLAN(network.STA_IF)
    if not station.active():
        station.active(True)
    if station.isconnected():
        return True
    if station.status() != network.STAT_CONNECTING:
        station.connect(ssid, password)
    return False


def wifi_off() -> None:
    """The station is off, so that the next attempt begins anew."""
    import network

    network.WLAN(network.STA_IF).active(False)
