# Twinslot's boot.py, written anew whenever the board is provisioned.
#
# Guards a new release's first boot: whatever its image, its files or its specification do or fail to do, the watchdog
# ends it, and the next boot goes back: to the old image by the bootloader, to the old tree of files and the old
# specification by this file. It imports nothing that an update brings, and no update replaces it.
import json
import struct
import sys

import machine
from esp32 import NVS, Partition

_NEW = 0
_PENDING_VERIFY = 1
_ABORTED = 4
# ABORTED, when the bootloader had nothing else to boot; NEW, when flash did not let it write that the trial begins.
_UNPROVEN = (_NEW, _PENDING_VERIFY, _ABORTED)
_TRIAL_STATE = "spec_state"
_TREE = "tree"
_TREES = ("/app_a", "/app_b")
_MARGIN_S = 10  # the agent's own deadline comes first, and can say why
_LONGEST_S = 3600


def _image_on_trial():
    slot = Partition(Partition.RUNNING).info()[4]  # pyright: ignore[reportArgumentType] - the stubs know labels only
    tables = Partition.find(Partition.TYPE_DATA, 0, "otadata")
    if not tables or slot not in ("ota_0", "ota_1"):
        return False
    entry = bytearray(32)
    for sector in (0, 1):
        tables[0].readblocks(sector, entry)
        seq, _, state, _ = struct.unpack("<I20sII", entry)
        if state in _UNPROVEN and seq % 2 == (slot == "ota_0"):
            return True
    return False


def _number(key):
    try:
        return NVS("twinslot").get_i32(key)
    except OSError:
        return None  # there is none


def _advanced():
    """A specification or a tree that came without an image begins its trial with this boot, as the bootloader has it
    for an image; one that was in its trial is aborted. Returns whether a trial has to be bounded."""
    number = _number(_TRIAL_STATE)
    if number is None or number & 7 not in (_NEW, _PENDING_VERIFY):
        return False
    begins = number & 7 == _NEW
    try:
        nvs = NVS("twinslot")
        try:
            # CUT: as it was, and the next boot does it; or pending, and the next boot aborts it.
            nvs.set_i32(_TRIAL_STATE, number & ~7 | (_PENDING_VERIFY if begins else _ABORTED))
        except OSError:  # NVS is full: erasing takes no room, and without a state nothing is on trial
            begins = False
            # CUT: as it was, and the next boot does it.
            nvs.erase_key(_TRIAL_STATE)
        nvs.commit()
    except OSError as error:  # it may be pending now, or still: better a restart too many than a trial without end
        print("boot.py:", error)
        return True
    return begins


def _tree():
    """The tree that runs, 1 or 2: the one on trial, else the one that is kept; 0 for none."""
    number = _number(_TRIAL_STATE) or 0
    tree = number >> 3 if number & 7 == _PENDING_VERIFY else 0
    tree = tree or _number(_TREE)
    return tree if tree in (1, 2) else 0


def _trial_s():
    with open("/twinslot.json") as file:
        return max(1, min(_LONGEST_S, int(json.load(file).get("trial_s", 300))))


# A soft reset leaves the watchdog running, and a new one would begin to count anew.
if machine.reset_cause() != machine.SOFT_RESET and (_advanced() or _image_on_trial()):
    machine.WDT(timeout=(300 + _MARGIN_S) * 1000)
    try:
        machine.WDT(timeout=(_trial_s() + _MARGIN_S) * 1000)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the configuration, the trial is bounded
        print("boot.py:", error)

_runs = _tree()
if _runs:
    sys.path.insert(0, _TREES[_runs - 1])  # before all else: its `app` is the one that runs
