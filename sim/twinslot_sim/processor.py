"""The processor: a MicroPython process, its wire to the chip, and its standard streams."""

from __future__ import annotations

import asyncio
import fcntl
import functools
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import time
from pathlib import Path
from typing import IO

from twinslot_sim import image
from twinslot_sim.chip import Chip, Reset
from twinslot_sim.console import Console
from twinslot_sim.link import REPLY, REQUEST, Op

_PORT = Path(__file__).parent / "port"
_DIES_WITH_PARENT = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
"""util-linux has a command that asks Linux for it; between fork and exec that takes longer than all else of a start."""
STAND_INS_BYTES = 10 * 1024
"""What the stand-ins take of the heap, where a chip has C: the board's own heap is as large as if they took nothing."""
_INTERRUPT_GAP_S = 0.5
"""A second SIGINT before the first has become a KeyboardInterrupt ends MicroPython (ports/unix/unix_mphal.c)."""
_BUSY_S = 0.1
"""MicroPython may raise KeyboardInterrupt out of the signal's handler, wherever that strikes (MICROPY_ASYNC_KBD_INTR):
while it collects garbage, that leaves the heap locked for good. So SIGINT waits until the processor waits, so long."""
_ASLEEP_WITHIN_S = 0.005
"""What a processor that has sent a request takes to wait for the reply."""


class Processor:
    """A running MicroPython process, which tells the board's console what it prints and when it waits for it."""

    def __init__(
        self, chip: Chip, console: Console, interpreter: list[str], flash: Path, heap_bytes: int, run_main: bool
    ) -> None:
        self._chip = chip
        self._console = console
        self._run_main = run_main
        self._waiting_call = 0
        self._interrupted_at = 0.0
        self._interrupt_due: asyncio.TimerHandle | None = None
        self._wire, far_end = socket.socketpair()
        self._unread, self._stdin = os.pipe()
        os.set_blocking(self._stdin, False)
        self._process = _spawn(interpreter, flash, heap_bytes, far_end, self._unread)
        assert self._process.stdout
        self._out = self._process.stdout.fileno()
        os.set_blocking(self._out, False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._wire, self._request)
        self._loop.add_reader(self._out, self._drain)

    def execute(self, code: bytes, mode: str) -> None:
        """The waiting processor has been given `code` to run, "exec" as a file or "single" as an interactive line."""
        self._reply(self._waiting_call, mode == "single", code)

    def interrupt(self) -> None:
        """The running code gets a KeyboardInterrupt, once it waits for something, or has not for a while."""
        if self._interrupt_due is None and time.monotonic() - self._interrupted_at > _INTERRUPT_GAP_S:
            self._interrupt_due = self._loop.call_later(_BUSY_S, self._interrupt_now)
            if self._is_asleep():
                self._interrupt_now()

    def interruptible(self) -> bool:
        """Whether Ctrl-C is a KeyboardInterrupt now, as `micropython.kbd_intr` says: whether SIGINT is handled."""
        return bool(int(self._status("SigCgt"), 16) >> (signal.SIGINT - 1) & 1)

    def _interrupt_now(self) -> None:
        """SIGINT is sent, if it is handled; else it is due again."""
        self._forget_interrupt()
        if self.interruptible():
            self._interrupted_at = time.monotonic()
            self._process.send_signal(signal.SIGINT)
        else:
            self._interrupt_due = self._loop.call_later(_BUSY_S, self._interrupt_now)

    def _interrupt_asleep(self) -> None:
        """As above, if the processor begins to wait for the reply to what it has asked."""
        limit = time.monotonic() + _ASLEEP_WITHIN_S
        while time.monotonic() < limit:
            if self._is_asleep():
                self._interrupt_now()
                return

    def _forget_interrupt(self) -> None:
        if self._interrupt_due is not None:
            self._interrupt_due.cancel()
            self._interrupt_due = None

    def _is_asleep(self) -> bool:
        """Whether it waits in the kernel, and so is not in the middle of anything of its own."""
        return self._status("State").startswith("S")

    def _status(self, name: str) -> str:
        """What Linux says of the process; "0" for one that has ended."""
        for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return line.split()[1]
        return "0"

    def stdin(self, data: bytes) -> None:
        """The running code can read `data`; a full buffer loses it, as a UART's would."""
        try:
            os.write(self._stdin, data)
        except (BlockingIOError, BrokenPipeError):
            return

    def kill(self) -> None:
        """The processor has stopped in the middle of whatever it did; all it printed has been handed on."""
        self._forget_interrupt()
        self._process.kill()
        self._process.wait()
        self._drain()
        self._loop.remove_reader(self._wire)
        self._loop.remove_reader(self._out)
        self._wire.close()
        os.close(self._unread)
        os.close(self._stdin)
        if self._process.stdout:
            self._process.stdout.close()

    def _request(self) -> None:
        head = self._receive(REQUEST.size)
        if not head:
            self._died()
            return
        op, _, number, a, b, flash_read, length = REQUEST.unpack(head)
        self._chip.flash_was_read(flash_read)
        payload = self._receive(length)
        if self._interrupt_due is not None:
            self._interrupt_asleep()
        try:
            self._answer(Op(op), number, a, b, payload)
        except BaseException as error:  # noqa: BLE001 - power fails or a rule is broken: the board's run ends with it
            if not self._chip.ended.done():
                self._chip.ended.set_exception(error)

    def _answer(self, op: Op, number: int, a: int, b: int, payload: bytes) -> None:
        if self._chip.ended.done():
            return
        if op is Op.READ:
            self._chip.stretch_was_read(a, b)
        elif op is Op.HELLO:
            self._reply(number, 0, self._chip.start_block(self._run_main))
        elif op is Op.PROGRAM_STARTS:
            self._console.program_started()
            self._reply(number, 0, b"")
        elif op is Op.IDLE:
            self._waiting_call = number
            self._drain()
            if a == 1:
                self._console.program_ended(self._take_unread())
            else:
                self._console.run_done(payload, self._take_unread())
        else:
            reply = self._chip.handle(op, a, b, payload)
            if reply is not None:
                self._reply(number, *reply)

    def _reply(self, number: int, status: int, data: bytes) -> None:
        try:
            self._wire.sendall(REPLY.pack(number, 0, status, len(data)) + data)
        except (BrokenPipeError, ConnectionResetError):
            self._died()

    def _receive(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            try:
                part = self._wire.recv(length - len(data))
            except ConnectionResetError:
                part = b""
            if not part:
                return b""
            data += part
        return data

    def _died(self) -> None:
        """Its own end is a soft reset (SystemExit), anything else a crash."""
        self._loop.remove_reader(self._wire)
        if self._process.wait() or self._chip.ended.done():
            self._chip.end(Reset.HARD)
            return
        self._drain()
        self._console.exited()

    def _take_unread(self) -> bytes:
        """What the code that ended left in its standard input."""
        (waiting,) = struct.unpack("i", fcntl.ioctl(self._unread, termios.FIONREAD, bytes(4)))
        return os.read(self._unread, waiting) if waiting else b""

    def _drain(self) -> None:
        try:
            while data := os.read(self._out, 65536):
                self._console.output(data)
        except BlockingIOError:
            return
        self._loop.remove_reader(self._out)


def _spawn(
    interpreter: list[str], flash: Path, heap_bytes: int, wire: socket.socket, stdin: int
) -> subprocess.Popen[bytes]:
    rom = _stand_ins()
    with wire, flash.open("rb") as flash_file:
        fds = [wire.fileno(), flash_file.fileno(), rom.fileno()]
        numbers = [*fds, *(os.fstat(fd).st_size for fd in (rom.fileno(), flash_file.fileno()))]
        return subprocess.Popen(
            [
                *_DIES_WITH_PARENT,
                *interpreter,
                "-X",
                f"heapsize={heap_bytes + STAND_INS_BYTES}",
                str(_PORT / "start.py"),
                " ".join(map(str, numbers)),
            ],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"TZ": "UTC"},
            cwd="/",
            pass_fds=fds,
            start_new_session=True,
        )


@functools.cache
def _stand_ins() -> IO[bytes]:
    """What a chip's firmware has built in, compiled into a ROMFS: an open file without a name."""
    modules = {p.name: p.read_bytes() for p in sorted(_PORT.glob("*.py")) if p.name != "start.py"}
    file = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as this process lives
    file.write(image.romfs(modules))
    file.flush()
    return file
