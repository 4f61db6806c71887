"""The states of a release that has just been switched to, or that a boot finds half way: each returns its event."""

import asyncio
import time

from micropython import const

from . import hw, states
from .configuration import took
from .errors import Rejected, TwinslotError, Unreachable
from .hooks import load, settled
from .liaison import random_id
from .log import log
from .otadata import PENDING_VERIFY
from .pace import jittered
from .specification import IMAGE, has_image

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from .agent import Agent

_RETRY_S = const(5)


async def booting(agent: "Agent") -> str:
    """What this boot means is known."""
    record, cause = agent.record, hw.reset_cause()
    slots, trial_state = hw.slot_states(), hw.trial_state()
    if not record.trial and slots[agent.running] == PENDING_VERIFY and record.confirmed["slot"] != agent.running:
        record.begin_stray(hw.image_version(), agent.running)
    trial = record.trial
    kept, tree = (record.confirmed["slot"], hw.kept_tree()), hw.running_tree
    event = states.judge_boot(trial, *kept, agent.running, tree, hw.boot_slot(), slots, trial_state, cause)
    if event == "undone":
        agent.failure = "rolled_back", states.why_undone(trial, trial_state, cause)
    runs = trial if states.runs(trial, agent.running, tree, trial_state) else record.confirmed
    log("slot {}, {}, {}".format(agent.running, runs["version"], event))
    return event


async def settling(agent: "Agent") -> str:
    """What runs is what boots, and is kept; or a tree runs that is not: the trial that brought it is over, and a
    restart ends it, or a boot.py of somebody else's has chosen it."""
    ended = hw.trial_state() == PENDING_VERIFY
    hw.keep_running()
    hw.end_trial()
    if agent.record.confirmed["slot"] != agent.running:
        agent.record.fall_back(random_id(), hw.image_version(), agent.running)
    agent.pace.outlive_trial()
    if hw.running_tree in (0, hw.kept_tree()):
        return "settled"
    log("boot.py runs a tree that is not kept: provision the board again")
    return "unkept" if ended else "settled"


async def trial(agent: "Agent") -> str:
    """The new release has proved itself, or its time is over and the record says why."""
    version = agent.record.trial["version"]
    log("trial of", version)
    if not agent.record.trial["switched"]:
        agent.record.switched()
    reason, retry_s = "expired", _RETRY_S
    while True:
        left_ms = agent.config.trial_s * 1000 - time.ticks_diff(time.ticks_ms(), agent.started_ms)
        if left_ms <= 0:
            break
        try:
            reason = await asyncio.wait_for_ms(_prove(agent), left_ms)
            if not reason:
                return "proved"
            if reason == "configure":
                break
        except asyncio.TimeoutError:
            break
        except (Unreachable, Rejected) as error:
            reason = "expired"
            log(error)
            retry_s = max(_RETRY_S, error.wait_s)
        await asyncio.sleep(jittered(min(retry_s, agent.config.trial_s / 4), 25))
    log("{} did not prove itself: {}".format(version, reason))
    agent.record.end(reason)
    return "expired"


async def _prove(agent: "Agent") -> str:
    """Empty when the application works and the server knows; else why not. Raises Unreachable or Rejected."""
    if not await took(agent):
        return "configure"
    if not await _works(agent):
        return "self_test"
    await agent.liaison.check_in()
    await agent.liaison.tell("trial", agent.record.trial)
    return ""


async def _works(agent: "Agent") -> bool:
    """Whether the application says that it works."""
    if not agent.self_test:
        return True
    try:
        return bool(await settled(agent.self_test()))
    except Exception as error:  # noqa: BLE001 - the application's own; any is a no
        log("self-test:", type(error).__name__, error)
        return False


async def confirming(agent: "Agent") -> str:
    """The new release is kept."""
    tree = agent.record.trial.get("tree")
    if has_image(agent.record.trial.get("kind", IMAGE)):
        hw.keep_running()
    if tree:
        hw.keep_tree(tree)
    agent.pace.outlive_trial()
    if tree:
        await _clear(agent, 3 - tree)
    agent.record.confirm(random_id())
    hw.end_trial()
    hw.set_crashes(0)
    log("confirmed", agent.record.confirmed["version"])
    agent.pace.pause_s = 0
    return "confirmed"


async def undoing(agent: "Agent") -> str:
    """The release is given up, and `agent.failure` is to be reported."""
    event, reason = agent.failure
    version, tree = agent.record.trial["version"], agent.record.trial.get("tree")
    if hw.image_on_trial():  # what was on trial has selected this slot: boot.py began another trial
        agent.pace.outlive_trial()
    hw.keep_running()
    hw.end_trial()
    if tree and event != "failed":
        agent.record.end(reason)  # where the power fails from here on, the next boot comes here again
        await _clear(agent, tree)
    if event == "failed":
        agent.record.drop(random_id(), reason)
        agent.pace.back_off()
    else:
        agent.record.fail(random_id(), event, reason)
        agent.pace.pause_s = 0  # the server is to know at once
    log("{} {}: {}".format(event.replace("_", " "), version, reason))
    return "recorded"


async def _clear(agent: "Agent", tree: int) -> None:
    """The file system has its room again. What does not go now, the next download sweeps away."""
    try:
        await load("twinslot.files").Files(hw.tree_root(tree), agent.writer.sector).clear()
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not keep the release from being confirmed
        log("what is not kept stays:", error)


async def resetting(agent: "Agent") -> str:
    """The board restarts."""
    await asyncio.sleep(0.1)  # the console's last line is out
    hw.reset()
    raise TwinslotError("the chip did not reset")
