"""A package.json as it comes, in small parts: a board may have no room for a whole one. Pure."""

import json

from .errors import PackageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

_PART_MAX_BYTES = 2048
_OVER = -1
_USED = (b"urls", b"hashes", b"deps", b"sha256")


class Document:
    """A JSON object. `add` makes small ones of it, each with one member; and of a member that is an array or an object,
    with one element of that. What is longer than 2 KiB is left out when it belongs to a member that `mip.Plan`
    does not read."""

    def __init__(self) -> None:
        self._depth = 0  # how many arrays and objects are open
        self._head = b""  # how the next small object begins
        self._text = bytearray()  # how it goes on, as far as that has come
        self._skips = False  # whether that is left out
        self._quoted = False
        self._escaped = False

    def add(self, data: memoryview) -> "Generator[dict, None, None]":
        """The small objects that are complete with `data`. Raises PackageError."""
        for byte in data:
            if self._depth <= 0 and byte not in b" \t\r\n" and (self._depth or byte != ord("{")):
                raise PackageError("package.json: not a package")
            if not self._quoted and self._depth in (1, 2) and byte in b",]}":
                if bytes(self._text).strip() and not self._skips:
                    yield self._part()
                self._text, self._skips = bytearray(), False
                if byte != ord(","):
                    if byte - self._head[-1] != 2:  # in ASCII what closes is 2 above what opens
                        raise PackageError("package.json: not JSON")
                    self._head = b"{"
                    self._depth = self._depth - 1 or _OVER
            else:
                self._take(byte)

    def end(self) -> None:
        """All has come. Raises PackageError when something is missing."""
        if self._depth != _OVER:
            raise PackageError("package.json: not JSON")

    def _take(self, byte: int) -> None:
        """The byte is part of the next small object."""
        if len(self._text) < _PART_MAX_BYTES:
            self._text.append(byte)
        elif not self._skips:
            member = (self._head + self._text).split(b'"', 2)[1:2]
            if not member or member[0] in _USED:
                raise PackageError("package.json: an entry of more than {} bytes".format(_PART_MAX_BYTES))
            self._skips = True
        if self._escaped:
            self._escaped = False
        elif self._quoted and byte == ord("\\"):
            self._escaped = True
        elif byte == ord('"'):
            self._quoted = not self._quoted
        elif not self._quoted and byte in b"]}":
            self._depth -= 1
        elif not self._quoted and byte in b"[{":
            self._depth += 1
            if self._depth <= 2:
                self._head += self._text
                self._text = bytearray()

    def _part(self) -> dict:
        end = b"]" if self._head[-1] == ord("[") else b"}"
        try:
            return json.loads(self._head + self._text + end + b"}" * (self._depth - 1))
        except ValueError:
            raise PackageError("package.json: not JSON")
