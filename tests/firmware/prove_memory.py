"""Flash and a server in RAM, for downloads; on MicroPython as on CPython."""

import asyncio
from binascii import a2b_base64
from io import BytesIO

import deflate

SECTOR = 4096
ERASED = b"\xff" * SECTOR
ERASE_US = 45_000
PAGE_US = 700
READ_US = 460
WRITE_US = ERASE_US + SECTOR // 256 * PAGE_US


def unpacked(text):
    """What base64 of raw deflate holds."""
    content, piece = b"", bytearray(4096)
    stream = deflate.DeflateIO(BytesIO(a2b_base64(text)), deflate.RAW, 12)
    while True:
        n = stream.readinto(memoryview(piece))
        if not n:
            return content
        content += piece[:n]


class App:
    """What runs, to be read; as `hw.App`. `clock` is the flash's own time in microseconds, which a slot may share."""

    def __init__(self, content, clock=None):
        self.view = memoryview(bytearray(content))
        self.size = len(self.view)
        self.clock = clock or [0]

    def read(self, offset, buffer):
        if offset < 0 or offset + len(buffer) > self.size:
            raise ValueError("read of {} bytes at {}".format(len(buffer), offset))
        buffer[:] = self.view[offset : offset + len(buffer)]
        self.clock[0] += READ_US * len(buffer) // SECTOR


class Slot(App):
    """As `hw.Slot`; `written` counts sectors."""

    written = 0

    def write_sector(self, sector, buffer):
        if len(buffer) != SECTOR or not 0 <= sector < self.size // SECTOR:
            raise ValueError("write of {} bytes to sector {}".format(len(buffer), sector))
        self.view[sector * SECTOR : (sector + 1) * SECTOR] = buffer
        self.written += 1
        self.clock[0] += WRITE_US


def slot(size, clock=None):
    """An erased one, for an image of that size."""
    return Slot(ERASED * ((size + SECTOR - 1) // SECTOR), clock)


async def nothing(done, size):
    await asyncio.sleep(0)


class Memory:
    """As `http.Client`: answers with ranges of `files`. `totals` are lengths that it tells of files in place of the
    true ones; `asked` is each (path, first, past)."""

    def __init__(self, files, totals=()):
        self.files = files
        self.totals = dict(totals)
        self.asked = []

    async def open(self, method, path, headers, stream=None, keep=False):
        first, last = [int(number) for number in headers["Range"][6:].split("-")]
        self.asked.append((path, first, last + 1))
        total = self.totals.get(path, len(self.files[path]))
        return self, Part(memoryview(self.files[path])[first : last + 1], first, last, total)

    async def wait_closed(self):
        pass


class Part:
    """As `http.Answer`."""

    def __init__(self, content, first, last, total):
        self.status = 206
        self.length = last + 1 - first
        self.headers = {"content-range": "bytes {}-{}/{}".format(first, last, total)}
        self._rest = content

    async def readinto(self, buffer):
        n = min(len(buffer), len(self._rest), 1460)
        buffer[:n] = self._rest[:n]
        self._rest = self._rest[n:]
        return n
