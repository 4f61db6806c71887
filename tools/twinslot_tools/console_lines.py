"""What a board prints, as lines, and what these say of an update's progress."""

import re
from collections.abc import Callable
from dataclasses import dataclass

_PROGRESS = re.compile(r"twinslot: downloading (?P<version>\S+): (?P<percent>\d+) %$")
_PHASES = (
    (re.compile(r"twinslot: downloading (\S+),"), "downloading {}"),
    (re.compile(r"twinslot: restarting into (\S+)$"), "restarting into {}"),
    (re.compile(r"twinslot: trial of (\S+)$"), "{} on trial"),
    (re.compile(r"twinslot: confirmed (\S+)$"), "{} confirmed"),
    (re.compile(r"twinslot: rolled back ([^\s:]+)"), "rolled back {}"),
    (re.compile(r"twinslot: slot \d, (\S+), settled$"), "running {}"),
)


class Lines:
    """Gathers output into lines and hands on each one that is whole, without its line end."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """The lines that `data` completes have been handed on."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._on_line(line.decode("utf-8", "replace").rstrip("\r"))


@dataclass
class Progress:
    """Where a board's update stands: a short phrase for people, and the percentage of a download."""

    phase: str = "starting"
    percent: int = 0

    def read(self, line: str) -> bool:
        """True when `line` of the board's console said something new; it is then in the fields."""
        downloading = _PROGRESS.match(line)
        if downloading:
            self.phase = f"downloading {downloading['version']}"
            self.percent = int(downloading["percent"])
            return True
        for pattern, phrase in _PHASES:
            found = pattern.match(line)
            if found:
                self.phase = phrase.format(found[1])
                self.percent = 0 if "downloading" in phrase or "running" in phrase else 100
                return True
        return False
