"""Decodes each payload of a folder on MicroPython: as it is, and with an addition in viper. Prints the microseconds of
both. Arguments: the folder that holds the package, and that of the payloads and their `base`."""

import asyncio
import os
import sys
import time

import micropython

sys.modules["twinslot"] = type("twinslot", (), {"__path__": sys.argv[1] + "/twinslot"})

from twinslot import patch
from twinslot.inflate import Inflater

FOLDER = sys.argv[2] + "/"
SEGMENT = 65536
TRIES = 5


@micropython.viper
def add(buffer: ptr8, data: ptr8, n: int):
    for i in range(n):
        buffer[i] = buffer[i] + data[i]


class Content:
    """As `hw.App` and as `ranges.Ranges`."""

    def __init__(self, name):
        with open(FOLDER + name, "rb") as file:
            self.view = memoryview(file.read())
        self._at = 0

    def read(self, at, buffer):
        buffer[:] = self.view[at : at + len(buffer)]

    async def readinto(self, buffer):
        n = min(len(buffer), len(self.view) - self._at)
        buffer[:n] = self.view[self._at : self._at + n]
        self._at += n
        return n


async def decode(name):
    payload = Content(name)
    source = patch.Patch(Inflater(payload, len(payload.view)), SEGMENT, base, SEGMENT)
    buffer, made = memoryview(bytearray(4096)), 0
    began = time.ticks_us()
    while made < SEGMENT:
        made += await source.readinto(buffer)
    return time.ticks_diff(time.ticks_us(), began)


base = Content("base")
plain = patch._add
for name in sorted(os.listdir(FOLDER)):
    if name != "base":
        took = []
        for patch._add in (plain, lambda buffer, data: add(buffer, data, len(data))):
            took.append(min(asyncio.run(decode(name)) for _ in range(TRIES)))
        print(name, *took)
