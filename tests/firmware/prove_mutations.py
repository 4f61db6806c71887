"""Downloads transfers that were changed at random; on MicroPython. Prints a JSON document.

Arguments: the folder that holds the package, the folder of the vectors, a seed, how many.
"""

import asyncio
import gc
import json
import random
import sys
from binascii import a2b_base64
from hashlib import sha256

from prove_memory import App, Memory, nothing, slot, unpacked
from prove_slot import TransferError, slots

import twinslot.download as download

WRITER = slots.Writer()
wrong = []
ends = {}


def changed(data):
    """Some bytes are others, gone, new, or there twice."""
    data = bytearray(data)
    for _ in range(random.randrange(1, 4)):
        data = data or bytearray(1)
        at = random.randrange(len(data))
        what = random.randrange(5)
        if what == 0:
            data[at] ^= 1 << random.randrange(8)
        elif what == 1:
            data[at] = random.choice((0, 1, 63, 64, 127, 128, 255))
        elif what == 2:
            data = data[:at] + data[at + random.randrange(1, 50) :]
        elif what == 3:
            data = data[:at] + bytes([random.getrandbits(8)]) + data[at:]
        else:
            data = data[:at] + data[max(0, at - 40) :]
    return bytes(data)


def spoilt(file):
    """A transfer with a spoilt payload whose length is right in the index; or with a spoilt index."""
    index = 48 + 16 * file[6]
    if file[6] > 1 or not random.randrange(4):
        return changed(file[:index]) + file[index:]
    payload = changed(file[index:])
    return file[:48] + len(payload).to_bytes(4, "little") + file[52:index] + payload


def run(case, n):
    image, base, file = cases[case]
    memory, into = Memory({"t": spoilt(file), "i": image}, {}), slot(len(image))
    running = App(base), sha256(base).digest()
    gc.collect()
    try:
        asyncio.run(download.Download("t", "i", len(image), *running, into, WRITER).run(memory, nothing))
        end = "raw" if any(path == "i" for path, _, _ in memory.asked) else "taken"
        if into.view[: len(image)] != memoryview(image):
            wrong.append("{}, {}: taken, and wrong".format(case, n))
    except TransferError:
        end = "refused"
        if into.written and all(path != "i" for path, _, _ in memory.asked):
            wrong.append("{}, {}: refused after {} sectors".format(case, n, into.written))
    except Exception as error:  # noqa: BLE001 - each is a finding
        end = "error"
        wrong.append("{}, {}: {!r}".format(case, n, error))
    ends[end] = ends.get(end, 0) + 1


random.seed(int(sys.argv[3]))
with open(sys.argv[2] + "/transfer.json") as file:
    vectors = json.load(file)
cases = []
for group in ("good", "bad_payloads"):
    for one in vectors[group]:
        cases.append((unpacked(one["image"]), unpacked(one["base"]), a2b_base64(one["transfer"])))
vectors = one = None
cases = [case for case in cases if len(case[2]) > 64]
for n in range(int(sys.argv[4])):
    run(random.randrange(len(cases)), n)
print(json.dumps({"wrong": wrong[:20], "ends": ends}))
