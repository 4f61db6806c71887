"""A device's queue: operations in order of `place`, one at a time, each with a limit in time and in attempts.

| state | means | becomes |
| --- | --- | --- |
| queued | it waits for its turn | sent, cancelled, failed (what it needs is gone) |
| sent | the answer to a check-in held it | running, sent anew, or one of the last four |
| running | the device told that it works on it | sent anew, or one of the last four |
| succeeded, failed, timed out, cancelled | it is over | |

A check-in of a device that takes operations says that it has none. So what is out then was lost, with a reset or with
the answer: it is sent anew, or it is over, as `after_loss` says. Time runs from the last sending.
"""

from dataclasses import dataclass

OVER = ("succeeded", "failed", "timed out", "cancelled")
GOING = ("queued", "sent", "running")
STATES = (*GOING, *OVER)
TAKING = ("idle", "safe")  # a device's states in which it takes operations

ATTEMPTS_LIMIT = 4
GRACE_S = 60  # for the device to tell of its own time-out
OUTPUT_LIMIT_BYTES = 16 * 1024  # of output, and of errors
QUEUE_LIMIT = 1000  # operations of a device that are not over


@dataclass(frozen=True)
class Operation:
    """One row. `device` is the id that the device had, `device_id` its row's, None once it is deleted.

    `request` is what the device is to do, in the fields of docs/protocol.md; a uri in it has no credentials any more
    when the operation is over. `stop`: it was cancelled, and the device has not said yet that it stopped. `attempt`
    counts the sendings, `parts` the reports of this attempt; `started_at_ms` is when it was sent last.
    """

    place: int
    id: str
    account: str
    device_id: int | None
    device: str
    job: str | None
    kind: str
    request: dict[str, object]
    timeout_s: int
    state: str
    stop: bool
    attempt: int
    parts: int
    progress: int | None
    exit_code: int | None
    reason: str
    output: str
    errors: str
    cut: bool
    created_at_ms: int
    started_at_ms: int | None
    ended_at_ms: int | None

    @property
    def is_over(self) -> bool:
        """Whether nothing happens to it any more."""
        return self.state in OVER

    @property
    def is_out(self) -> bool:
        """Whether it was sent, and is not over."""
        return self.state in ("sent", "running")


@dataclass(frozen=True)
class Outcome:
    """How an operation is over."""

    state: str
    reason: str = ""


@dataclass(frozen=True)
class Report:
    """What a device tells of an operation."""

    id: str
    attempt: int
    part: int
    state: str
    output: str
    errors: str
    cut: bool
    progress: int | None
    exit_code: int | None
    reason: str


def after_loss(operation: Operation) -> Outcome | None:
    """How an operation that its device has lost is over; None: it is sent again."""
    if operation.stop:
        return Outcome("cancelled", "the device had lost it")
    if operation.attempt >= ATTEMPTS_LIMIT:
        return Outcome("failed", f"the device vanished in it {ATTEMPTS_LIMIT} times")
    return None


def after_time(operation: Operation, now_ms: int) -> Outcome | None:
    """How an operation that was sent is over when its time is; None: it is not yet."""
    if not operation.is_out or operation.started_at_ms is None:
        return None
    if now_ms - operation.started_at_ms <= (operation.timeout_s + GRACE_S) * 1000:
        return None
    if operation.stop:
        return Outcome("cancelled", "the device did not say whether it stopped")
    return Outcome("timed out", "the device did not tell its outcome in time")


def counts(operation: Operation, told: Report) -> bool:
    """Whether the report says something new: of the attempt that is out, and of a part that is not known, or that the
    attempt is over."""
    if not operation.is_out or told.attempt != operation.attempt:
        return False
    return told.part >= operation.parts or told.state in OVER


def is_to_stop(operation: Operation | None, told: Report) -> bool:
    """Whether a device that tells this is to stop: the operation was cancelled, is over, or is out anew."""
    return operation is None or not operation.is_out or operation.stop or told.attempt != operation.attempt


def appended(text: str, more: str) -> tuple[str, bool]:
    """The text with more at its end, as far as there is room for it, and whether something was cut."""
    whole = (text + more).encode()
    kept = whole[:OUTPUT_LIMIT_BYTES].decode(errors="ignore")
    return kept, len(whole) > OUTPUT_LIMIT_BYTES
