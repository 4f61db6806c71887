"""The agent: goes through the states of `states.TABLE`, each a coroutine that returns the event it ended in."""

import asyncio
import time

from micropython import const

from . import config, configuration, hw, record, states, update
from .errors import NvsRefused, RecordUnreadable, Rejected, Unreachable
from .hooks import load, unload
from .liaison import Liaison
from .log import log
from .pace import Pace
from .slots import Writer

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from collections.abc import Callable

    from .hooks import Hook
    from .telling import Telling

_FAILURES_BEFORE_RESET = const(5)
_IDLE_FAILURES_BEFORE_RESET = const(12)  # with the waits between them that takes an hour

SAFE_AFTER_CRASHES = 5
"""So many boots in a row that ended in an exception leave the board to the agent alone (boot/main.py)."""


async def _idle(agent: "Agent") -> str:
    """The application has its specification, the wait is over and the server was asked; with an offer or without."""
    await configuration.took(agent)
    await agent.pace.pause()
    if hw.refused:
        raise NvsRefused("a restart is due")  # which `run` makes when it hears that often enough
    liaison = agent.liaison
    try:
        if agent.untold:
            await _deliver(agent)
        unload()
        await liaison.check_in(0 if agent.safe else agent.wait_s, not agent.untold)
    except (Unreachable, Rejected) as error:
        log(error)
        agent.pace.back_off(error.wait_s)
        return "nothing"
    if not agent.safe and hw.crashes():
        hw.set_crashes(0)
    told = "inventory" in liaison.orders and await _tell_inventory(liaison)
    if liaison.orders.get("operation"):
        return "ordered"
    if liaison.offer:
        return "offered"
    agent.pace.poll_after(0 if told else liaison.poll_s)
    return "nothing"


async def _deliver(agent: "Agent") -> None:
    """As `operations.deliver`. Without the memory for it the agent goes on, so that a smaller release can come: an
    outcome is told later, from NVS, or from RAM when NVS had no room for it."""
    try:
        await load("twinslot.operations").deliver(agent)
    except MemoryError as error:
        log(error)
        if agent.telling and agent.telling.is_kept:
            agent.telling = None


async def _tell_inventory(liaison: Liaison) -> bool:
    """Whether the server knows now which packages are installed. What else it has for this board does not wait for
    that."""
    try:
        await load("twinslot.inventory").tell(liaison)
        return True
    except (Unreachable, Rejected, MemoryError) as error:
        log("inventory:", error)
        return False


_STATES = {
    "idle": _idle,
    "working": "twinslot.operations",
    "judging": "twinslot.judging",
    "downloading": update.downloading,
    "switching": update.switching,
}
"""What a state's coroutine is, or the module that has it, when not `trial`."""


class Agent:
    """Keeps the board up to date: `await agent.run()` beside the application's own tasks, for as long as it runs.

    The hooks may be plain functions or asynchronous ones:
    - `on_progress(done, size)` in bytes, while an image or a bundle is fetched;
    - `consent(version)` returns whether that version may be installed now; asked again at the next check-in;
    - `configure(specification)` is given the specification in force after each start, when there is one, before the
      self-test; in a trial an exception ends that;
    - `self_test()` returns whether the application works, asked in a trial; an exception counts as no.

    An exception in one of the first two ends that attempt; the next check-in makes another. `operation` is the "id" and
    "attempt" of the operation that runs, None when there is none. What else has no underscore is for the states.

    Raises ConfigError when the board is not provisioned.
    """

    def __init__(
        self,
        on_progress: "Hook" = None,
        consent: "Hook" = None,
        self_test: "Hook" = None,
        configure: "Hook" = None,
    ) -> None:
        self.set_hooks(on_progress, consent, self_test, configure)
        self.config = config.load()
        self.running = hw.running_slot()
        self.started_ms = time.ticks_ms()
        self.safe = hw.crashes() >= SAFE_AFTER_CRASHES and not hw.on_trial()
        self.record = _load_record(self.config.version, self.running)
        self.pace = Pace()
        self.writer = Writer()
        self.liaison = Liaison(self.config, self.record, self.pace, self.safe)
        self.release: dict = {}  # checked and accepted, as the record has it
        self.transfer_path = ""
        self.image_path = ""
        self.specification = b""  # the release's, until it is stored; empty when it brings none
        self.keys = b""  # to trust once the release is confirmed, until they are stored; empty when it changes none
        self.took: "bool | None" = None  # whether the application took the specification in force, None: not yet given
        self.failure: "tuple[str, str]" = ("", "")  # event and reason of what `undoing` records
        self.verbs: dict = {}
        self.operation: "dict | None" = None
        self.telling: "Telling | None" = None  # of the last operation, until its outcome was told
        self.untold = bool(hw.load_operation())
        self.wait_s = 0  # how long the server may hold a check-in: not at all for `update_once`; `run` sets it
        self._machine = states.Machine()

    def set_hooks(self, on_progress: "Hook", consent: "Hook", self_test: "Hook", configure: "Hook") -> None:
        """These hooks are used from now on."""
        self.on_progress = on_progress
        self.consent = consent
        self.self_test = self_test
        self.configure = configure

    def verb(self, name: str) -> "Callable":
        """A decorator: commands that begin with the word `name` call the function, plain or asynchronous, with their
        other words as texts. What it prints itself, and what it returns, is the command's output; an exception makes
        it fail, `SystemExit(n)` with that exit code.

        A plain function stops the whole board while it runs: it can't be told to stop, and what it prints beyond
        4 KiB is cut.
        """

        def register(function: "Callable") -> "Callable":
            self.verbs[name] = function
            return function

        return register

    @property
    def state(self) -> str:
        """The name of the agent's state in `states.TABLE`."""
        return self._machine.state

    async def run(self) -> None:
        """Never returns. An error that nothing foresaw is printed and waited out; where it comes again and again, the
        board restarts: from idle, where the application may be at work, once an hour at most."""
        failures = 0
        self.wait_s = self.config.wait_s
        while True:
            try:
                await self._step()
                if self.state == "idle":
                    failures = 0
            except Exception as error:  # noqa: BLE001 - the agent goes on, whatever it was
                log("error:", type(error).__name__, error)
                failures += 1
                if failures >= (_IDLE_FAILURES_BEFORE_RESET if self.state == "idle" else _FAILURES_BEFORE_RESET):
                    hw.reset()
                if self.state != "idle":
                    await self.pace.pause()

    async def update_once(self) -> bool:
        """What there is to do has been done once: a trial judged, the server asked, an update installed (then the
        board restarts). Returns whether the server was reached."""
        while self.state != "idle":
            await self._step()
        if self.pace.watchdog:
            log("restarting, to end the trial's watchdog")
            await load("twinslot.trial").resetting(self)
        self.pace.pause_s = 0
        await self._step()
        while self.state != "idle":
            await self._step()
        return not self.pace.failing

    async def _step(self) -> None:
        """The agent is in the next state. What the state's coroutine raised is raised on; where an attempt can be given
        up, it is."""
        state = _STATES.get(self.state, "twinslot.trial")
        try:
            if isinstance(state, str):
                state = getattr(load(state), self.state)
            self._machine.advance(await state(self))
        except Exception:
            self.pace.back_off()
            if (self.state, "broken") in states.TABLE:
                self._machine.advance("broken")
            raise


def _load_record(version: str, running: int) -> record.Record:
    """The board's record; a new one when there never was any."""
    try:
        fields = hw.load_record()
        if fields is None:
            # An image in its trial on a board without a record is not what the board was shipped with.
            fields = record.factory(version, 1 - running if hw.image_on_trial() else running)
            # CUT: there is no record still, and the next boot makes it.
            hw.save_record(fields)
    except RecordUnreadable as error:
        if hw.on_trial():
            raise
        log("the update record can't be read:", error)
        fields = record.salvaged(hw.image_version(), hw.load_floor())
    return record.Record(fields, hw.save_record)


_only: "Agent | None" = None


def update_now(
    on_progress: "Hook" = None, consent: "Hook" = None, self_test: "Hook" = None, configure: "Hook" = None
) -> bool:
    """What there is to do has been done once, by an agent with these hooks; returns whether the server was reached.

    For applications without asyncio: call it at times when a restart is welcome.
    """
    global _only
    if _only is None:
        _only = Agent()
    _only.set_hooks(on_progress, consent, self_test, configure)
    return asyncio.run(_only.update_once())
