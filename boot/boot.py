# Guards a new image's first boot: whatever that image does or fails to do, the watchdog ends it, and the bootloader
# goes back to the old one. This file imports nothing that an update brings, and no update replaces it.
import json
import struct

import machine
from esp32 import Partition

_PENDING_VERIFY = 1
_MARGIN_S = 10  # the agent's own deadline comes first, and can say why


def _on_trial():
    slot = Partition(Partition.RUNNING).info()[4]  # pyright: ignore[reportArgumentType] - the stubs know labels only
    tables = Partition.find(Partition.TYPE_DATA, 0, "otadata")
    if not tables or slot not in ("ota_0", "ota_1"):
        return False
    entry = bytearray(32)
    for sector in (0, 1):
        tables[0].readblocks(sector, entry)
        seq, _, state, _ = struct.unpack("<I20sII", entry)
        if state == _PENDING_VERIFY and seq % 2 == (slot == "ota_0"):
            return True
    return False


def _trial_s():
    try:
        with open("/twinslot.json") as file:
            return int(json.load(file).get("trial_s", 300))
    except (OSError, ValueError, TypeError, AttributeError):
        return 300


if _on_trial():
    machine.WDT(timeout=(_trial_s() + _MARGIN_S) * 1000)
