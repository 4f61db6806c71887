"""The states of the board's console, and what leads from one to the next."""

from __future__ import annotations

from enum import Enum, auto

from twinslot_sim.errors import TwinslotError


class ConsoleError(TwinslotError):
    """The board reported something that cannot happen now: a bug in the board."""


class State(Enum):
    """What the console is at."""

    RESTARTING = auto()  # nothing runs; input waits
    PROGRAM = auto()  # boot.py or main.py runs; input is its standard input
    PROGRAM_STOPPING = auto()  # as above, interrupted; input waits
    CODE = auto()  # code from the REPL runs; input is its standard input
    CODE_STOPPING = auto()  # as above, interrupted; input waits
    PROMPT = auto()  # at the prompt, friendly or raw, whichever the host chose last
    PASTE = auto()  # in the friendly REPL's paste mode
    RAW_PASTE = auto()  # in the raw REPL's paste mode


class Event(Enum):
    """What changes the state."""

    PROGRAM_STARTED = auto()
    PROGRAM_ENDED = auto()
    RUN_DONE = auto()
    EXITED = auto()
    INTERRUPTED = auto()
    CODE_SENT = auto()
    PASTE_BEGUN = auto()
    RAW_PASTE_BEGUN = auto()
    CANCELLED = auto()
    SOFT_RESET = auto()


TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.RESTARTING, Event.PROGRAM_STARTED): State.PROGRAM,
    (State.PROGRAM, Event.PROGRAM_ENDED): State.PROMPT,
    (State.PROGRAM, Event.INTERRUPTED): State.PROGRAM_STOPPING,
    (State.PROGRAM, Event.EXITED): State.RESTARTING,
    (State.PROGRAM_STOPPING, Event.PROGRAM_ENDED): State.PROMPT,
    (State.PROGRAM_STOPPING, Event.INTERRUPTED): State.PROGRAM_STOPPING,
    (State.PROGRAM_STOPPING, Event.EXITED): State.RESTARTING,
    (State.CODE, Event.RUN_DONE): State.PROMPT,
    (State.CODE, Event.INTERRUPTED): State.CODE_STOPPING,
    (State.CODE, Event.EXITED): State.RESTARTING,
    (State.CODE_STOPPING, Event.RUN_DONE): State.PROMPT,
    (State.CODE_STOPPING, Event.INTERRUPTED): State.CODE_STOPPING,
    (State.CODE_STOPPING, Event.EXITED): State.RESTARTING,
    (State.PROMPT, Event.CODE_SENT): State.CODE,
    (State.PROMPT, Event.PASTE_BEGUN): State.PASTE,
    (State.PROMPT, Event.RAW_PASTE_BEGUN): State.RAW_PASTE,
    (State.PROMPT, Event.SOFT_RESET): State.RESTARTING,
    (State.PASTE, Event.CODE_SENT): State.CODE,
    (State.PASTE, Event.CANCELLED): State.PROMPT,
    (State.RAW_PASTE, Event.CODE_SENT): State.CODE,
    (State.RAW_PASTE, Event.CANCELLED): State.PROMPT,
}


def after(state: State, event: Event) -> State:
    """The state that `event` leads to. Raises ConsoleError when it cannot happen in `state`."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise ConsoleError(f"the board reported {event.name} while its console was at {state.name}") from None
