"""The life of an update, in one table; and what a boot means, in another. Pure.

Each state is a coroutine of the agent, which returns the event that ended it.
"""

from . import otadata
from .errors import TwinslotError
from .specification import IMAGE, has_image

# fmt: off
TABLE = {
    # state          event              next state
    ("booting",     "settled"):        "idle",         # nothing was going on
    ("booting",     "on_trial"):       "trial",        # a new release's first boot
    ("booting",     "half_confirmed"): "confirming",   # confirmed in otadata, not yet in the record
    ("booting",     "half_switched"):  "switching",    # recorded, or armed, but not booted yet
    ("booting",     "cut_short"):      "switching",    # power failed in the trial: it gets another
    ("booting",     "undone"):         "undoing",      # the bootloader, or boot.py, rolled back
    ("booting",     "astray"):         "settling",     # what runs is kept, but otadata or the record says otherwise

    ("settling",    "settled"):        "idle",         # both say it now
    ("settling",    "unkept"):         "resetting",    # but for the tree, which the next boot changes

    ("idle",        "nothing"):        "idle",         # to be asked again after a wait
    ("idle",        "offered"):        "judging",      # a release
    ("idle",        "ordered"):        "working",      # an operation

    ("working",     "done"):           "idle",         # the outcome is told, or will be before the next check-in
    ("working",     "broken"):         "idle",         # an error that nothing foresaw

    ("judging",     "refused"):        "idle",         # it must not be installed: the server is told why
    ("judging",     "deferred"):       "idle",         # "not now": asked again at the next check-in
    ("judging",     "accepted"):       "downloading",  # signed by a trusted key, for this board, and newer
    ("judging",     "broken"):         "idle",         # a hook of the application's failed

    ("downloading", "broken"):         "idle",         # tried again after a wait
    ("downloading", "downloaded"):     "switching",    # read back from flash, and in the record

    ("switching",   "unfit"):          "undoing",      # not what was signed, not bootable, or NVS is full
    ("switching",   "switched"):       "resetting",    # the next boot is the new release's

    ("trial",       "proved"):         "confirming",   # the server was reached, the application's own test passed
    ("trial",       "expired"):        "resetting",    # unconfirmed, so the next boot rolls back

    ("confirming",  "confirmed"):      "idle",         # in otadata, then in the record
    ("undoing",     "recorded"):       "idle",         # with what is to be reported
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


def runs(trial: dict, running: int, running_tree: int, trial_state: "int | None") -> bool:
    """Whether what runs is the release on trial.

    `trial` is the record's, empty for none; `running` the running slot, `running_tree` the running tree, 0 for none;
    `trial_state` what boot.py keeps of a release without an image, None before the first.
    """
    if has_image(trial.get("kind", IMAGE)):
        return bool(trial) and trial["slot"] == running
    if trial.get("tree"):
        return trial["tree"] == running_tree
    return trial_state == otadata.PENDING_VERIFY


def judge_boot(
    trial: dict,
    kept: int,
    kept_tree: int,
    running: int,
    running_tree: int,
    boot: int,
    slots: "list[int | None]",
    trial_state: "int | None",
    cause: int,
) -> str:
    """The event that a boot is. The first line that fits decides.

    `trial`, `running`, `running_tree` and `trial_state` are as for `runs`; `kept` is the confirmed release's
    slot, -1 when the record was lost; `kept_tree` the tree that boot.py keeps to, 0 for none; `boot` the slot that
    otadata selects, 0 or 1; `slots` the otadata states of both; `cause` the reset cause.
    """
    if not trial:
        pending = slots[running] in otadata.UNPROVEN or trial_state == otadata.PENDING_VERIFY
        kept_runs = running == boot and kept in (running, -1) and running_tree in (0, kept_tree)
        return "settled" if kept_runs and not pending else "astray"
    alone = not has_image(trial.get("kind", IMAGE))
    state = trial_state if alone else slots[trial["slot"]]
    if alone and trial.get("tree") and trial["tree"] == kept_tree:
        return "half_confirmed"
    if runs(trial, running, running_tree, trial_state):
        return "half_confirmed" if state == otadata.VALID and boot == running else "on_trial"
    if state == otadata.NEW and not alone:  # a boot.py that knows of no specifications leaves NEW as it is, for ever
        return "half_switched"
    if trial["arms"] >= MAX_ARMS or trial["ended"]:
        return "undone"
    if not trial["switched"]:
        return "half_switched"
    if state in (otadata.ABORTED, otadata.INVALID):
        return "cut_short" if cause == POWER_ON else "undone"
    return "half_switched"


def why_undone(trial: dict, trial_state: "int | None", cause: int) -> str:
    """The reason to report for a trial that a boot ended, or never began."""
    if not has_image(trial.get("kind", IMAGE)) and trial_state == otadata.NEW:
        return "boot.py"
    return trial["ended"] or {POWER_ON: "power", WATCHDOG: "watchdog"}.get(cause, "crash")
