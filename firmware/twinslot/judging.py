"""The state in which an offer is judged. It loads when there is one, and goes before the download (`hooks.load`)."""

from binascii import a2b_base64

from micropython import const

from . import hw, keys
from . import record as records
from .errors import Refused
from .hooks import settled
from .liaison import MICROPYTHON, MPY, random_id
from .log import log
from .manifest import Manifest, Rules
from .specification import SPECIFICATION, has_image, has_specification

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from .agent import Agent


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
        rules = _rules(agent)
        manifest = await rules.check(data, signature, specification)
        wanted = ("transfer", "image") if has_image(manifest.kind) else ("transfer",)
        if manifest.kind != SPECIFICATION and not all(name in offer for name in wanted):
            raise Refused("format", "an image or a bundle without a transfer")
    except Refused as refused:
        return _refuse(agent, data, refused)
    agent.transfer_path = str(offer.get("transfer") or "")
    agent.image_path = str(offer.get("image") or "")
    agent.specification = specification if has_specification(manifest.kind) else b""
    changes = manifest.added + manifest.retired
    agent.keys = b"".join(manifest.trusted(rules.trusted)) if changes else b""
    configured = keys.digest(agent.config) if changes else None
    kept, free_tree = agent.record.confirmed, hw.free_tree()
    release = records.release(manifest, kept, agent.running, free_tree, offer.get("link"), configured)
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
        keys.trusted(agent.config, confirmed),
        agent.config.app,
        agent.liaison.chip,
        agent.liaison.slot_size,
        MPY,
        MICROPYTHON,
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
