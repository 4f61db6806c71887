"""A live view of many boards: a table with a progress bar for each on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from twinslot_tools.console_lines import Progress
from twinslot_tools.output import PlainConsole, literal, printable, written

BAR_WIDTH = 30


class FleetView:
    """Shows what the boards say of their updates, for as long as the `with` block runs.

    `to_stderr` leaves standard output to something else. `on_line` of a board is what `listener` returns for it.
    """

    def __init__(self, title: str, names: Sequence[str], *, to_stderr: bool = False) -> None:
        self.title = title
        self.progress = {name: Progress() for name in names}
        self._console = PlainConsole(sys.stderr if to_stderr else sys.stdout)
        plain = not self._console.is_terminal or self._console.is_dumb_terminal
        self._live = None if plain else Live(self._table(), console=self._console, refresh_per_second=8)
        self._steps: dict[str, tuple[str, int]] = {}

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.update(self._table(), refresh=True)
            self._live.stop()

    def listener(self, name: str) -> Callable[[str], None]:
        """What is to be called with each line that the board `name` prints."""
        return lambda line: self._heard(name, line)

    def say(self, line: str) -> None:
        """`line` is shown, above the table if there is one; raises what `written` raises."""
        with written(self._console.file):
            self._console.print("\n".join(map(printable, line.split("\n"))), soft_wrap=True)

    def _heard(self, name: str, line: str) -> None:
        progress = self.progress[name]
        if not progress.read(line):
            return
        if self._live:
            self._live.update(self._table())
            return
        percent = progress.percent if progress.phase.startswith("downloading") else 0
        step = (progress.phase, percent // 50)  # half-way marks are enough for a log
        if self._steps.get(name) != step:
            self._steps[name] = step
            version = f" {progress.version}" if progress.phase == "running" else ""
            self.say(f"{name}: {progress.phase}{version}{f' {percent} %' if percent else ''}")

    def _table(self) -> Table:
        table = Table(title=literal(self.title, "table.title"), title_justify="left")
        table.add_column("device", no_wrap=True)
        table.add_column("runs", min_width=6, no_wrap=True)
        table.add_column("last step", min_width=25, no_wrap=True)
        table.add_column("download", width=BAR_WIDTH + 6)
        for name, progress in self.progress.items():
            table.add_row(literal(name), literal(progress.version), literal(progress.phase), _bar(progress.percent))
        return table


def _bar(percent: int) -> Table:
    row = Table.grid(padding=(0, 1))
    row.add_row(ProgressBar(total=100, completed=percent, width=BAR_WIDTH), f"{percent:3} %")
    return row
