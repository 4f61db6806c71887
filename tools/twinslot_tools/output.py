"""What the commands print: one JSON document for programs, tables for people.

Much of it was chosen by devices or by other users, so none of it is markup, and nothing in it moves the cursor.
"""

import errno
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from twinslot_tools.errors import BadFile, OutputClosed


class PlainConsole(Console):
    """A console that takes nothing for markup, and whose broken pipe is an exception as any other stream's."""

    def __init__(self, file: IO[str], width: int | None = None) -> None:
        super().__init__(file=file, width=width, highlight=False, markup=False, emoji=False)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def console() -> PlainConsole:
    """Standard output. Without a terminal it is wide enough for whole ids, so that pipes get whole words."""
    return PlainConsole(sys.stdout, None if sys.stdout.isatty() or "COLUMNS" in os.environ else 160)


@contextmanager
def written(stream: IO[str]) -> Iterator[None]:
    """What the block printed to `stream` has left; raises `OutputClosed` or `BadFile` when it could not."""
    try:
        yield
        stream.flush()
    except OSError as error:
        # What is still buffered would fail again when the process ends.
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())
        os.close(nothing)
        if error.errno == errno.EPIPE:
            raise OutputClosed from error
        raise BadFile(f"can't write what there is to say: {error.strerror}") from error


def say(line: str, stream: IO[str] | None = None) -> None:
    """`line` is on `stream`, or else on standard output."""
    out = stream or sys.stdout
    with written(out):
        print(line, file=out)


def print_json(document: object) -> None:
    """`document` is on standard output, as the only thing there."""
    say(json.dumps(document, indent=2, ensure_ascii=False))


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """The rows are shown as a table, or `empty` when there are none."""
    table = Table(title=literal(title, "table.title"), title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(literal(text(cell)) for cell in row))
    show(table if table.row_count else empty)


def print_facts(title: str, facts: Mapping[str, object]) -> None:
    """Names and values are shown under one another."""
    table = Table(title=literal(title, "table.title"), title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(literal(name), literal(text(value)))
    show(table)


def show(what: Table | str) -> None:
    """`what` is on standard output."""
    with written(sys.stdout):
        console().print(literal(what) if isinstance(what, str) else what)


def literal(words: str, style: str = "") -> Text:
    """`words` as they are, for rich."""
    return Text(printable(words), style=style)


def printable(words: str) -> str:
    """`words` with a replacement sign for each character that a terminal would act on."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in words)


def text(value: Any) -> str:
    """`value` as a cell of a table shows it."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return str(value).removesuffix(".0")
    if isinstance(value, list):
        return ", ".join(text(item) for item in value) or "-"
    if isinstance(value, dict):
        return ", ".join(f"{name}={text(item)}" for name, item in value.items()) or "-"
    return str(value)
