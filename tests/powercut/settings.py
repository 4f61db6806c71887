"""Boards in the middle of a change of what they are configured with, or of whom they trust."""

from __future__ import annotations

import hashlib
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from ..e2e.rotating import Key, raw
from .flash import Look
from .runs import Scenario
from .stage import HEALTHY, NEW, Stage, confirmed, is_idle, keeps, sequence, with_image
from .watch import Rule

OLD = "1.0.1"
BEFORE = b'{"litres": 1}'
AFTER = b'{"litres": 2}'
REMAINS = b'{"litres": 3}'
PARTICULAR = f"""{HEALTHY}
if twinslot.specification() == {AFTER.decode()}:
    raise ValueError("too much")
"""


async def keys(stage: Stage) -> Scenario:
    """A release of an image, which lies in its slot already, that puts another key into the place of the trusted one:
    of the configured one, or from the second slot of one that another release has brought."""
    configured, successor = stage.owner, _key()
    if stage.variant.slot:
        start, old = await _changed(stage, successor=_key()), OLD
    else:
        start, old = await stage.board(), "1.0.0"
    image = stage.image(NEW)
    trusted = {old: raw(stage.owner), NEW: raw(successor)}
    start = with_image(stage, start, image)
    if stage.variant.dirty:
        start = _with_blob(start, f"keys{stage.variant.slot}", raw(_key()))
    stage.propose(image, NEW, successor=successor)

    def rule(look: Look) -> str:
        if what := keeps(*trusted)(look):
            return what
        kept = look.record["confirmed"]
        holds = _in_force(look, kept, configured) == trusted[kept["version"]]
        return "" if holds else f"{kept['version']} is confirmed with other keys in force"

    return Scenario(start, confirmed(NEW), rule)


async def configuration(stage: Stage) -> Scenario:
    """A specification that comes alone."""
    start = _with_remains(stage, await _changed(stage))
    stage.propose(b"", NEW, AFTER)
    return Scenario(start, confirmed(NEW), _is_configured({OLD: BEFORE, NEW: AFTER}))


async def both(stage: Stage) -> Scenario:
    """A specification with an image, which lies in its slot already."""
    image = stage.image(NEW)
    start = with_image(stage, _with_remains(stage, await _changed(stage)), image)
    stage.propose(image, NEW, AFTER)
    return Scenario(start, confirmed(NEW), _is_configured({OLD: BEFORE, NEW: AFTER}))


async def doubtful(stage: Stage) -> Scenario:
    """A specification with which the application ends in an exception."""
    start = _with_remains(stage, await _changed(stage, PARTICULAR))
    stage.propose(b"", NEW, AFTER)

    def ended(look: Look) -> bool:
        return is_idle(look) and look.record["failed"] == sequence(NEW)

    return Scenario(start, ended, _is_configured({OLD: BEFORE}), frozenset({"crash"}))


async def _changed(stage: Stage, application: str = HEALTHY, successor: Key | None = None) -> bytes:
    """The flash of a board that has confirmed a specification, as `OLD`, and trusts the successor, if there is one, who
    signs from now on."""
    start = await stage.board(application)
    stage.propose(b"", OLD, BEFORE, successor)
    start = await stage.after(start, confirmed(OLD))
    stage.owner = successor or stage.owner
    return start


def _key() -> Key:
    return rsa.generate_private_key(65537, 3072)


def _with_remains(stage: Stage, start: bytes) -> bytes:
    """The flash; where the variant is dirty, another specification lies where the next one goes."""
    return _with_blob(start, "spec1", REMAINS) if stage.variant.dirty else start


def _with_blob(start: bytes, key: str, value: bytes) -> bytes:
    """The flash, and that key of the device package's has the value."""
    look = Look(start)
    look.nvs.set_blob("twinslot", key, value)
    changed: bytes = look.view.read(0, len(start))
    return changed


def _in_force(look: Look, kept: dict[str, Any], configured: Key) -> bytes:
    """The moduli that count while the release `kept` is confirmed (docs/protocol.md, "Changing the trusted keys")."""
    place, replaced = kept["keys"] or (0, "")
    if replaced != hashlib.sha256(raw(configured)).hexdigest()[:16]:
        return raw(configured)
    return look.blob(f"keys{place}")


def _is_configured(specifications: dict[str, bytes]) -> Rule:
    """The rule that one of these versions is confirmed, and its specification is whole."""

    def rule(look: Look) -> str:
        if what := keeps(*specifications)(look):
            return what
        kept = look.record["confirmed"]
        held = look.blob(f"spec{kept['place']}")
        return "" if held == specifications[kept["version"]] else f"{kept['version']} is configured with {held!r}"

    return rule
