"""Jobs: watched until they are over, and what came of them, for people."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import aiohttp
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from twinslot_tools import shapes
from twinslot_tools.client import call, pages
from twinslot_tools.operations import OVER
from twinslot_tools.output import PlainConsole, printable, say
from twinslot_tools.watching import AGAIN_S, patiently

OnChange = Callable[[dict[str, Any]], None]


async def ended(http: aiohttp.ClientSession, url: str, on_change: OnChange) -> dict[str, Any]:
    """The job at `url`, when it is over on every device, with its children; `on_change` hears of it on the way."""
    while True:
        job: dict[str, Any] = await patiently(partial(call, http, "GET", url, shapes.JOB))
        on_change(job)
        if job["ended_at"] is not None:
            return await patiently(partial(with_children, http, url, job))
        await asyncio.sleep(AGAIN_S)


async def with_children(http: aiohttp.ClientSession, url: str, job: dict[str, Any]) -> dict[str, Any]:
    """The job, which is at `url`, with its children."""
    return {**job, "children": await pages(http, f"{url}/children", shapes.CHILD, at_once=50)}


@contextmanager
def progress() -> Iterator[OnChange]:
    """How far a job is, on standard error: a bar on a terminal, elsewhere a line for each change."""
    errors = PlainConsole(sys.stderr)
    if not errors.is_terminal or errors.is_dumb_terminal:
        yield _Lines()
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task("")

        def show(job: dict[str, Any]) -> None:
            done = sum(job["states"][state] for state in OVER)
            bar.update(task, description=summary(job), completed=done, total=sum(job["states"].values()))

        yield show


class _Lines:
    """Says how far a job is, each time that it is elsewhere than before."""

    def __init__(self) -> None:
        self._said = ""

    def __call__(self, job: dict[str, Any]) -> None:
        line = summary(job)
        if line != self._said:
            self._said = line
            say(line, sys.stderr)


def summary(job: dict[str, Any]) -> str:
    """On how many devices the job is how far."""
    return ", ".join(f"{number} {state}" for state, number in job["states"].items() if number) or "no devices"


def say_children(job: dict[str, Any]) -> None:
    """What each device made of the job, and all that it printed, is on standard output."""
    for child in job["children"]:
        say(f"{child['device']}: {_ending(child)}")
        for line in [*child["output"].splitlines(), *child["errors"].splitlines()]:
            say(printable(line))


def _ending(child: dict[str, Any]) -> str:
    code = f"exit code {child['exit_code']}" if child["exit_code"] else ""
    cut = "some of what it printed is lost" if child["cut"] else ""
    words = dict.fromkeys((child["state"], code, child["reason"], cut))  # a reason may just tell the exit code
    return printable(", ".join(each for each in words if each))
