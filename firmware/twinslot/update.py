"""The states of a release that was accepted, on its way to where nothing runs from yet: each returns its event."""

import asyncio
import gc
from binascii import unhexlify

from micropython import const

from . import hw, places
from .errors import NotBootable, TransferError, TwinslotError, Unreachable
from .hooks import load, settled, unload
from .log import log
from .otadata import NEW
from .specification import IMAGE, SPECIFICATION, has_image, has_specification

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .agent import Agent

_SHOW_PERCENT = const(5)


async def downloading(agent: "Agent") -> str:
    """The release lies in its slot or its tree and in its place, was read back, and is in the record; or a later try is
    due."""
    unload()  # what judged the offer
    release = agent.release
    log("downloading {}, {} bytes".format(release["version"], release["size"] + len(agent.specification)))
    await agent.liaison.tell("downloading", release)
    try:
        if agent.keys:
            places.save("keys", release["keys"][0], agent.keys)
            agent.keys = b""
        if agent.specification:
            places.save("spec", release["place"], agent.specification)
            agent.specification = b""
        if release["kind"] != SPECIFICATION:
            await _fetch(agent, release)
        agent.record.begin(release)
    except (TransferError, Unreachable, MemoryError) as error:
        log("download failed:", error)
        if agent.keys and isinstance(error, TransferError) and not hw.refused:  # there is no room for this change
            await agent.liaison.tell("refused", release, "keys")
        else:
            await agent.liaison.tell("failed", release, str(error))
        agent.pace.back_off()
        return "broken"
    return "downloaded"


async def _fetch(agent: "Agent", release: dict) -> None:
    """The image lies in its slot, or the bundle in its tree, and was read back. Raises TransferError or Unreachable."""
    gc.collect()
    if release["tree"]:
        running, root = hw.tree_root(hw.running_tree), _free_root(release)
        download = load("twinslot.bundle").Bundle(
            agent.transfer_path, release["size"], release["sha256"], running, root, agent.writer
        )
    else:
        runs = agent.record.confirmed["sha256"]
        download = load("twinslot.download").Download(
            agent.transfer_path,
            agent.image_path,
            release["size"],
            hw.App(),
            runs and unhexlify(runs),
            hw.Slot(release["slot"]),
            agent.writer,
        )
    await download.run(agent.liaison.client, _progress(agent, release["version"]))
    if not await _lies_there(agent, release):
        raise TransferError("hash")


def _progress(agent: "Agent", version: str) -> "Callable[[int, int], Awaitable[None]]":
    """What a download tells of its bytes, so far and in all."""
    shown = -1

    async def progress(done: int, size: int) -> None:
        nonlocal shown
        agent.pace.feed()
        percent = done * 100 // (size or 1)
        if percent // _SHOW_PERCENT != shown:
            shown = percent // _SHOW_PERCENT
            log("downloading {}: {} %".format(version, percent))
        if agent.on_progress:
            await settled(agent.on_progress(done, size))
        await asyncio.sleep(0)

    return progress


def _free_root(release: dict) -> str:
    """The folder of the release's tree, which does not run."""
    if release["tree"] == hw.running_tree:
        raise TwinslotError("the running tree is never written")
    return hw.tree_root(release["tree"])


async def _lies_there(agent: "Agent", release: dict) -> bool:
    """Whether the slot, read back from flash, begins with the release's image, or its tree has the bundle."""
    size, digest = release["size"], release["sha256"]
    if release.get("tree"):
        return await load("twinslot.tree").lies_in(hw.tree_root(release["tree"]), size, digest, agent.writer.sector)
    return await agent.writer.matches(hw.Slot(release["slot"]), size, unhexlify(digest))


async def switching(agent: "Agent") -> str:
    """The release, read back once more, runs from the next boot on; or it is unfit, and `agent.failure` says why."""
    release = agent.record.trial
    kind = release.get("kind", IMAGE)
    if has_specification(kind) and not len(places.load("spec", release["place"])):
        agent.failure = "failed", "specification"
        return "unfit"
    named = release.get("keys")
    if named and named != agent.record.confirmed.get("keys") and not len(places.load("keys", named[0])):
        agent.failure = "failed", "keys"
        return "unfit"
    try:
        whole = kind == SPECIFICATION or await _lies_there(agent, release)
    except MemoryError as error:
        log(error)
        agent.failure = "failed", "memory"
        return "unfit"
    if not whole:
        agent.failure = "failed", "hash"
        return "unfit"
    if has_image(kind):
        return await _switch_slot(agent, release)
    agent.record.arm()
    try:
        hw.try_next(release.get("tree") or 0)
    except TransferError as error:
        agent.failure = "failed", str(error)
        return "unfit"
    return _switched(agent, release)


async def _switch_slot(agent: "Agent", release: dict) -> str:
    slot = hw.Slot(release["slot"])
    if hw.boot_slot() == slot.index and hw.slot_states()[slot.index] == NEW:
        return "switched"  # before a soft reset; a second `set_boot` would spoil the way back
    if hw.boot_slot() != agent.running:
        hw.keep_running()
    agent.record.arm()
    try:
        slot.set_boot()
    except NotBootable as error:
        log("the chip does not boot it:", error)
        whole = await _lies_there(agent, release)  # else flash has lost it since, and the release is not to blame
        agent.failure = ("refused", "image") if whole else ("failed", "hash")
        return "unfit"
    except TransferError as error:
        agent.failure = "failed", str(error)
        return "unfit"
    return _switched(agent, release)


def _switched(agent: "Agent", release: dict) -> str:
    agent.record.switched()
    log("restarting into", release["version"])
    return "switched"
