"""The board's serial port: a pseudo-terminal that behaves as a USB-to-UART adapter does."""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import Callable

_READ_BYTES = 4096
_UNSENT_MAX_BYTES = 1024 * 1024  # more than the largest file on a board, so that a reader gets all of it


class SerialPort:
    """An open serial port at `path`; needs a running asyncio loop.

    `received` is given what a client writes. Clients come and go: the port keeps its end open, so that it sees no end
    of file. What is written while nobody reads is lost, as on a wire: once the kernel's buffer is full and has stayed
    so for `grace_s`, `unheard` is set and everything is dropped until a client reads again.
    """

    def __init__(self, received: Callable[[bytes], None], *, grace_s: float = 1.0) -> None:
        self._received = received
        self._grace_s = grace_s
        self._near, self._far = os.openpty()
        tty.setraw(self._far)
        os.set_blocking(self._near, False)
        self.path = os.ttyname(self._far)
        self._unsent = bytearray()
        self.unheard = asyncio.Event()
        self._deadline: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._near, self._readable)

    def write(self, data: bytes) -> None:
        """`data` is on its way to the client, or lost when nobody reads or the port is closed; never blocks."""
        if self.unheard.is_set():
            return
        self._unsent += data
        del self._unsent[:-_UNSENT_MAX_BYTES]  # what is lost is the oldest: the prompt behind a flood arrives
        if self._deadline is None:
            self._send()

    def close(self) -> None:
        """The port is gone, and with it what had not been sent."""
        self._stop_waiting()
        self.unheard.set()
        self._unsent.clear()
        self._loop.remove_reader(self._near)
        os.close(self._near)
        os.close(self._far)

    def _readable(self) -> None:
        try:
            data = os.read(self._near, _READ_BYTES)
        except BlockingIOError:
            return
        self._received(data)

    def _send(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: os.write(self._near, self._unsent)]
        except BlockingIOError:
            self._wait_for_reader()
        else:
            self._stop_waiting()

    def _wait_for_reader(self) -> None:
        if self._deadline is None:
            self._loop.add_writer(self._near, self._writable)
        else:
            self._deadline.cancel()
        self._deadline = self._loop.call_later(self._grace_s, self._nobody_reads)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
            self._loop.remove_writer(self._near)

    def _writable(self) -> None:
        self.unheard.clear()
        self._send()

    def _nobody_reads(self) -> None:
        """The writer stays registered: it tells when somebody reads again."""
        self.unheard.set()
        self._unsent.clear()
