"""Fetches an image again and again, on MicroPython, over a network that breaks at each byte of an answer's head and at
every 256th of a body. Prints a JSON document.

Arguments: the folder that holds the package, and a JSON file with `port` of the network (tests/e2e/fault_proxy.py),
`paths` of the transfer and of the image on it, the image as the file `image`, `payloads` (the bytes of each segment's
payload) and `drops`, lists of bytes after which the connections of one download end.
"""

import asyncio
import json
import sys
from hashlib import sha256

import prove_slot
from prove_slot import Unreachable

SEGMENT = 65536
STEP = 256
HEAD_MAX_BYTES = 4096

with open(sys.argv[2]) as file:
    task = json.load(file)
with open(task["image"], "rb") as file:
    image = file.read()
size = len(image)
address = "http://127.0.0.1:{}".format(task["port"])
slot = prove_slot.slot(size)
erased = bytes(slot.view)
wrong = []
downloads = 0


async def network(cuts):
    """The next connections end so; how many bytes came since the last call."""
    stream, _ = await asyncio.open_connection("127.0.0.1", task["port"])
    stream.write("CUT {}\n".format(" ".join(str(cut) for cut in cuts)).encode())
    await stream.drain()
    said = await stream.readline()
    await stream.wait_closed()
    return int(said)


async def download(cuts):
    """How many bytes came for an image that lies in the slot now, over a network that breaks so; 0 when it does not."""
    global downloads
    downloads += 1
    await network(cuts)
    for _ in range(len(cuts) + 1):
        try:
            await prove_slot.fetch(address, task["paths"], size, (prove_slot.App(b""), None), slot)
        except Unreachable:
            continue
        came = await network(())
        return came if slot.view[:size] == image else 0
    return 0


def lose(first, past):
    """The segments from `first` to before `past` are not in the slot; the others are."""
    slot.view[:size] = image
    past = min(past * SEGMENT, size)
    slot.view[first * SEGMENT : past] = erased[: past - first * SEGMENT]


async def one_segment(number, payload, each_byte_of_the_head):
    """Each drop while that segment alone is fetched costs no more than what goes before it, again."""
    lose(number, number + 1)
    whole = await download(())
    head = whole - payload
    if not 0 < head < HEAD_MAX_BYTES:
        wrong.append("segment {}: {} bytes came".format(number, whole))
        return
    for cut in list(range(1, head if each_byte_of_the_head else 0)) + list(range(head, whole, STEP)):
        lose(number, number + 1)
        came = await download((cut,))
        if not 0 < came <= whole + min(cut, head):
            wrong.append("segment {}, {} of {} bytes: {} came".format(number, cut, whole, came))


async def all_segments(drops):
    """Several drops cost no more each than what goes before a segment."""
    lose(0, len(task["payloads"]))
    came = await download(drops)
    most = sum(task["payloads"]) + (len(drops) + 1) * HEAD_MAX_BYTES
    if not 0 < came <= most:
        wrong.append("drops at {}: {} bytes came".format(drops, came))


async def prove():
    for number, payload in enumerate(task["payloads"]):
        await one_segment(number, payload, payload == min(task["payloads"]))
    for drops in task["drops"]:
        await all_segments(drops)


asyncio.run(prove())
digest = sha256(slot.view[:size]).digest() == sha256(image).digest()
print(json.dumps({"downloads": downloads, "wrong": wrong, "right": digest}))
