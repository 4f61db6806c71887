"""What MicroPython has and CPython has not, as far as the pure modules of the device package need it."""

import sys
import types
import zlib
from typing import Any


class DeflateIO:
    """As MicroPython's own, for reading: takes no more of the stream than it needs, and raises when that ends early."""

    def __init__(self, stream: Any, format: int, window_bits: int) -> None:
        self._stream = stream
        self._inflate = zlib.decompressobj(-window_bits)

    def readinto(self, buffer: memoryview) -> int:
        made = b""
        data = b""
        while len(made) < len(buffer) and not self._inflate.eof:
            try:
                more = self._inflate.decompress(data, len(buffer) - len(made))
            except zlib.error:
                raise OSError(22) from None
            made += more
            data = self._inflate.unconsumed_tail
            if not more and not data and not self._inflate.eof:
                data = self._stream.read(1)
                if not data:
                    raise EOFError
        buffer[: len(made)] = made
        return len(made)


def install() -> None:
    """`micropython` and `deflate` can be imported."""
    for name, members in {
        "micropython": {"const": lambda value: value},
        "deflate": {"DeflateIO": DeflateIO, "RAW": 1},
    }.items():
        module = types.ModuleType(name)
        vars(module).update(members)
        sys.modules[name] = module
