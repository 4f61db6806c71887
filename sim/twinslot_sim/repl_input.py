"""What is typed at the friendly prompt: one line's keys, and whether a statement needs more lines."""

from __future__ import annotations

import re
from collections.abc import Callable

CTRL_A, CTRL_B, CTRL_C, CTRL_D, CTRL_E = range(1, 6)
ENTER = 0x0D
_TAB = 0x09
_ESCAPE = 0x1B
_BACKSPACES = (0x08, 0x7F)
_INDENT = b"    "

_STRING_OR_COMMENT = re.compile(
    rb"(?P<open>\"\"\"|''')(?:\\.|[^\\])*?(?P<close>(?P=open)|\Z)"
    rb"|\"(?:\\.|[^\"\\\n])*\"?"
    rb"|'(?:\\.|[^'\\\n])*'?"
    rb"|#[^\n]*",
    re.DOTALL,
)
_COMPOUND = re.compile(rb"@|(?:async|class|def|for|if|try|while|with)\b")
_ESCAPE_SEQUENCE = re.compile(rb"\x1b(?:\[[0-?]*[@-~]|O.|[^\[O])", re.DOTALL)


def needs_more(source: bytes) -> bool:
    """Whether the statement `source`, lines joined by LF, goes on: the prompt answers with `... ` (py/repl.c).

    It does in an open bracket or triple quote, after a backslash, and in a compound statement until an empty line.
    An unfinished triple quote is counted as an open bracket.
    """
    code = _STRING_OR_COMMENT.sub(lambda found: b"(" if found["open"] and not found["close"] else b"", source)
    if code.endswith(b"\\"):
        return True
    if any(code.count(opening) > code.count(closing) for opening, closing in (b"()", b"[]", b"{}")):
        return True
    return _COMPOUND.match(source) is not None and not source.endswith(b"\n")


class LineEditor:
    """The line being typed, in `text`; what is typed is echoed through `write` (shared/readline/readline.c).

    The cursor stays at the end: cursor keys, history and completion are swallowed without effect.
    """

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.text = bytearray()
        self._write = write
        self._escape = bytearray()

    def clear(self) -> None:
        """The line is empty, and nothing of an unfinished escape sequence is remembered."""
        self.text.clear()
        self._escape.clear()

    def key(self, byte: int) -> int | None:
        """`byte` has had its effect on the line; returns the key when it is one for the REPL.

        These are Enter and Ctrl-C, and Ctrl-A, B, D and E on an empty line.
        """
        if self._escape or byte == _ESCAPE:
            self._escape.append(byte)
            if _ESCAPE_SEQUENCE.fullmatch(self._escape):
                self._escape.clear()
        elif byte == CTRL_C or (CTRL_A <= byte <= CTRL_E and not self.text):
            return byte
        elif byte == ENTER:
            self._write(b"\r\n")
            return byte
        elif byte in _BACKSPACES:
            self._rub_out()
        elif byte == _TAB:
            self._insert(_INDENT)
        elif byte >= 0x20:
            self._insert(bytes([byte]))
        return None

    def _insert(self, typed: bytes) -> None:
        self.text += typed
        self._write(typed)

    def _rub_out(self) -> None:
        """The last character is gone, all bytes of it (UTF-8)."""
        if not self.text:
            return
        while self.text.pop() & 0xC0 == 0x80 and self.text:
            continue
        self._write(b"\b\x1b[K")
