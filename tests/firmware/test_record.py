"""The record: what each change stores, once, and that a store which fails leaves nothing changed."""

import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from twinslot import record
from twinslot.manifest import Manifest
from twinslot.record import Record

VECTORS = Path(__file__).parents[1] / "vectors"

RELEASE = {"version": "1.1.0", "sequence": 7, "security": 1, "size": 9, "sha256": "aa", "slot": 1}
ON_ITS_WAY = {**RELEASE, "kind": 0, "tree": None, "place": None, "keys": None, "link": ""}
ON_ITS_WAY |= {"arms": 0, "switched": False, "ended": ""}
KEPT = {key: ON_ITS_WAY[key] for key in ("version", "sequence", "security", "sha256", "slot", "place", "keys")}
KEPT["bundle"] = None
BUNDLE = {**ON_ITS_WAY, "kind": 8, "tree": 2, "sha256": "bb"}
OLD_KEYS, NEW_KEYS = [0, "0123456789abcdef"], [1, "0123456789abcdef"]


class Stored:
    def __init__(self) -> None:
        self.writes: list[dict] = []
        self.broken = False

    def __call__(self, fields: dict) -> None:
        if self.broken:
            raise OSError(-4357)
        self.writes.append(json.loads(json.dumps(fields)))


def started(**fields: object) -> tuple[Record, Stored]:
    stored = Stored()
    return Record({**record.factory("1.0.0", 0), **fields}, stored), stored


def report(event: str, version: str, sequence: int, reason: str) -> dict:
    return {"id": "x", "event": event, "version": version, "sequence": sequence, "reason": reason}


FACTORY = record.factory("1.0.0", 0)
CHANGES: dict[str, tuple[dict, Callable[[Record], None], dict]] = {
    "begin": ({}, lambda r: r.begin(ON_ITS_WAY), {"trial": ON_ITS_WAY}),
    "arm": ({"trial": ON_ITS_WAY}, lambda r: r.arm(), {"trial": {**ON_ITS_WAY, "arms": 1}}),
    "switched": ({"trial": ON_ITS_WAY}, lambda r: r.switched(), {"trial": {**ON_ITS_WAY, "switched": True}}),
    "armed again": (
        {"trial": {**ON_ITS_WAY, "arms": 1, "switched": True}},
        lambda r: r.arm(),
        {"trial": {**ON_ITS_WAY, "arms": 2}},
    ),
    "end": ({"trial": ON_ITS_WAY}, lambda r: r.end("expired"), {"trial": {**ON_ITS_WAY, "ended": "expired"}}),
    "confirm": (
        {"trial": ON_ITS_WAY},
        lambda r: r.confirm("x"),
        {"confirmed": KEPT, "report": report("confirmed", "1.1.0", 7, "")},
    ),
    "confirm an image beside a specification": (
        {"confirmed": {**KEPT, "place": 1}, "trial": {**ON_ITS_WAY, "place": 1}},
        lambda r: r.confirm("x"),
        {"confirmed": {**KEPT, "place": 1}, "report": report("confirmed", "1.1.0", 7, "")},
    ),
    "confirm a specification": (
        {"confirmed": {**KEPT, "place": 1}, "trial": {**ON_ITS_WAY, "kind": 1, "place": 0}},
        lambda r: r.confirm("x"),
        {"confirmed": {**KEPT, "place": 0}, "report": report("confirmed", "1.1.0", 7, "")},
    ),
    "confirm a bundle": (
        {"confirmed": {**KEPT, "bundle": "cc", "place": 1}, "trial": {**BUNDLE, "place": 1}},
        lambda r: r.confirm("x"),
        {"confirmed": {**KEPT, "bundle": "bb", "place": 1}, "report": report("confirmed", "1.1.0", 7, "")},
    ),
    "confirm an image beside a bundle": (
        {"confirmed": {**KEPT, "bundle": "cc"}, "trial": {**ON_ITS_WAY, "sha256": "dd"}},
        lambda r: r.confirm("x"),
        {"confirmed": {**KEPT, "bundle": "cc", "sha256": "dd"}, "report": report("confirmed", "1.1.0", 7, "")},
    ),
    "confirm other keys": (
        {"confirmed": {**KEPT, "keys": OLD_KEYS}, "trial": {**ON_ITS_WAY, "keys": NEW_KEYS}},
        lambda r: r.confirm("x"),
        {"confirmed": {**KEPT, "keys": NEW_KEYS}, "report": report("confirmed", "1.1.0", 7, "")},
    ),
    "fail with other keys": (
        {"confirmed": {**KEPT, "keys": OLD_KEYS}, "trial": {**ON_ITS_WAY, "keys": NEW_KEYS}},
        lambda r: r.fail("x", "rolled_back", "crash"),
        {"failed": 7, "report": report("rolled_back", "1.1.0", 7, "crash")},
    ),
    "fail": (
        {"trial": ON_ITS_WAY},
        lambda r: r.fail("x", "rolled_back", "crash"),
        {"failed": 7, "report": report("rolled_back", "1.1.0", 7, "crash")},
    ),
    "fail, older than what failed before": (
        {"trial": ON_ITS_WAY, "failed": 9},
        lambda r: r.fail("x", "rolled_back", "crash"),
        {"failed": 9, "report": report("rolled_back", "1.1.0", 7, "crash")},
    ),
    "drop": (
        {"trial": ON_ITS_WAY},
        lambda r: r.drop("x", "hash"),
        {"report": report("failed", "1.1.0", 7, "hash")},
    ),
    "fall back": (
        {"confirmed": KEPT},
        lambda r: r.fall_back("x", "1.0.0", 0),
        {
            "confirmed": {**KEPT, "version": "1.0.0", "sha256": None, "slot": 0},
            "report": report("failed", "1.1.0", 7, "damaged in flash; the other slot runs"),
        },
    ),
    "keep a report": (
        {},
        lambda r: r.keep_report("x", "refused", "1.1.0", 7, "chip"),
        {"report": report("refused", "1.1.0", 7, "chip")},
    ),
    "acknowledge": ({"report": report("refused", "1.1.0", 7, "chip")}, lambda r: r.acknowledge(), {}),
}


@pytest.mark.parametrize("what", CHANGES)
def test_change_is_stored_whole_in_one_write(what: str) -> None:
    before, change, after = CHANGES[what]
    changing, stored = started(**before)
    change(changing)
    assert stored.writes == [{**FACTORY, **{k: v for k, v in before.items() if k == "confirmed"}, **after}]


@pytest.mark.parametrize("what", CHANGES)
def test_change_that_could_not_be_stored_has_not_happened_and_can_be_made_again(what: str) -> None:
    before, change, _ = CHANGES[what]
    changing, stored = started(**before)
    seen = changing.confirmed, changing.trial, changing.failed, changing.report
    stored.broken = True
    with pytest.raises(OSError):
        change(changing)
    assert (changing.confirmed, changing.trial, changing.failed, changing.report) == seen
    stored.broken = False
    change(changing)
    assert len(stored.writes) == 1


def test_stray_image_counts_as_old_as_the_confirmed_one_and_gets_no_second_trial() -> None:
    changing, stored = started(confirmed=KEPT)
    changing.begin_stray("0.9.0", 0)
    assert stored.writes[0]["trial"]["sequence"] == 7
    assert stored.writes[0]["trial"]["arms"] > 4
    assert stored.writes[0]["confirmed"] == KEPT


def test_trial_from_before_there_were_specifications_is_confirmed_as_an_image() -> None:
    changing, stored = started(trial={**RELEASE, "arms": 1, "switched": True, "ended": ""})
    changing.confirm("x")
    assert stored.writes[0]["confirmed"] == KEPT
    changing, stored = started(
        confirmed={**KEPT, "place": 1}, trial={**RELEASE, "arms": 1, "switched": True, "ended": ""}
    )
    changing.confirm("x")
    assert stored.writes[0]["confirmed"] == {**KEPT, "place": 1}


def manifest(kind: int) -> Manifest:
    """One of the wire examples, of that kind."""
    which, key = ("bundles", "manifests") if kind & 8 else ("specification" if kind else "manifest", "good")
    examples = json.loads((VECTORS / (which + ".json")).read_text())[key]
    return Manifest(bytes.fromhex(next(e["bytes"] for e in examples if e["fields"].get("kind", 0) == kind)))


def released(kind: int, confirmed: dict, running: int, *more: object) -> dict:
    """The release of such a manifest, on its way; the second tree is free."""
    return record.release(manifest(kind), confirmed, running, 2, *more)


def test_release_of_a_specification_names_the_image_that_runs_and_the_other_place() -> None:
    made = released(1, {**KEPT, "place": 0}, 1)
    assert (made["kind"], made["place"], made["size"]) == (1, 1, 0)
    assert (made["security"], made["sha256"], made["slot"]) == (KEPT["security"], KEPT["sha256"], 1)


def test_release_of_an_image_names_the_other_slot_and_the_specification_in_force() -> None:
    signed = manifest(0)
    made = released(0, {**KEPT, "place": 1}, 1)
    assert (made["kind"], made["place"], made["size"], made["tree"]) == (0, 1, signed.size, None)
    assert (made["security"], made["sha256"], made["slot"]) == (signed.security, signed.sha256.hex(), 0)


def test_release_that_changes_keys_names_their_other_place_and_the_configured_ones() -> None:
    for kept, place in ((None, 0), (OLD_KEYS, 1), (NEW_KEYS, 0)):
        made = released(1, {**KEPT, "keys": kept}, 1, None, "fedcba9876543210")
        assert made["keys"] == [place, "fedcba9876543210"]


def test_release_that_changes_no_keys_names_those_in_force() -> None:
    assert released(1, {**KEPT, "keys": NEW_KEYS}, 1)["keys"] == NEW_KEYS


def test_trial_from_before_keys_could_change_is_confirmed_with_those_in_force() -> None:
    changing, stored = started(
        confirmed={**KEPT, "keys": OLD_KEYS}, trial={**RELEASE, "arms": 1, "switched": True, "ended": ""}
    )
    changing.confirm("x")
    assert stored.writes[0]["confirmed"]["keys"] == OLD_KEYS


def test_release_of_both_names_the_other_slot_and_the_other_place() -> None:
    signed = manifest(2)
    made = released(2, {**KEPT, "place": 1}, 0)
    assert (made["kind"], made["place"], made["slot"], made["sha256"]) == (2, 0, 1, signed.sha256.hex())


@pytest.mark.parametrize(("kind", "place"), [(8, 1), (10, 0)])
def test_release_of_a_bundle_names_the_image_that_runs_and_the_free_tree(kind: int, place: int) -> None:
    signed = manifest(kind)
    made = released(kind, {**KEPT, "place": 1}, 1, "https://a/b")
    assert (made["kind"], made["place"], made["slot"], made["tree"]) == (kind, place, 1, 2)
    assert (made["size"], made["sha256"], made["link"]) == (signed.size, signed.sha256.hex(), "")


def test_what_runs_in_a_trial_is_named_by_what_it_carries() -> None:
    kept = {**KEPT, "sha256": "aa", "bundle": "cc"}
    for on_trial, image, bundle in (
        ({}, "aa", "cc"),
        (BUNDLE, "aa", "bb"),
        ({**ON_ITS_WAY, "sha256": "dd"}, "dd", "cc"),
    ):
        looked, _ = started(confirmed=kept, trial=on_trial)
        assert (looked.image, looked.bundle) == (image, bundle)
    old, _ = started()
    assert (old.image, old.bundle) == (None, None)


@pytest.mark.parametrize(
    ("link", "kept"),
    [("https://a/b", "https://a/b"), ("x" * 510, "x" * 510), ("x" * 511, ""), ("ü" * 256, ""), (None, ""), (5, "")],
)
def test_link_is_kept_when_the_record_has_room_for_it(link: object, kept: str) -> None:
    assert released(1, KEPT, 1, link)["link"] == kept


def test_image_alone_has_no_link() -> None:
    assert released(0, KEPT, 1, "https://a/b")["link"] == ""


def test_largest_record_can_be_stored() -> None:
    most = 0xFFFFFFFF
    release = {**KEPT, "version": "1.0.0-" + "a" * 58, "sequence": most, "security": most, "sha256": "f" * 64}
    release |= {"keys": NEW_KEYS, "bundle": "b" * 64}
    trial = {
        **ON_ITS_WAY,
        **{key: release[key] for key in RELEASE if key in release},
        "keys": NEW_KEYS,
        "size": most,
        "kind": 2,
        "link": "x" * 510,
        "arms": 255,
        "ended": "self_test",
    }
    said = {**report("rolled_back", release["version"], most, "damaged in flash; the other slot runs"), "id": "f" * 16}
    fields = {"confirmed": release, "trial": trial, "failed": most, "report": said}
    assert record.decode(record.encode(fields)) == fields


def test_record_that_could_not_be_read_back_is_not_encoded() -> None:
    room = record.MAX_BYTES - len(record.encode({"confirmed": ""}))
    assert len(record.encode({"confirmed": "x" * room})) == record.MAX_BYTES
    with pytest.raises(ValueError):
        record.encode({"confirmed": "x" * (room + 1)})


def test_floor_holds_what_is_kept_apart_from_the_record() -> None:
    for keys in (None, OLD_KEYS, NEW_KEYS):
        fields = {**FACTORY, "confirmed": {**KEPT, "security": 0xFFFFFFFF, "keys": keys}, "failed": 9}
        assert record.floor_numbers(record.floor(fields)) == (7, 0xFFFFFFFF, 9, keys)
        assert len(record.floor(fields)) == record.FLOOR_BYTES


def test_floor_from_before_keys_could_change_names_none() -> None:
    old = struct.pack("<III", 7, 1, 9)
    assert record.floor_numbers(old + bytes(record.FLOOR_BYTES - len(old))) == (7, 1, 9, None)


def test_record_survives_its_encoding_and_garbage_is_no_record() -> None:
    fields = {**FACTORY, "trial": ON_ITS_WAY, "report": report("failed", "1.1.0", 7, "ü" * 20)}
    assert record.decode(memoryview(record.encode(fields))) == fields
    for garbage in (b"", b"{", b"[]", b"{}", b"null"):
        with pytest.raises(ValueError):
            record.decode(garbage)


def test_board_without_a_readable_record_keeps_its_floor_or_takes_nothing() -> None:
    salvaged = record.salvaged("1.1.0", (7, 1, 9, NEW_KEYS))
    assert (salvaged["confirmed"]["sequence"], salvaged["confirmed"]["keys"], salvaged["failed"]) == (7, NEW_KEYS, 9)
    assert record.salvaged("1.1.0", None)["confirmed"]["sequence"] == 0xFFFFFFFF
