"""The specification in force: how it gets from the chip to the application."""

import asyncio

from micropython import const

from . import hw, places, states
from .errors import RecordUnreadable
from .hooks import settled
from .log import log
from .specification import decode, place, with_link

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from .agent import Agent


def specification() -> object:
    """The specification in force, as JSON has it; None when there is none, or it can't be read. Each call reads it
    anew, so what is done to one value changes no other."""
    try:
        record = hw.load_record()
        found = _in_force(record["confirmed"], record["trial"] or {}) if record else ()
    except (RecordUnreadable, ValueError):
        return None
    return found[0] if found else None


async def took(agent: "Agent") -> bool:
    """Whether the application takes the specification in force, which it is given once after each start; True when
    there is none. A hook that does not come to an end within the time of a trial does not take it."""
    if agent.took is None:
        try:
            await asyncio.wait_for(_give(agent), agent.config.trial_s)
            agent.took = True
        except Exception as error:  # noqa: BLE001 - the application's own; any is a no
            log("configure:", type(error).__name__, error)
            agent.took = False
    return agent.took


async def _give(agent: "Agent") -> None:
    found = _in_force(agent.record.confirmed, agent.record.trial)
    if found and agent.configure:
        await settled(agent.configure(found[0]))


def _in_force(confirmed: dict, trial: dict) -> "tuple[object, ...]":
    """The specification in force, alone; nothing when there is none, or the confirmed one was lost. Raises ValueError
    when it is the trial's that was lost."""
    trial_runs = states.runs(trial, hw.running_slot(), hw.running_tree, hw.trial_state())
    at = place(confirmed, trial, trial_runs)
    if at is None:
        return ()
    data = places.load("spec", at)
    if not len(data) and at == confirmed.get("place"):
        return ()
    value = decode(data)
    return (with_link(value, trial.get("link", "")) if trial_runs else value,)
