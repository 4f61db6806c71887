"""Downloads the transfers of the wire examples; on MicroPython as on CPython. Prints a JSON document.

Arguments: the folder that holds the package, the folder of the vectors.
"""

import asyncio
import json
import sys
from binascii import a2b_base64, unhexlify
from hashlib import sha256

if sys.implementation.name == "cpython":
    import stand_ins

    stand_ins.install()
    package = type(sys)("twinslot")
    package.__path__ = [sys.argv[1] + "/twinslot"]
else:
    package = type("twinslot", (), {"__path__": sys.argv[1] + "/twinslot"})
sys.modules["twinslot"] = package

from findings import expect, proven, wrong
from prove_memory import App, Memory, nothing, slot, unpacked

import twinslot.slots as slots
from twinslot.download import Download
from twinslot.errors import TransferError

ROOM = 0x180000
writer = slots.Writer()


def download(memory, size, running, into):
    """Empty, or why not."""
    try:
        asyncio.run(Download("transfer", "image", size, *running, into, writer).run(memory, nothing))
        return ""
    except TransferError as error:
        return str(error)


def prove(case, raw):
    """The slot holds the image; segments were fetched raw or not."""
    image, base, file = unpacked(case["image"]), unpacked(case["base"]), a2b_base64(case["transfer"])
    memory, into = Memory({"transfer": file, "image": image}), slot(len(image))
    into.view[:] = bytes(len(into.view))
    expect(case["why"], download(memory, len(image), (App(base), sha256(base).digest()), into), "")
    expect(case["why"], bytes(into.view[: len(image)]) == image, True)
    expect(case["why"], bytes(into.view[len(image) :]).strip(b"\xff"), b"")
    expect(case["why"], [path for path, _, _ in memory.asked if path == "image"], ["image"] if raw else [])


def prove_index(case):
    """It is refused, before the first write."""
    file = unhexlify(case["index"])
    memory, into = Memory({"transfer": file}, {"transfer": case["total"]}), slot(case["size"])
    app = App(b"")
    app.size = ROOM
    said = download(memory, case["size"], (app, unhexlify(case["running"])), into)
    expect(case["why"], (bool(said), into.written, len(memory.asked)), (True, 0, 1))


class Growing(Memory):
    """Files that are a byte longer each time they are asked for."""

    async def open(self, method, path, headers, stream=None, keep=False):
        self.totals[path] = len(self.files[path]) + len(self.asked)
        return await super().open(method, path, headers, stream, keep)


def prove_growing(case):
    """A file that is not the one of before is not gone on with."""
    image, base, file = unpacked(case["image"]), unpacked(case["base"]), a2b_base64(case["transfer"])
    memory, into = Growing({"transfer": file, "image": image}), slot(len(image))
    said = download(memory, len(image), (App(base), sha256(base).digest()), into)
    expect("growing", (said[:9], len(memory.asked)), ("a file of", 2))


def prove_other_length(case):
    """An image that is longer than the signed one is not begun."""
    image, base, file = unpacked(case["image"]), unpacked(case["base"]), a2b_base64(case["transfer"])
    memory, into = Memory({"transfer": file, "image": image}, {"image": len(image) + 1}), slot(len(image))
    said = download(memory, len(image), (App(base), sha256(base).digest()), into)
    expect("another length", said, "a file of {} bytes instead of {}".format(len(image) + 1, len(image)))


with open(sys.argv[2] + "/transfer.json") as file:
    vectors = json.load(file)
for one in vectors["good"]:
    prove(one, False)
prove_growing(vectors["good"][0])
prove_other_length(vectors["bad_payloads"][0])
for one in vectors["bad_payloads"]:
    prove(one, True)
for one in vectors["bad_indexes"]:
    prove_index(one)
print(json.dumps({"proven": len(proven), "wrong": wrong}))
