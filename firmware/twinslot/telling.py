"""What the server is told of an operation: in parts while it runs, and how it ended; each until the server has it.

Power loss: see `outcome.py`. The part that tells the end has a number that no part before it can have, so that the
server takes it whatever it has heard before.
"""

from micropython import const

from . import hw, outcome
from .errors import Rejected, TransferError
from .log import log
from .output import Output, clipped

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from .liaison import Liaison

OUTPUT_MAX_BYTES = 4096
ERRORS_MAX_BYTES = 1024
_PART_BYTES = 1024
_PARTS_IN_BUFFERS = 100  # more than what both can hold, were it all control characters


class Telling:
    """The reports of one attempt. `output` and `errors` are what it prints, `progress` is in percent or None,
    `is_kept` whether its end is told after a reset too."""

    def __init__(self, liaison: "Liaison", id: str, attempt: int) -> None:
        self.output = Output(OUTPUT_MAX_BYTES)
        self.errors = Output(ERRORS_MAX_BYTES)
        self.progress: "int | None" = None
        self.is_kept = False
        self._told_progress: "int | None" = None
        self._liaison = liaison
        self._id = id
        self._attempt = attempt
        self._part = 0
        self._unsent: dict = {}  # a report that the server may not have; empty when there is none
        self._last: dict = {}  # the report of the end

    @property
    def ended(self) -> bool:
        """Whether the attempt has ended."""
        return bool(self._last)

    async def report(self) -> bool:
        """The server has the next part of what there is to tell; returns whether the device is to stop. Raises
        Unreachable: then the same part is told with the next call."""
        if not self._unsent:
            self._unsent = self._report("running", self.output.take(_PART_BYTES), self.errors.take(_PART_BYTES))
            self._part += 1
            self._told_progress = self.progress
        stop = await self._tell(self._unsent)
        self._unsent = {}
        return stop

    @property
    def has_news(self) -> bool:
        """Whether there is anything that was not told."""
        return bool(self._unsent or len(self.output) or len(self.errors)) or self.progress != self._told_progress

    def end(self, state: str, exit_code: "int | None", reason: str, after_boot: bool = False) -> None:
        """The attempt has ended like this, with `after_boot` by the boot that follows. A restart for which there is no
        room in NVS has failed."""
        output, errors = self.output.take_end(outcome.OUTPUT_BYTES), self.errors.take_end(outcome.ERRORS_BYTES)
        last = self._report(state, output, errors)
        last["part"] = self._part + _PARTS_IN_BUFFERS
        last["exit_code"] = exit_code
        last["reason"] = clipped(reason, outcome.REASON_BYTES)
        # What else waits to be told would be lost with a reset.
        kept = dict(last, cut=last["cut"] or bool(self._unsent or len(self.output) or len(self.errors)))
        self._last = last
        try:
            # CUT: begun, without an end; the next check-in tells that it is lost, and the server sends it again.
            hw.keep(hw.OPERATION, outcome.over(kept, after_boot))
            self.is_kept = True
        except TransferError as error:
            log(error)
            if after_boot:
                last.update(state="failed", exit_code=1, reason=clipped(str(error), outcome.REASON_BYTES))

    def end_kept(self, report: dict) -> None:
        """The attempt has ended as it was kept before a reset."""
        self._last = report
        self.is_kept = True

    async def deliver(self) -> None:
        """The server knows how it ended, and nothing of it is kept. Raises Unreachable."""
        while self._unsent or len(self.output) or len(self.errors):
            await self.report()
        if self._last:  # what broke before it had an end is lost, as the next check-in tells
            await self._tell(self._last)
        # CUT: kept still, and told once more after the boot: the server knows that part.
        hw.forget(hw.OPERATION)

    def _report(self, state: str, output: str, errors: str) -> dict:
        return {
            "id": self._id,
            "attempt": self._attempt,
            "part": self._part,
            "state": state,
            "output": output,
            "errors": errors,
            "cut": self.output.cut or self.errors.cut,
            "progress": self.progress,
            "exit_code": None,
            "reason": "",
        }

    async def _tell(self, report: dict) -> bool:
        try:
            return (await self._liaison.ask("/operation", report)).get("stop") is True
        except Rejected as error:
            log("report dropped:", error)
            return False
