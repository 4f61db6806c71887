"""A board with an ESP32 at the end of its serial cable, as esptool and then mpremote see it.

It stands in for the chip's ROM loader and for the flasher that esptool loads over it: as much of their protocol as it
takes to write a flash (esptool's documentation, "Serial protocol"; esptool/loader.py). A pseudo-terminal has no reset
line, so the first byte that belongs to no packet starts what is in the flash, on a simulated board.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import struct
import threading
import tty
import zlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from twinslot_sim import micropython
from twinslot_sim.board import Board

FLASH_BYTES = 4 << 20
END = b"\xc0"
ESCAPES = ((b"\xdb\xdd", b"\xdb"), (b"\xdb\xdc", b"\xc0"))
SYNC_ANSWERS = 8
ROM = 1  # in place of a value; the flasher would send 0
INVALID_COMMAND = b"\x01\x05"
# What registers hold; all others hold 0. The magic value tells an ESP32, the flash's id one of 4 MiB.
REGISTERS = {0x40001000: 0x00F01D83, 0x3FF42080: 0x164020, 0x3FF40014: 347}


class RomLoader:
    """The board, within `with`, at the serial port `path`; `flash` is what it has been written with, and `asked` the
    operations that came, by name. A flash that is `worn` keeps none of it; the operation `unanswered` never ends."""

    def __init__(self, folder: Path, *, worn: bool = False, unanswered: str | None = None) -> None:
        self.flash = bytearray(b"\0" * FLASH_BYTES)
        self.asked: list[str] = []
        self._worn = worn
        self._unanswered = unanswered
        self._file = folder / "loaded.flash"
        self._near, self._far = os.openpty()
        tty.setraw(self._far)
        os.set_blocking(self._near, False)
        self.path = os.ttyname(self._far)
        self._input = b""
        self._inflating = zlib.decompressobj()
        self._at = 0
        self._answers: dict[int, tuple[str, Callable[[bytes], bytes | None]]] = {
            0x05: ("MEM_BEGIN", lambda data: b""),
            0x06: ("MEM_END", lambda data: b""),
            0x07: ("MEM_DATA", lambda data: b""),
            0x08: ("SYNC", lambda data: b""),
            0x09: ("WRITE_REG", lambda data: b""),
            0x0A: ("READ_REG", lambda data: b""),
            0x0B: ("SPI_SET_PARAMS", lambda data: b""),
            0x0D: ("SPI_ATTACH", lambda data: b""),
            0x02: ("FLASH_BEGIN", lambda data: b""),
            0x0F: ("CHANGE_BAUDRATE", lambda data: b""),
            0x10: ("FLASH_DEFL_BEGIN", self._write_begins),
            0x11: ("FLASH_DEFL_DATA", self._write),
            0x12: ("FLASH_DEFL_END", lambda data: b""),
            0x13: ("SPI_FLASH_MD5", self._md5),
            0xD0: ("ERASE_FLASH", self._erase),
        }

    def __enter__(self) -> RomLoader:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        os.close(self._near)
        os.close(self._far)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._booted: asyncio.Task[None] | None = None
        self._loop.add_reader(self._near, self._readable)
        self._stopping = asyncio.Event()
        self._ready.set()
        await self._stopping.wait()
        if self._booted is not None:
            self._board.power_off()
            await self._booted

    def _readable(self) -> None:
        data = os.read(self._near, 65536)
        if self._booted is not None:
            os.write(self._console, data)
            return
        self._input += data
        while self._input:
            if not self._input.startswith(END):
                self._boot()
                return
            packet, end, rest = self._input[1:].partition(END)
            if not end:
                return
            self._input = rest
            for escaped, byte in reversed(ESCAPES):
                packet = packet.replace(escaped, byte)
            self._packet(packet)

    def _packet(self, packet: bytes) -> None:
        _, op, _, _ = struct.unpack("<BBHI", packet[:8])
        name, answer = self._answers.get(op, ("", lambda data: None))
        self.asked.append(name or f"{op:#04x}")
        if name == self._unanswered:
            return
        data = packet[8:]
        value = REGISTERS.get(struct.unpack("<I", data)[0], 0) if name == "READ_REG" else ROM
        said = answer(data)
        body = INVALID_COMMAND + bytes(2) if said is None else said + bytes(4)
        for _ in range(SYNC_ANSWERS if name == "SYNC" else 1):
            self._send(struct.pack("<BBHI", 1, op, len(body), value) + body)
        if name == "MEM_END":
            self._send(b"OHAI")

    def _send(self, packet: bytes) -> None:
        for escaped, byte in ESCAPES:
            packet = packet.replace(byte, escaped)
        os.write(self._near, END + packet + END)

    def _write_begins(self, data: bytes) -> bytes:
        self._at = struct.unpack_from("<4I", data)[3]
        self._inflating = zlib.decompressobj()
        return b""

    def _write(self, data: bytes) -> bytes:
        written = self._inflating.decompress(data[16:])
        if self._worn:
            written = bytes(len(written))
        self.flash[self._at : self._at + len(written)] = written
        self._at += len(written)
        return b""

    def _md5(self, data: bytes) -> bytes:
        at, length = struct.unpack_from("<2I", data)
        return hashlib.md5(self.flash[at : at + length]).digest()

    def _erase(self, _: bytes) -> bytes:
        self.flash[:] = b"\xff" * FLASH_BYTES
        return b""

    def _boot(self) -> None:
        """The board runs what is in the flash, and its console is at the end of the cable."""
        self._file.write_bytes(self.flash)
        self._board = Board(self._file, interpreter=micropython.find())
        self._console = os.open(self._board.port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self._loop.add_reader(self._console, lambda: os.write(self._near, os.read(self._console, 65536)))
        self._booted = asyncio.ensure_future(self._board.run())
        os.write(self._console, self._input)
