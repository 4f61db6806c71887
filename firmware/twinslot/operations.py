"""The state of a device that does what its server ordered, once: a command, the installation of a package or its
removal; and what passes with the server on account of that. Loaded with an operation, and gone when it is told."""

import asyncio
import gc
import time

from micropython import const

from . import hw, outcome
from .doing import RESTARTING, do
from .errors import TransferError, TwinslotError, Unreachable
from .log import log
from .telling import Telling

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from .agent import Agent

_MARGIN_S = 10  # of the watchdog: the time-out comes first, and can be told
_LONGEST_S = 86400
_TICK_MS = 250
_REPORT_MS = 1000
_SIGN_OF_LIFE_MS = 4000
_RETRY_MS = 5000
_FULL_BYTES = 1024


async def deliver(agent: "Agent") -> None:
    """The server knows how the last operation ended, if it ended. Raises Unreachable."""
    if agent.telling is None:
        report = outcome.untold(hw.load_operation(), hw.reset_cause())
        if report:
            agent.telling = Telling(agent.liaison, report["id"], report["attempt"])
            agent.telling.end_kept(report)
    if agent.telling is not None:
        await agent.telling.deliver()
    agent.telling = None
    agent.untold = False


async def working(agent: "Agent") -> str:
    """The operation that was ordered has ended, and the server knows, or will be told before the next check-in."""
    order = agent.liaison.orders["operation"]
    agent.liaison.orders = {}
    gc.collect()
    try:
        work = Work(agent, order)
        log("operation {}, attempt {}: {}".format(order["id"], order["attempt"], order["kind"]))
    except (KeyError, TypeError, ValueError):
        log("not an operation")
        agent.pace.back_off()
        return "done"
    agent.telling, agent.untold = work.telling, True
    agent.operation = {"id": order["id"], "attempt": order["attempt"]}
    try:
        await work.run()
    finally:
        agent.operation = None
    try:
        await deliver(agent)
        agent.pace.poll_after(0)
    except Unreachable as error:
        log(error)
        agent.pace.back_off(error.wait_s)
    return "done"


class Work:
    """One attempt of an operation. What has no underscore is for the verbs; `telling` has what they print."""

    def __init__(self, agent: "Agent", order: dict) -> None:
        """Raises KeyError, TypeError or ValueError for what is no order."""
        self.agent = agent
        self.telling = Telling(agent.liaison, str(order["id"]), int(order["attempt"]))
        self._order = order
        self._timeout_s = max(1, min(_LONGEST_S, int(order["timeout"])))
        self._wake = asyncio.Event()
        self._quiet_ms = 0  # how long the server is to be left alone
        self._trip: "int | TwinslotError | None" = None  # ms of the last report, or why it was not taken
        self._stopped = False

    async def run(self) -> None:
        """The attempt has ended, and meanwhile the server was told how it goes."""
        try:
            # CUT: nothing has begun; the next check-in tells that it is lost, and the server sends it again.
            hw.keep(hw.OPERATION, outcome.begun(self._order))
        except TransferError as error:
            self.telling.end("failed", None, str(error))
            return
        # A second watchdog changes the first one's time-out, so this may be an application's own.
        hw.Watchdog(timeout=(self._timeout_s + _MARGIN_S) * 1000)
        doing = asyncio.create_task(do(self, self._order))
        asyncio.create_task(self._end(doing))
        try:
            await self._accompany(doing)
        except BaseException:
            doing.cancel()  # it would run on, and nobody hear of it
            raise

    async def _accompany(self, doing: "asyncio.Task") -> None:
        """The attempt has ended, and the server was told how it went."""
        told_ms = time.ticks_add(time.ticks_ms(), _REPORT_MS - _SIGN_OF_LIFE_MS)
        while not self.telling.ended:
            asked = await self._woken()
            silent_ms = time.ticks_diff(time.ticks_ms(), told_ms)
            if self.telling.ended or silent_ms < self._quiet_ms:
                continue
            if asked or self._is_full or silent_ms >= (_REPORT_MS if self.telling.has_news else _SIGN_OF_LIFE_MS):
                await self._report(doing)
                told_ms = time.ticks_ms()

    async def ping(self) -> int:
        """The ms in which the server has taken a report and answered. Raises Unreachable."""
        self._trip = None
        while self._trip is None:
            self._wake.set()
            await asyncio.sleep_ms(10)
        if isinstance(self._trip, TwinslotError):
            raise self._trip
        return self._trip

    async def drained(self) -> None:
        """There is room for what is printed next."""
        while self._is_full:
            self._wake.set()
            await asyncio.sleep_ms(10)

    @property
    def _is_full(self) -> bool:
        """Whether there is more than one report's worth of output."""
        return len(self.telling.output) > _FULL_BYTES

    async def _woken(self) -> bool:
        """Whether somebody asked for a report, or the operation has ended; else a moment has passed."""
        try:
            await asyncio.wait_for_ms(self._wake.wait(), _TICK_MS)
        except asyncio.TimeoutError:
            return False
        self._wake.clear()
        return True

    async def _report(self, doing: "asyncio.Task") -> None:
        """The server has the next part; when it said so, what is done was told to stop."""
        start_ms = time.ticks_ms()
        try:
            self._stopped = await self.telling.report()
            self._trip, self._quiet_ms = time.ticks_diff(time.ticks_ms(), start_ms), 0
        except Unreachable as error:
            log(error)
            self._trip, self._quiet_ms = error, max(_RETRY_MS, error.wait_s * 1000)
        except MemoryError as error:
            log(error)
            self._trip, self._quiet_ms = TwinslotError(str(error)), _RETRY_MS
        if self._stopped and not doing.done():
            doing.cancel()

    async def _end(self, doing: "asyncio.Task") -> None:
        """What is done has ended, or its time has; the outcome is kept."""
        try:
            state, exit_code, reason = await asyncio.wait_for(doing, self._timeout_s)
        except asyncio.TimeoutError:
            state, exit_code, reason = "timed out", None, "not over within {} s".format(self._timeout_s)
        except asyncio.CancelledError as error:
            state, exit_code, reason = "cancelled", None, ""
            if not self._stopped:
                state, reason = "failed", type(error).__name__
        except Exception as error:  # noqa: BLE001 - no memory for what it takes
            state, exit_code, reason = "failed", None, type(error).__name__
        self.agent.pace.outlive_trial()
        restarts = state == RESTARTING
        if restarts:
            state = "succeeded"
        try:
            self.telling.end(state, exit_code, reason, restarts)
        except MemoryError:  # the outcome matters more than what was printed
            self.telling.output.drop()
            self.telling.errors.drop()
            gc.collect()
            self.telling.end(state, exit_code, reason, restarts)
        if restarts and self.telling.is_kept:
            hw.reset()
        self._wake.set()
