"""What the commands print: one JSON document for programs, tables for people."""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table


def console() -> Console:
    """Standard output. Without a terminal it is wide enough for whole ids, so that pipes get whole words."""
    return Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 160, highlight=False)


def print_json(document: object) -> None:
    """`document` is on standard output, as the only thing there."""
    print(json.dumps(document, indent=2, ensure_ascii=False), flush=True)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """The rows are shown as a table, or `empty` when there are none."""
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(text(cell) for cell in row))
    console().print(table if table.row_count else empty, markup=False)


def print_facts(title: str, facts: Mapping[str, object]) -> None:
    """Names and values are shown under one another."""
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, text(value))
    console().print(table)


def text(value: Any) -> str:
    """`value` as a cell of a table shows it."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(text(item) for item in value)
    return str(value)
