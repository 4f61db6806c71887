# What there is to know of a board's chip and its MicroPython before anything is written to it. Changes nothing there.
# help() comes first: nothing else tells which modules are frozen.
# mypy: ignore-errors
import gc
import json
import sys


def text(partition, offset):
    words = bytearray(32)
    partition.readblocks(0, words, offset)
    try:
        return bytes(words).split(b"\0")[0].decode()
    except ValueError:
        return ""


def chip():
    import machine
    from esp32 import Partition

    running = Partition(Partition.RUNNING)
    head, magic = bytearray(2), bytearray(4)
    running.readblocks(0, head, 12)
    running.readblocks(0, magic, 32)
    described = bytes(magic) == b"\x32\x54\xcd\xab"
    try:
        boots = Partition(Partition.BOOT).info()[4]
    except OSError:
        boots = None  # there is no otadata
    entries = []
    for row in Partition.find(Partition.TYPE_DATA, 0)[:1]:
        for sector in (0, 1):
            entry = bytearray(32)
            row.readblocks(sector, entry)
            entries.append(entry.hex())
    table = [row.info() for kind in (Partition.TYPE_APP, Partition.TYPE_DATA) for row in Partition.find(kind)]
    return {
        "id": head[0] | head[1] << 8,
        "unique_id": machine.unique_id().hex(),
        "partitions": [{"type": row[0], "size": row[3], "label": row[4]} for row in table],
        "running": running.info()[4],
        "boots": boots,
        "otadata": entries,
        "project": text(running, 80) if described else "",
        "version": text(running, 48) if described else "",
    }


help("modules")
try:
    here = chip()
    import machine

    year = machine.RTC().datetime()[0]
except ImportError:
    here, year = None, 0
number = sys.implementation[1]
told = {"version": ".".join(str(part) for part in number[:3]), "mpy": getattr(sys.implementation, "_mpy", 0)}
if len(number) > 3 and number[3]:
    told["version"] += "-" + number[3]
gc.collect()
told.update(chip=here, year=year, free_heap=gc.mem_free())
print()
json.dump(told, sys.stdout)
print()
