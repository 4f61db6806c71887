"""The board's console: MicroPython's REPL as shared/runtime/pyexec.c speaks it, bytes in, calls out, no I/O.

The Unix port has no raw REPL, so the protocol is here and the processor is only given whole pieces of code. A hard
reset begins a new `Console`; a soft reset is a part of its life, which the raw REPL and waiting input survive.

A UART's receive buffer keeps what code does not read, and the REPL reads it afterwards. Here what arrives while code
runs is handed to the code's standard input at once, so the board gives back what the code left there (`unread`); and
what arrives behind a Ctrl-C waits for the prompt, since that is where it is meant to go.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from twinslot_sim.console_states import Event, State, after
from twinslot_sim.repl_input import CTRL_A, CTRL_B, CTRL_C, CTRL_D, CTRL_E, ENTER, LineEditor, needs_more

Mode = Literal["exec", "single"]

BANNER = (
    b'MicroPython v1.25.0 on 2025-04-15; ESP32 module (simulated) with ESP32\r\nType "help()" for more information.\r\n'
)
RAW_BANNER = b"raw REPL; CTRL-B to exit\r\n"
PROMPT = b">>> "
RAW_PROMPT = b">"
MORE_PROMPT = b"... "
PASTE_PROMPT = b"=== "
PASTE_BANNER = b"\r\npaste mode; Ctrl-C to cancel, Ctrl-D to finish\r\n"
SOFT_REBOOT = b"MPY: soft reboot\r\n"
END = b"\x04"
WINDOW_BYTES = 128  # half of MICROPY_REPL_STDIN_BUFFER_MAX
_RAW_PASTE_REQUEST = b"\x05A"
_WINDOW_FREE = b"\x01"
_MOUNT_CALL = b"\x18"  # begins each request of `mpremote mount` to the host
_BARE_LF = re.compile(rb"(?<!\r)\n")


class Console:
    """The console of a board that is about to start.

    The board supplies `write` (to the host), `run` (begins to run code, as a file or as a line typed at a prompt),
    `interrupt` (a KeyboardInterrupt for the running code), `interruptible` (whether Ctrl-C is one just now, see
    `micropython.kbd_intr`), `stdin` (input for the running code) and `soft_reset` (begins a fresh interpreter on a chip
    that goes on: boot.py, and main.py if the argument is true). It may call back from within any of them. Its events
    raise ConsoleError, and change nothing, when they cannot happen now.
    """

    def __init__(
        self,
        *,
        write: Callable[[bytes], None],
        run: Callable[[bytes, Mode], None],
        interrupt: Callable[[], None],
        interruptible: Callable[[], bool],
        stdin: Callable[[bytes], None],
        soft_reset: Callable[[bool], None],
    ) -> None:
        self._write = write
        self._run = run
        self._interrupt = interrupt
        self._interruptible = interruptible
        self._stdin = stdin
        self._soft_reset = soft_reset
        self._state = State.RESTARTING
        self._raw = False
        self._input = bytearray()
        self._pumping = False
        self._editor = LineEditor(write)
        self._code = bytearray()
        self._window_left_bytes = 0
        self._mount_seen = False

    def feed(self, data: bytes) -> None:
        """What the host sent has had its effect, or waits for the running code to end."""
        self._input += data
        self._pump()

    def program_started(self) -> None:
        """boot.py, and main.py behind it, runs and can be interrupted: to be called no earlier than that."""
        self._advance(Event.PROGRAM_STARTED)
        self._pump()

    def program_ended(self, unread: bytes = b"") -> None:
        """The host has a prompt. `unread` is what the program left in its standard input."""
        self._advance(Event.PROGRAM_ENDED)
        self._input[:0] = unread
        self._write(RAW_BANNER + RAW_PROMPT if self._raw else BANNER + PROMPT)
        self._pump()

    def run_done(self, error: bytes, unread: bytes = b"") -> None:
        """The host has been told that its code ended, with what was to say of an exception, and has a prompt."""
        self._advance(Event.RUN_DONE)
        self._input[:0] = unread
        error = _BARE_LF.sub(b"\r\n", error)
        self._write(END + error + END + RAW_PROMPT if self._raw else error + PROMPT)
        self._pump()

    def exited(self) -> None:
        """The running code raised SystemExit (`machine.soft_reset()`): a soft reset has been asked for."""
        from_raw_repl = self._raw and self._state in (State.CODE, State.CODE_STOPPING)
        self._advance(Event.EXITED)
        self._write((END + END if from_raw_repl else b"") + SOFT_REBOOT)
        self._soft_reset(not self._raw)

    def output(self, data: bytes) -> None:
        """The host has been sent what running code printed, with CR LF for LF where a person reads it.

        Not so in the raw REPL, nor in a request of `mpremote mount`, which is binary and turns Ctrl-C off.
        """
        from_repl = self._state in (State.CODE, State.CODE_STOPPING)
        self._mount_seen = from_repl and (self._mount_seen or _MOUNT_CALL in data)
        binary = from_repl and (self._raw or (self._mount_seen and not self._interruptible()))
        self._write(data if binary else _BARE_LF.sub(b"\r\n", data))

    def _advance(self, event: Event) -> None:
        self._state = after(self._state, event)

    def _pump(self) -> None:
        """Input has been used up, as far as the state allows; a call from within a callback leaves it to the outer."""
        if self._pumping:
            return
        self._pumping = True
        try:
            while self._input and self._take():
                continue
        finally:
            self._pumping = False

    def _take(self) -> bool:
        """Some input is used up; False when all of it has to wait."""
        if self._state is State.RESTARTING:
            return False
        if self._state in (State.PROGRAM_STOPPING, State.CODE_STOPPING):
            return self._take_stopping()
        if self._state in (State.PROGRAM, State.CODE):
            self._take_running()
            return True
        byte = self._input[0]
        del self._input[:1]
        if self._state is State.PASTE:
            self._take_paste(byte)
        elif self._state is State.RAW_PASTE:
            self._take_raw_paste(byte)
        elif self._raw:
            self._take_raw(byte)
        else:
            self._take_friendly(byte)
        return True

    def _take_stopping(self) -> bool:
        """Another Ctrl-C is for code that caught the first; the rest waits."""
        if CTRL_C in self._input and self._interruptible():
            self._input = self._input.replace(b"\x03", b"")
            self._interrupt()
        return False

    def _take_running(self) -> None:
        if self._input[0] == CTRL_C and self._interruptible():
            del self._input[:1]
            self._advance(Event.INTERRUPTED)
            self._interrupt()
            return
        end = self._input.find(CTRL_C, 1)
        taken = bytes(self._input[: end if end > 0 else len(self._input)])
        del self._input[: len(taken)]
        self._stdin(taken)

    def _take_friendly(self, byte: int) -> None:
        key = self._editor.key(byte)
        if key == ENTER:
            self._enter()
        elif key == CTRL_C:
            self._cancel()
        elif key == CTRL_D and self._code:
            self._send("single")
        elif key is not None and not self._code:
            self._control(key)

    def _enter(self) -> None:
        self._code += self._editor.text
        self._editor.clear()
        if not self._code:
            self._write(PROMPT)
        elif needs_more(bytes(self._code)):
            self._code += b"\n"
            self._write(MORE_PROMPT)
        else:
            self._send("single")

    def _control(self, key: int) -> None:
        if key == CTRL_A:
            self._raw = True
            self._write(b"\r\n" + RAW_BANNER + RAW_PROMPT)
        elif key == CTRL_B:
            self._write(b"\r\n" + BANNER + PROMPT)
        elif key == CTRL_D:
            self._reset()
        elif key == CTRL_E:
            self._advance(Event.PASTE_BEGUN)
            self._write(PASTE_BANNER + PASTE_PROMPT)

    def _cancel(self) -> None:
        self._code.clear()
        self._editor.clear()
        self._write(b"\r\n" + PROMPT)

    def _take_paste(self, byte: int) -> None:
        if byte == CTRL_C:
            self._advance(Event.CANCELLED)
            self._cancel()
        elif byte == CTRL_D:
            self._write(b"\r\n")
            self._code = self._code.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            self._send("exec")
        else:
            self._code.append(byte)
            self._write(b"\r\n" + PASTE_PROMPT if byte == ENTER else bytes([byte]))

    def _take_raw(self, byte: int) -> None:
        if byte == CTRL_A:
            self._restart_raw()
        elif byte == CTRL_B:
            self._raw = False
            self._code.clear()
            self._write(b"\r\n" + BANNER + PROMPT)
        elif byte == CTRL_C:
            self._code.clear()
        elif byte == CTRL_D:
            self._write(b"OK")
            if self._code:
                self._send("exec")
            else:
                self._reset()
        else:
            self._code.append(byte)

    def _restart_raw(self) -> None:
        request = bytes(self._code)
        self._code.clear()
        if request == _RAW_PASTE_REQUEST:
            self._advance(Event.RAW_PASTE_BEGUN)
            self._window_left_bytes = WINDOW_BYTES
            self._write(b"R\x01" + WINDOW_BYTES.to_bytes(2, "little") + _WINDOW_FREE)
        elif len(request) == 2 and request[0] == CTRL_E:
            self._write(b"R\x00" + RAW_PROMPT)
        else:
            self._write(RAW_BANNER + RAW_PROMPT)

    def _take_raw_paste(self, byte: int) -> None:
        if byte == CTRL_D:
            self._write(END)
            self._send("exec")
        elif byte == CTRL_C:
            self._advance(Event.CANCELLED)
            self._code.clear()
            self._write(END + END + b"KeyboardInterrupt: \r\n" + END + RAW_PROMPT)
        else:
            self._code.append(byte)
            self._window_left_bytes -= 1
            if not self._window_left_bytes:
                self._window_left_bytes = WINDOW_BYTES
                self._write(_WINDOW_FREE)

    def _send(self, mode: Mode) -> None:
        code = bytes(self._code)
        self._code.clear()
        self._editor.clear()
        self._mount_seen = False
        self._advance(Event.CODE_SENT)
        self._run(code, mode)

    def _reset(self) -> None:
        self._code.clear()
        self._editor.clear()
        self._advance(Event.SOFT_RESET)
        self._write(b"\r\n" + SOFT_REBOOT)
        self._soft_reset(not self._raw)
