"""Jobs: what became of one, told in the words that SocketXP's clients know."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from twinslot_host.domain.queue import OVER, Operation

TOLD = (*OVER, "running", "sent", "queued")  # in the order in which a summary tells of them

Target = Literal["device", "group", "tag"]


@dataclass(frozen=True)
class Job:
    """A command that was submitted for a device, or for the devices that a group or tag had then: its children.

    `workflow` is the id of the one that was submitted, which may be gone, or None; `target_name` is the device's id, or
    the group's or tag's name as it was then. `created_at_ms` orders an account's jobs.
    """

    id: str
    name: str
    workflow: str | None
    command: str
    target: Target
    target_name: str
    timeout_s: int
    created_at_ms: int


@dataclass(frozen=True)
class Tally:
    """How many of a job's children are in each state that any is in, when the first was sent, and when the last ended.

    A job without children starts and ends as it is submitted.
    """

    counts: Mapping[str, int]
    started_at_ms: int | None
    ended_at_ms: int | None


def summary(counts: Mapping[str, int]) -> str:
    """The states that there are, such as `3 succeeded, 1 failed, 2 queued`."""
    return ", ".join(f"{counts[state]} {state}" for state in TOLD if counts.get(state)) or "no devices"


def result(child: Operation) -> str:
    """What it printed when it succeeded, else how it ended and why; empty before it is over."""
    if not child.is_over:
        return ""
    if child.state == "succeeded":
        return child.output.removesuffix("\n")
    why = child.reason if child.exit_code is None else f"exit code {child.exit_code}"
    ended = f"{child.state} ({why})" if why else child.state
    told = child.errors.removesuffix("\n")
    return f"{ended}: {told}" if told else ended
