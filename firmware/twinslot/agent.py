"""The agent: goes through the states of `states.TABLE`, each a coroutine that returns the event it ended in."""

import asyncio
import time

from . import config, configuration, hw, record, states, trial, update
from .errors import RecordUnreadable, Rejected, Unreachable
from .liaison import Liaison
from .log import log
from .pace import Pace
from .transfer import Transfer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hooks import Hook

_FAILURES_BEFORE_RESET = 5

SAFE_AFTER_CRASHES = 5
"""So many boots in a row that ended in an exception leave the board to the agent alone (boot/main.py)."""


async def _idle(agent: "Agent") -> str:
    """The application has its specification, the wait is over and the server was asked; with an offer or without."""
    await configuration.took(agent)
    await agent.pace.pause()
    try:
        await agent.liaison.check_in()
    except (Unreachable, Rejected) as error:
        log(error)
        agent.pace.back_off()
        return "nothing"
    if not agent.safe and hw.crashes():
        hw.set_crashes(0)
    if agent.liaison.offer:
        return "offered"
    agent.pace.poll_after(agent.liaison.poll_s)
    return "nothing"


_STATES = {
    "booting": trial.booting,
    "settling": trial.settling,
    "idle": _idle,
    "judging": update.judging,
    "downloading": update.downloading,
    "switching": update.switching,
    "resetting": trial.resetting,
    "trial": trial.trial,
    "confirming": trial.confirming,
    "undoing": trial.undoing,
}


class Agent:
    """Keeps the board up to date: `await agent.run()` beside the application's own tasks, for as long as it runs.

    The hooks may be plain functions or asynchronous ones:
    - `on_progress(done, size)` in bytes, while an image is fetched;
    - `consent(version)` returns whether that version may be installed now; asked again at the next check-in;
    - `configure(specification)` is given the specification in force after each start, when there is one, before the
      self-test; in a trial an exception ends that;
    - `self_test()` returns whether the application works, asked in a trial; an exception counts as no.

    An exception in one of the first two ends that attempt; the next check-in makes another. What has no underscore is
    for the states. Raises ConfigError when the board is not provisioned or has no second slot.
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
        self.transfer = Transfer()
        self.liaison = Liaison(self.config, self.record, self.pace, hw.Slot(1 - self.running).size, self.safe)
        self.release: dict = {}  # checked and accepted, as the record has it
        self.transfer_path = ""
        self.specification = b""  # the release's, until it is stored; empty when it brings none
        self.took: "bool | None" = None  # whether the application took the specification in force, None: not yet given
        self.failure: "tuple[str, str]" = ("", "")  # event and reason of what `undoing` records
        self._machine = states.Machine()

    def set_hooks(self, on_progress: "Hook", consent: "Hook", self_test: "Hook", configure: "Hook") -> None:
        """These hooks are used from now on."""
        self.on_progress = on_progress
        self.consent = consent
        self.self_test = self_test
        self.configure = configure

    @property
    def state(self) -> str:
        """The name of the agent's state in `states.TABLE`."""
        return self._machine.state

    async def run(self) -> None:
        """Never returns. An error that nothing foresaw is printed and waited out; where the same state fails over and
        over, the board restarts."""
        failures = 0
        while True:
            try:
                await self._step()
                failures = 0
            except Exception as error:  # noqa: BLE001 - the agent goes on, whatever it was
                log("error:", type(error).__name__, error)
                failures += 1
                self.pace.back_off()
                if (self.state, "broken") in states.TABLE:
                    self._machine.advance("broken")
                elif self.state != "idle":
                    if failures >= _FAILURES_BEFORE_RESET:
                        hw.reset()
                    await self.pace.pause()

    async def update_once(self) -> bool:
        """What there is to do has been done once: a trial judged, the server asked, an update installed (then the
        board restarts). Returns whether the server was reached."""
        while self.state != "idle":
            await self._step()
        if self.pace.watchdog:
            log("restarting, to end the trial's watchdog")
            await trial.resetting(self)
        self.pace.pause_s = 0
        await self._step()
        while self.state != "idle":
            await self._step()
        return not self.pace.failing

    async def _step(self) -> None:
        self._machine.advance(await _STATES[self.state](self))


def _load_record(version: str, running: int) -> record.Record:
    """The board's record; a new one when there never was any."""
    try:
        fields = hw.load_record()
        if fields is None:
            # An image in its trial on a board without a record is not what the board was shipped with.
            fields = record.factory(version, 1 - running if hw.image_on_trial() else running)
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
