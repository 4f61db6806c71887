"""What a device remembers about updates, as one JSON document that is written whole.

| field | value |
| --- | --- |
| `confirmed` | release: the image and the specification that are kept |
| `trial` | release on its way: written before the switch, gone when it is confirmed or has failed; or null |
| `failed` | `sequence` of the newest release that failed here, 0 for none |
| `report` | the body of a report that the server has not acknowledged, or null |

A release is:

| field | value |
| --- | --- |
| `version`, `sequence`, `security` | the manifest's |
| `sha256` | of the image, hex, or null when it is not known |
| `slot` | 0 or 1: the image's, or the one that runs where it brings none |
| `place` | of its specification, 0 or 1, or null for none |
| `keys` | place of the keys to trust, 0 or 1, and digest of the configured ones (`keys.py`); or null for those |
| `bundle` | SHA-256 of the list of the bundle that is kept, hex, or null for none; not in one on its way |

One on its way has also:

| field | value |
| --- | --- |
| `kind` | what it carries |
| `tree` | where its bundle lies, 1 or 2: then `sha256` and `size` are the list's; or null for none |
| `size` | bytes |
| `link` | where its file can be fetched for some minutes, empty for nowhere |
| `arms` | how often it was to be switched to |
| `switched` | whether the last of them was made: otadata can't tell, as it may be ABORTED from an earlier trial |
| `ended` | why its trial ended, when the device itself ended it |

Records written before there were specifications have neither `kind` nor `place`: they are of images, without one. Those
written before keys could change have no `keys`, those from before bundles neither `tree` nor `bundle`.

Power loss: the record lies in NVS, where a write leaves the old value or the new one (ESP-IDF, "NVS: Structure of a
Page"). Nothing in it is about flash that has not been written and read back before.
"""

import json
import struct
from binascii import hexlify, unhexlify

from micropython import const

from .specification import BUNDLE, LINK_MAX_BYTES, SPECIFICATION, free_place, has_image, has_specification, place

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from collections.abc import Callable

    from .manifest import Manifest

MAX_BYTES = 1536
_FLOOR = "<IIIB8s"
FLOOR_BYTES = 21


def factory(version: str, slot: int) -> dict:
    """The record of a board that has never been updated."""
    confirmed = _bare(version, 0, 0, slot)
    return {"confirmed": confirmed, "trial": None, "failed": 0, "report": None}


def salvaged(version: str, floor: "tuple[int, int, int, list | None] | None") -> dict:
    """The record of a board whose own can't be read, running `version`: what is left is its floor, if anything, which
    tells its keys too, so that none that was retired is trusted again. Without one, every offer is older than the board
    knows."""
    sequence, security, failed, keys = floor or (0xFFFFFFFF, 0, 0, None)
    confirmed = dict(_bare(version, sequence, security, -1), keys=keys)
    return {"confirmed": confirmed, "trial": None, "failed": failed, "report": None}


def release(
    manifest: "Manifest",
    confirmed: dict,
    running: int,
    free_tree: int,
    link: object = None,
    configured: "str | None" = None,
) -> dict:
    """A release on its way, not switched to yet, to a board that keeps `confirmed`, runs the slot `running` and has the
    tree `free_tree` for a bundle. `link` is the offer's, which nobody has signed; `configured` the digest of the
    configured keys, None for a release that changes no keys."""
    kept = confirmed.get("keys")
    alone = manifest.kind == SPECIFICATION
    linked = has_specification(manifest.kind) and not manifest.kind & BUNDLE and isinstance(link, str)
    if not linked or len(json.dumps(link).encode()) > LINK_MAX_BYTES:
        link = ""
    return {
        "version": manifest.version,
        "sequence": manifest.sequence,
        "security": confirmed["security"] if alone else manifest.security,
        "size": manifest.size,
        "sha256": confirmed["sha256"] if alone else hexlify(manifest.sha256).decode(),
        "slot": 1 - running if has_image(manifest.kind) else running,
        "tree": free_tree if manifest.kind & BUNDLE else None,
        "kind": manifest.kind,
        "place": free_place(confirmed.get("place")) if has_specification(manifest.kind) else confirmed.get("place"),
        "keys": [free_place(kept and kept[0]), configured] if configured else kept,
        "link": link,
        "arms": 0,
        "switched": False,
        "ended": "",
    }


def encode(fields: dict) -> bytes:
    """The bytes to store. Raises ValueError for more than could be read back."""
    data = json.dumps(fields).encode()
    if len(data) > MAX_BYTES:
        raise ValueError("an update record of {} bytes".format(len(data)))
    return data


def decode(data: "bytes | memoryview") -> dict:
    """The record in `data`. Raises ValueError when there is none."""
    fields = json.loads(bytes(data))
    if not isinstance(fields, dict) or "confirmed" not in fields:
        raise ValueError("not an update record")
    return fields


def floor(fields: dict) -> bytes:
    """What is stored apart from the record, and read when that can't be."""
    confirmed = fields["confirmed"]
    place, configured = confirmed.get("keys") or (-1, "")
    numbers = confirmed["sequence"], confirmed["security"], fields["failed"]
    return struct.pack(_FLOOR, *numbers, place + 1, unhexlify(configured))


def floor_numbers(data: "bytes | bytearray") -> "tuple[int, int, int, list | None]":
    """Sequence and security version of the confirmed release, the failed sequence, and the confirmed release's `keys`,
    of a `floor`. What is missing at the end of one from before keys could change is zero."""
    sequence, security, failed, place, configured = struct.unpack(_FLOOR, data)
    return sequence, security, failed, [place - 1, hexlify(configured).decode()] if place else None


class Record:
    """The record, and every change that it can undergo; each is in flash when its method returns.

    `save` stores the fields, all or nothing. A `report_id` is random, so that sending a report twice counts once.
    """

    def __init__(self, fields: dict, save: "Callable[[dict], None]") -> None:
        self._fields: dict = fields
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

    @property
    def image(self) -> "str | None":
        """The SHA-256 of the image that runs then, hex; None when it is not known."""
        return (self.confirmed if self.trial.get("tree") else self.running)["sha256"]

    @property
    def bundle(self) -> "str | None":
        """The SHA-256 of the list of the bundle that runs then, hex; None for none."""
        return self.trial["sha256"] if self.trial.get("tree") else self.confirmed.get("bundle")

    def begin(self, release: dict) -> None:
        """`release`, which lies in its slot and in its place, and was read back, is on its way."""
        # CUT: no trial yet, so the next boot is idle, and the next download finds every sector right.
        self._store(trial=release)

    def begin_stray(self, version: str, slot: int) -> None:
        """An image that did not come from an offer (somebody used `set_boot` by hand) is in its trial: it counts as
        old as the confirmed one, and gets no second trial."""
        stray = dict(self.confirmed, version=version, size=0, sha256=None, slot=slot, arms=255, switched=True, ended="")
        # CUT: the bootloader rolls back, and there is nothing to remember.
        self._store(trial=stray)

    def arm(self) -> None:
        """One more of the switches that the release may have is spent."""
        # CUT: spent or not, the switch was not made; the next boot makes it, or gives up when it was the last.
        self._store(trial=dict(self.trial, arms=self.trial["arms"] + 1, switched=False))

    def switched(self) -> None:
        """The switch was made: what becomes of it from now on is the release's doing."""
        # CUT: the new release boots all the same, and notes it then.
        self._store(trial=dict(self.trial, switched=True))

    def end(self, reason: str) -> None:
        """The device itself ends the trial."""
        # CUT: still pending, so the next boot rolls back all the same; as after any power cut the release gets another
        # trial, within the four.
        self._store(trial=dict(self.trial, ended=reason))

    def confirm(self, report_id: str) -> None:
        """The trial's release is the confirmed one, and that is to be reported."""
        trial = self.trial
        confirmed: dict = {key: trial[key] for key in ("version", "sequence", "security", "slot")}
        confirmed["sha256"], confirmed["bundle"] = self.image, self.bundle
        confirmed["place"] = place(self.confirmed, trial, True)
        confirmed["keys"] = trial.get("keys", self.confirmed.get("keys"))
        # CUT: an image is valid in otadata, or a tree kept by boot.py, on trial here; the next boot finds that and
        # confirms again. A specification alone is on trial still, and gets another one.
        self._store(confirmed=confirmed, trial=None, report=_report(report_id, "confirmed", trial, ""))

    def fail(self, report_id: str, event: str, reason: str) -> None:
        """The trial's release is given up until a newer one is offered, and that is to be reported."""
        trial = self.trial
        failed = max(self.failed, trial["sequence"])
        # CUT: still on trial here, and the next boot comes to the same end; but what a reset ended looks like a power
        # cut now, and gets another trial, within the four.
        self._store(failed=failed, trial=None, report=_report(report_id, event, trial, reason))

    def drop(self, report_id: str, reason: str) -> None:
        """The trial's release is as if it had never been downloaded, which is to be reported."""
        # CUT: still on trial here; the next boot reads its slot back again.
        self._store(trial=None, report=_report(report_id, "failed", self.trial, reason))

    def fall_back(self, report_id: str, version: str, slot: int) -> None:
        """The confirmed image is damaged and the other one, `version`, runs; the floor of sequences stays."""
        lost = self.confirmed
        kept = dict(lost, version=version, sha256=None, slot=slot)
        # CUT: the next boot finds the same.
        self._store(confirmed=kept, report=_report(report_id, "failed", lost, "damaged in flash; the other slot runs"))

    def keep_report(self, report_id: str, event: str, version: str, sequence: int, reason: str) -> None:
        """The outcome is kept until the server has it."""
        # CUT: not kept; the same offer will have the same outcome.
        self._store(report=_report(report_id, event, {"version": version, "sequence": sequence}, reason))

    def acknowledge(self) -> None:
        """The server has the report."""
        # CUT: the server gets the same report again, and knows it by its id.
        self._store(report=None)

    def _store(self, **changes: object) -> None:
        """The changes are in flash; when that fails, nothing has changed here either."""
        fields: dict = dict(self._fields, **changes)
        self._save(fields)
        self._fields = fields


def _bare(version: str, sequence: int, security: int, slot: int) -> dict:
    """A release of which no more is known."""
    release: dict = {"version": version, "sequence": sequence, "security": security, "sha256": None, "slot": slot}
    release["place"] = release["keys"] = None
    return release


def _report(report_id: str, event: str, about: dict, reason: str) -> dict:
    sequence, version = about["sequence"], about["version"]
    return {"id": report_id, "event": event, "version": version, "sequence": sequence, "reason": reason}
