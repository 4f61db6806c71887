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
    from collections.abc import Callable

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


def encode(fields: dict) -> bytes:
    """The bytes to store."""
    return json.dumps(fields).encode()


def decode(data: "bytes | memoryview") -> dict:
    """The record in `data`. Raises ValueError when there is none."""
    fields = json.loads(bytes(data))
    if not isinstance(fields, dict) or "confirmed" not in fields:
        raise ValueError("not an update record")
    return fields


class Record:
    """The record, and every change that it can undergo; each is in flash when its method returns.

    `save` stores the fields, all or nothing. A `report_id` is random, so that sending a report twice counts once.
    """

    def __init__(self, fields: dict, save: "Callable[[dict], None]") -> None:
        self._fields = fields
        self._save = save

    @property
    def confirmed(self) -> dict:
        return self._fields["confirmed"]

    @property
    def trial(self) -> dict:
        """Empty when there is none."""
        return self._fields["trial"] or {}

    @property
    def failed(self) -> int:
        return self._fields["failed"]

    @property
    def report(self) -> "dict | None":
        return self._fields["report"]

    @property
    def running(self) -> dict:
        """What runs while the agent is idle or in a trial."""
        return self.trial or self.confirmed

    def begin(self, release: dict) -> None:
        """`release`, which lies in its slot and was read back, is on its way."""
        self._fields["trial"] = release
        # CUT: no trial yet, so the next boot is idle, and the next download finds every sector right.
        self._save(self._fields)

    def begin_stray(self, version: str, slot: int) -> None:
        """An image that did not come from an offer (somebody used `set_boot` by hand) is in its trial: it counts as
        old as the confirmed one, and gets no second trial."""
        stray = {"version": version, "size": 0, "sha256": None, "slot": slot, "arms": 255, "ended": ""}
        stray["sequence"], stray["security"] = self.confirmed["sequence"], self.confirmed["security"]
        self._fields["trial"] = stray
        # CUT: the bootloader rolls back, and there is nothing to remember.
        self._save(self._fields)

    def arm(self) -> None:
        """One more of the switches that the release may have is spent."""
        self._fields["trial"]["arms"] += 1
        # CUT: spent, though none was made.
        self._save(self._fields)

    def end(self, reason: str) -> None:
        """The device itself ends the trial."""
        self._fields["trial"]["ended"] = reason
        # CUT: still pending, so the bootloader rolls back all the same; only the reason is less exact.
        self._save(self._fields)

    def confirm(self, report_id: str) -> None:
        """The trial's release is the confirmed one, and that is to be reported."""
        trial = self._fields["trial"]
        self._fields["confirmed"] = {key: trial[key] for key in ("version", "sequence", "security", "sha256", "slot")}
        # CUT: valid in otadata, on trial here; the next boot finds that and confirms again.
        self._settle(report_id, "confirmed", "")

    def fail(self, report_id: str, event: str, reason: str) -> None:
        """The trial's release is given up until a newer one is offered, and that is to be reported."""
        self._fields["failed"] = max(self.failed, self._fields["trial"]["sequence"])
        # CUT: still on trial here, and the next boot comes to the same end.
        self._settle(report_id, event, reason)

    def drop(self) -> None:
        """The trial's release is as if it had never been downloaded."""
        self._fields["trial"] = None
        # CUT: still on trial here; the next boot reads its slot back again.
        self._save(self._fields)

    def keep_report(self, report_id: str, event: str, version: str, sequence: int, reason: str) -> None:
        """The outcome is kept until the server has it."""
        self._fields["report"] = {
            "id": report_id,
            "event": event,
            "version": version,
            "sequence": sequence,
            "reason": reason,
        }
        # CUT: not kept; the same offer will have the same outcome.
        self._save(self._fields)

    def acknowledge(self) -> None:
        """The server has the report."""
        self._fields["report"] = None
        # CUT: the server gets the same report again, and knows it by its id.
        self._save(self._fields)

    def _settle(self, report_id: str, event: str, reason: str) -> None:
        trial, self._fields["trial"] = self._fields["trial"], None
        self.keep_report(report_id, event, trial["version"], trial["sequence"], reason)
