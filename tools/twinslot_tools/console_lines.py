"""What a board prints, as lines, and what these say of an update's progress."""

import re
from collections.abc import Callable
from dataclasses import dataclass

LONGEST_BYTES = 4096
_BOOTED = re.compile(r"twinslot: slot \d, (?P<version>\S+), \w+$")
_PROGRESS = re.compile(r"twinslot: downloading (?P<version>\S+): (?P<percent>\d+) %$")
_PHASES = (
    (re.compile(r"twinslot: downloading (\S+), \d+ bytes$"), "downloading {}", 0),
    (re.compile(r"twinslot: restarting into (\S+)$"), "restarting into {}", 100),
    (re.compile(r"twinslot: trial of (\S+)$"), "trying {}", 100),
    (re.compile(r"twinslot: confirmed (\S+)$"), "confirmed {}", 100),
    (re.compile(r"twinslot: rolled back (\S+: \S+)"), "rolled back {}", 0),
)


class Lines:
    """Gathers output into lines and hands on each one that is whole, without its line end; what has become longer than
    LONGEST_BYTES counts as whole."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """The lines that `data` completes have been handed on."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST_BYTES:
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            self._on_line(line.decode("utf-8", "replace").rstrip("\r"))


@dataclass
class Progress:
    """Where a board's update stands: the version that runs, a short phrase for people, the percentage of a download."""

    version: str = ""
    phase: str = "starting"
    percent: int = 0

    def read(self, line: str) -> bool:
        """True when `line` of the board's console said something new; it is then in the fields."""
        if booted := _BOOTED.match(line):
            self.version = booted["version"]
            self.phase, self.percent = "running", 0
            return True
        if downloading := _PROGRESS.match(line):
            self.phase = f"downloading {downloading['version']}"
            self.percent = int(downloading["percent"])
            return True
        for pattern, phrase, percent in _PHASES:
            if found := pattern.match(line):
                self.phase, self.percent = phrase.format(found[1]), percent
                return True
        return False
