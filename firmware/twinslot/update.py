"""The states of a release on its way to where nothing runs from yet: each returns its event."""

import asyncio
import gc
from binascii import a2b_base64, unhexlify

from micropython import const

from . import configuration, hw
from . import record as records
from .errors import NotBootable, Refused, TransferError, Unreachable
from .hooks import settled
from .liaison import random_id
from .log import log
from .manifest import Manifest, Rules
from .otadata import NEW
from .specification import IMAGE, SPECIFICATION

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from .agent import Agent

_SHOW_PERCENT = const(5)


async def judging(agent: "Agent") -> str:
    """The offer is this board's and may be installed now; or not, and why has been said."""
    data, offer = b"", agent.liaison.offer
    agent.liaison.offer = {}  # a few KiB, while a download needs them
    try:
        try:
            data, signature = a2b_base64(offer["manifest"]), a2b_base64(offer["signature"])
        except (KeyError, TypeError, ValueError):
            raise Refused("format", "not an offer")
        specification = _decoded(offer.get("specification"))
        manifest = _rules(agent).check(data, signature, specification)
        if manifest.kind != SPECIFICATION and "transfer" not in offer:
            raise Refused("format", "an image without a transfer")
    except Refused as refused:
        return _refuse(agent, data, refused)
    agent.transfer_path = str(offer.get("transfer") or "")
    agent.specification = specification if manifest.kind != IMAGE else b""
    release = records.release(manifest, agent.record.confirmed, agent.running, offer.get("link"))
    if agent.consent and not await settled(agent.consent(manifest.version)):
        log("not now:", manifest.version)
        await agent.liaison.tell("deferred", release)
        agent.pace.poll_after(agent.liaison.poll_s)
        return "deferred"
    agent.release = release
    return "accepted"


def _decoded(text: object) -> bytes:
    """The bytes that an offer has as base64, empty when it has none."""
    try:
        return a2b_base64(text)  # pyright: ignore[reportArgumentType] - the server's; a TypeError is foreseen
    except (TypeError, ValueError):
        return b""


def _rules(agent: "Agent") -> Rules:
    """What this board takes, as things stand."""
    confirmed = agent.record.confirmed
    return Rules(
        agent.config.trusted,
        agent.config.app,
        agent.liaison.chip,
        hw.Slot(1 - agent.running).size,
        confirmed["sequence"],
        confirmed["security"],
        agent.record.failed,
    )


def _refuse(agent: "Agent", data: bytes, refused: Refused) -> str:
    """The offer with the manifest `data` is to be reported, and the next one can wait.

    A manifest whose signature is wrong may say anything: nothing that it says is passed on.
    """
    log("refused:", refused)
    version, sequence = "0.0.0", 0
    if refused.reason not in ("signature", "format"):
        manifest = Manifest(data)
        version, sequence = manifest.version, manifest.sequence
    agent.record.keep_report(random_id(), "refused", version, sequence, refused.reason)
    agent.pace.back_off()
    return "refused"


async def downloading(agent: "Agent") -> str:
    """The release lies in its slot and in its place, was read back, and is in the record; or a later try is due."""
    release = agent.release
    log("downloading {}, {} bytes".format(release["version"], release["size"] + len(agent.specification)))
    await agent.liaison.tell("downloading", release)
    try:
        if agent.specification:
            configuration.save(release["place"], agent.specification)
            agent.specification = b""
        if release["kind"] != SPECIFICATION:
            await _fetch(agent, release)
    except (TransferError, Unreachable) as error:
        log("download failed:", error)
        await agent.liaison.tell("failed", release, str(error))
        agent.pace.back_off()
        return "broken"
    agent.record.begin(release)
    return "downloaded"


async def _fetch(agent: "Agent", release: dict) -> None:
    """The image lies in its slot and was read back. Raises TransferError or Unreachable."""
    gc.collect()
    shown = -1

    async def progress(done: int) -> None:
        nonlocal shown
        agent.pace.feed()
        percent = done * 100 // release["size"]
        if percent // _SHOW_PERCENT != shown:
            shown = percent // _SHOW_PERCENT
            log("downloading {}: {} %".format(release["version"], percent))
        if agent.on_progress:
            await settled(agent.on_progress(done, release["size"]))
        await asyncio.sleep(0)

    slot = hw.Slot(release["slot"])
    await agent.transfer.fetch(agent.liaison.client, agent.transfer_path, release["size"], slot, progress)
    if not await agent.transfer.matches(slot, release["size"], unhexlify(release["sha256"])):
        raise TransferError("hash")


async def switching(agent: "Agent") -> str:
    """The release, read back once more, runs from the next boot on; or it is unfit, and `agent.failure` says why."""
    release = agent.record.trial
    kind = release.get("kind", IMAGE)
    if kind != IMAGE and not len(configuration.load(release["place"])):
        agent.failure = "failed", "specification"
        return "unfit"
    if kind != SPECIFICATION:
        return await _switch_slot(agent, release)
    agent.record.arm()
    try:
        hw.try_specification()
    except TransferError as error:
        agent.failure = "failed", str(error)
        return "unfit"
    return _switched(agent, release)


async def _switch_slot(agent: "Agent", release: dict) -> str:
    slot = hw.Slot(release["slot"])
    if not await agent.transfer.matches(slot, release["size"], unhexlify(release["sha256"])):
        agent.failure = "failed", "hash"
        return "unfit"
    if hw.boot_slot() == slot.index and hw.slot_states()[slot.index] == NEW:
        return "switched"  # before a soft reset; a second `set_boot` would spoil the way back
    if hw.boot_slot() != agent.running:
        hw.keep_running()
    agent.record.arm()
    try:
        slot.set_boot()
    except NotBootable as error:
        log("the chip does not boot it:", error)
        agent.failure = "refused", "image"
        return "unfit"
    return _switched(agent, release)


def _switched(agent: "Agent", release: dict) -> str:
    agent.record.switched()
    log("restarting into", release["version"])
    return "switched"
