"""The life of an update, in one table; and what a boot means, in another. Pure.

Each state is a coroutine of the agent, which returns the event that ended it.
"""

from . import otadata
from .errors import TwinslotError

# fmt: off
TABLE = {
    # state          event              next state
    ("booting",     "settled"):        "idle",         # nothing was going on
    ("booting",     "on_trial"):       "trial",        # a new image's first boot
    ("booting",     "half_confirmed"): "confirming",   # confirmed in otadata, not yet in the record
    ("booting",     "half_switched"):  "switching",    # recorded, or armed, but not booted yet
    ("booting",     "cut_short"):      "switching",    # power failed in the trial: it gets another
    ("booting",     "undone"):         "undoing",      # the bootloader rolled back
    ("booting",     "astray"):         "settling",     # what runs is kept, but otadata says otherwise

    ("settling",    "settled"):        "idle",

    ("idle",        "nothing"):        "idle",
    ("idle",        "offered"):        "judging",

    ("judging",     "refused"):        "idle",
    ("judging",     "deferred"):       "idle",         # "not now": asked again at the next check-in
    ("judging",     "accepted"):       "downloading",
    ("judging",     "broken"):         "idle",         # a hook of the application's failed

    ("downloading", "broken"):         "idle",         # tried again after a wait
    ("downloading", "downloaded"):     "switching",

    ("switching",   "unfit"):          "undoing",      # not what was signed, or the chip won't boot it
    ("switching",   "switched"):       "resetting",

    ("trial",       "proved"):         "confirming",
    ("trial",       "expired"):        "resetting",    # unconfirmed, so the bootloader rolls back

    ("confirming",  "confirmed"):      "idle",
    ("undoing",     "recorded"):       "idle",
}
# fmt: on

MAX_ARMS = 4
"""A release is switched to at most so often: once, and three times again after power failed in its trial."""

POWER_ON = 1
WATCHDOG = 3
"""`machine.reset_cause()` values that matter here (ports/esp32/modmachine.c)."""


class Machine:
    """Where the agent is in the table."""

    def __init__(self) -> None:
        self.state = "booting"

    def advance(self, event: str) -> str:
        """The state is the one that follows `event`, and is returned. An event that the table does not allow raises
        TwinslotError and changes nothing."""
        following = TABLE.get((self.state, event))
        if following is None:
            raise TwinslotError("no {} in state {}".format(event, self.state))
        self.state = following
        return following


def judge_boot(trial: dict, running: int, boot: int, slots: "list[int | None]", cause: int) -> str:
    """The event that a boot is. The first line that fits decides.

    `trial` is the record's, empty for none; `running` and `boot` the running slot and the one that otadata selects,
    0 or 1; `slots` the otadata states of both; `cause` the reset cause.
    """
    if not trial:
        return "settled" if running == boot and slots[running] != otadata.PENDING_VERIFY else "astray"
    state = slots[trial["slot"]]
    if running == trial["slot"]:
        return "half_confirmed" if state == otadata.VALID and boot == running else "on_trial"
    if state == otadata.NEW:
        return "half_switched"
    if trial["arms"] >= MAX_ARMS or trial["ended"]:
        return "undone"
    if not trial["switched"]:
        return "half_switched"
    if state in (otadata.ABORTED, otadata.INVALID):
        return "cut_short" if cause == POWER_ON else "undone"
    return "half_switched"


def why_undone(trial: dict, cause: int) -> str:
    """The reason to report for a trial that the bootloader ended, or never began."""
    return trial["ended"] or {POWER_ON: "power", WATCHDOG: "watchdog"}.get(cause, "crash")
