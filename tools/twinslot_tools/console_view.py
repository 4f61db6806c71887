"""A board's console for people: lines as they come, a traceback in colour."""

import re

from rich.text import Text

from twinslot_tools.output import literal

_BEGINS = "Traceback (most recent call last):"
_FRAME = re.compile(r"  File \"")


class Colours:
    """Tells a traceback's lines from others, one line after another."""

    def __init__(self) -> None:
        self._inside = False

    def style(self, line: str) -> str:
        """How the line is to look, in rich's words; empty for one that is of no traceback."""
        if line.endswith(_BEGINS):
            self._inside = True
            return "bold red"
        if not self._inside:
            return ""
        if line.startswith("  "):
            return "cyan" if _FRAME.match(line) else "red"
        self._inside = False
        return "bold red"

    def shown(self, line: str) -> Text:
        """The line as rich shows it, with nothing in it that a terminal would act on."""
        return literal(line, self.style(line))
