# Guards a new image's first boot: whatever that image does or fails to do, the watchdog ends it, and the bootloader
# goes back to the old one. This file imports nothing that an update brings, and no update replaces it.
import json
import struct

import machine
from esp32 import Partition

_UNPROVEN = (1, 4)  # PENDING_VERIFY; ABORTED, when the bootloader had nothing else to boot
_MARGIN_S = 10  # the agent's own deadline comes first, and can say why
_LONGEST_S = 3600


def _on_trial():
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


def _trial_s():
    with open("/twinslot.json") as file:
        return max(1, min(_LONGEST_S, int(json.load(file).get("trial_s", 300))))


# A soft reset leaves the watchdog running, and a new one would begin to count anew.
if _on_trial() and machine.reset_cause() != machine.SOFT_RESET:
    machine.WDT(timeout=(300 + _MARGIN_S) * 1000)
    try:
        machine.WDT(timeout=(_trial_s() + _MARGIN_S) * 1000)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the configuration, the trial is bounded
        print("boot.py:", error)
