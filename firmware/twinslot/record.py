"""What a device remembers about updates, as one JSON document that is written whole.

| field | value |
| --- | --- |
| `confirmed` | release: the image that is kept |
| `trial` | release on its way: written before the switch, gone when it is confirmed or has failed; or null |
| `failed` | `sequence` of the newest release that failed here, 0 for none |
| `report` | the body of a report that the server has not acknowledged, or null |

A release is `version`, `sequence`, `security`, `sha256` (hex or null), `slot` (0 or 1). One on its way has also `size`
(bytes), `arms` (how often it was switched to), and `ended` (why its trial ended, when the device itself ended it).

Power loss: the record lies in NVS, where a write leaves the old value or the new one (ESP-IDF, "NVS: Structure of a
Page"). Nothing in it is about flash that has not been written and read back before.
"""

import json
from binascii import hexlify

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .manifest import Manifest


def factory(version: str, slot: int) -> dict:
    """The record of a board that has never been updated."""
    confirmed = {"version": version, "sequence": 0, "security": 0, "sha256": None, "slot": slot}
    return {"confirmed": confirmed, "trial": None, "failed": 0, "report": None}


def release(manifest: "Manifest", slot: int) -> dict:
    """A release on its way to `slot`, not switched to yet."""
    return {
        "version": manifest.version,
        "sequence": manifest.sequence,
        "security": manifest.security,
        "size": manifest.size,
        "sha256": hexlify(manifest.sha256).decode(),
        "slot": slot,
        "arms": 0,
        "ended": "",
    }


def encode(record: dict) -> bytes:
    """The bytes to store."""
    return json.dumps(record).encode()


def decode(data: "bytes | memoryview") -> dict:
    """The record in `data`. Raises ValueError when there is none."""
    record = json.loads(bytes(data))
    if not isinstance(record, dict) or "confirmed" not in record:
        raise ValueError("not an update record")
    return record


def confirm(record: dict, report_id: str) -> None:
    """The trial's release is the confirmed one, and it is to be reported."""
    trial = record["trial"]
    record["confirmed"] = {key: trial[key] for key in ("version", "sequence", "security", "sha256", "slot")}
    record["trial"] = None
    set_report(record, report_id, "confirmed", trial, "")


def fail(record: dict, report_id: str, event: str, reason: str) -> None:
    """The trial's release is given up until a newer one is offered, and it is to be reported."""
    trial = record["trial"]
    record["failed"] = max(record["failed"], trial["sequence"])
    record["trial"] = None
    set_report(record, report_id, event, trial, reason)


def set_report(record: dict, report_id: str, event: str, about: dict, reason: str) -> None:
    """The outcome is kept until the server has it. `report_id` is random, so that sending it twice counts once."""
    record["report"] = {
        "id": report_id,
        "event": event,
        "version": about["version"],
        "sequence": about["sequence"],
        "reason": reason,
    }


def stray(confirmed: dict, version: str, slot: int) -> dict:
    """The release of an image in its trial that did not come from an offer (somebody used `set_boot` by hand): it
    counts as old as the confirmed one, and gets no second trial."""
    return {
        "version": version,
        "sequence": confirmed["sequence"],
        "security": confirmed["security"],
        "size": 0,
        "sha256": None,
        "slot": slot,
        "arms": 255,
        "ended": "",
    }
