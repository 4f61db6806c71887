"""The decision, case by case."""

import dataclasses
import hashlib

import pytest

from twinslot_host.domain.eligibility import Device, Policy
from twinslot_host.domain.filters import Subject
from twinslot_host.domain.release import File, Release
from twinslot_host.domain.rollout import Decision, decide, next_sequence

KEY = "f" * 64
SERVER_GROUP = Policy("kettle", frozenset(("server",)), None)
PUBLISHER_GROUP = Policy("kettle", frozenset((KEY,)), None)
DEVICE = Device("kettle", "1.0.0", 50, "idle", 0, 1000, frozenset(), 0, Subject("d", "g", frozenset(), {}))
FILE = File("firmware.bin", "00" * 32, 1000, 0, 0)
RELEASE = Release(1, "1.1.0", "general", None, None, None, False, False, "server", 0, FILE, (), (100,))


def release(version: str = "1.1.0", **other) -> Release:
    """A release with some fields of its own, those of its file among them."""
    of_file = {name: other.pop(name) for name in ("chip", "size_bytes", "security_version") if name in other}
    file = dataclasses.replace(FILE, **of_file)
    return dataclasses.replace(RELEASE, **{"version": version, "file": file} | other)


def decided(*releases: Release, policy: Policy = SERVER_GROUP, last: int = 200, now_s: int = 90, **device) -> Decision:
    return decide(dataclasses.replace(DEVICE, **device), policy, releases, {}, last, now_s * 1000)


def reasons(decision: Decision) -> dict[str, str]:
    return {each.release.version: each.reason for each in decision.verdicts}


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        ({"version": None, "app": None}, "has not checked in"),
        ({"app": "toaster"}, "'toaster'"),
        ({"version": "one"}, "not a semver"),
        ({"state": "trial"}, "is trying 1.0.0"),
    ],
)
def test_device_that_can_take_no_offer_gets_none_and_every_release_says_why(device, reason):
    decision = decided(RELEASE, release("2.0.0"), **device)
    assert decision.offer is None
    assert reason in decision.reason
    assert set(reasons(decision).values()) == {decision.reason}


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"strategy": "suspended"}, "it is suspended"),
        ({"strategy": "targeted"}, "reaches nobody"),
        ({"version": "1.0.0"}, "runs this version"),
        ({"version": "1.0.0+build"}, "runs this version"),
        ({"version": "1.0.0-rc.1"}, "older than 1.0.0"),
        ({"upgradable_from": ()}, "reached from no version"),
        ({"upgradable_from": ("0.9.0",)}, "reached from 0.9.0"),
        ({"signed_by": KEY}, "trusts only the server's key"),
        ({"chip": 9}, "for the ESP32-S3"),
        ({"size_bytes": 1001}, "do not fit"),
    ],
)
def test_release_that_the_device_can_not_take_is_not_offered_and_says_why(other, reason):
    decision = decided(release(**other))
    assert decision.offer is None
    assert [reason in each for each in reasons(decision).values()] == [True]


def test_image_is_not_offered_to_a_device_without_a_second_slot_and_a_specification_is():
    decision = decided(RELEASE, release("1.0.5", specification=b"1", file=None), slot_size_bytes=0)
    assert decision.offer.release.version == "1.0.5"
    assert reasons(decision)["1.1.0"] == "this board's partition table has no second app slot"


@pytest.mark.parametrize(
    ("signed_by", "reason"),
    [("server", "trusts only its publisher's key"), ("e" * 64, "a key that the device's group does not trust")],
)
def test_publisher_group_is_not_offered_what_others_signed(signed_by, reason):
    decision = decided(release(signed_by=signed_by), policy=PUBLISHER_GROUP)
    assert decision.offer is None
    assert reason in reasons(decision)["1.1.0"]


def test_publisher_group_is_offered_what_its_key_signed():
    assert decided(release(signed_by=KEY), policy=PUBLISHER_GROUP).offer.release.version == "1.1.0"


def test_highest_by_semver_is_offered_and_the_lower_say_so():
    decision = decided(release("1.9.0"), release("1.10.0"), release("1.10.0-rc.1"))
    assert decision.offer.release.version == "1.10.0"
    assert list(reasons(decision)) == ["1.10.0", "1.10.0-rc.1", "1.9.0"]
    assert reasons(decision)["1.9.0"] == "1.10.0 is offered, which is higher"


def test_upgradable_from_leads_one_hop_at_a_time():
    first, second = release("1.5.0"), release("2.0.0", upgradable_from=("1.5.0",))
    assert decided(first, second).offer.release.version == "1.5.0"
    assert decided(first, second, version="1.5.0").offer.release.version == "2.0.0"


def test_hop_that_leads_on_to_the_highest_is_taken_before_a_higher_one_that_ends_there():
    middle, end = release("1.1.0", upgradable_from=("1.0.0",)), release("2.0.0", upgradable_from=("1.1.0",))
    dead_end = release("1.5.0", upgradable_from=("1.0.0",))
    decision = decided(middle, dead_end, end)
    assert decision.offer.release.version == "1.1.0"
    assert decision.reason == "1.1.0 is the next hop from 1.0.0 to 2.0.0, the highest in reach"
    assert reasons(decision)["1.5.0"] == "1.1.0 is offered, which leads to 2.0.0"


def test_way_to_the_highest_has_the_fewest_hops():
    releases = (
        release("1.1.0", upgradable_from=("1.0.0",)),
        release("1.2.0", upgradable_from=("1.0.0", "1.1.0")),
        release("2.0.0", upgradable_from=("1.2.0",)),
    )
    assert decided(*releases).offer.release.version == "1.2.0"


@pytest.mark.parametrize("other", [{"strategy": "suspended"}, {"chip": 9}, {"size_bytes": 2000}])
def test_way_over_a_release_that_the_device_can_not_take_does_not_count(other):
    middle = release("1.1.0", upgradable_from=("1.0.0",), **other)
    dead_end, end = release("1.5.0", upgradable_from=("1.0.0",)), release("2.0.0", upgradable_from=("1.1.0",))
    assert decided(middle, dead_end, end).offer.release.version == "1.5.0"


def test_way_to_an_older_signature_of_a_publisher_does_not_count():
    middle = release("1.1.0", upgradable_from=("1.0.0",), signed_by=KEY, sequences=(120,))
    dead_end = release("1.5.0", upgradable_from=("1.0.0",), signed_by=KEY, sequences=(130,))
    end = release("2.0.0", upgradable_from=("1.1.0",), signed_by=KEY)
    for sequence, offered in ((110, "1.5.0"), (140, "1.1.0")):
        signed = dataclasses.replace(end, sequences=(sequence,))
        assert decided(middle, dead_end, signed, policy=PUBLISHER_GROUP).offer.release.version == offered


def test_way_does_not_lead_back_to_a_lower_version():
    middle, lower = release("1.5.0"), release("1.2.0", upgradable_from=("1.5.0",))
    decision = decided(middle, lower, release("2.0.0", upgradable_from=("1.2.0",)))
    assert decision.offer.release is middle
    assert decision.reason.startswith("1.5.0 is the highest release that the device can go to")


def test_build_of_a_version_does_not_count_in_upgradable_from():
    middle, end = release("1.1.0+a", upgradable_from=("1.0.0+b",)), release("2.0.0", upgradable_from=("1.1.0+c",))
    decision = decided(middle, end)
    assert decision.offer.release is middle
    assert "to 2.0.0" in decision.reason


def test_upgradable_from_does_not_let_a_device_go_back():
    assert decided(release("0.9.0", upgradable_from=("1.0.0",))).offer is None


def test_release_whose_sequence_failed_is_not_offered():
    decision = decided(RELEASE, failed=frozenset((100,)))
    assert decision.offer is None
    assert "failed on this device" in reasons(decision)["1.1.0"]


def test_release_that_failed_under_an_earlier_signature_is_not_offered():
    assert decided(release(sequences=(100, 150)), failed=frozenset((100,))).offer is None


def test_lower_release_is_signed_anew_after_a_higher_one_failed():
    decision = decided(RELEASE, release("1.2.0", sequences=(101,)), failed=frozenset((101,)))
    assert (decision.offer.release.version, decision.offer.sequence, decision.offer.sign_anew) == ("1.1.0", 201, True)


def test_server_release_older_than_the_confirmed_sequence_is_signed_anew():
    offer = decided(RELEASE, sequence=100).offer
    assert (offer.sequence, offer.sign_anew) == (201, True)


def test_new_signature_is_higher_than_a_sequence_that_the_server_never_gave():
    assert decided(RELEASE, sequence=3000).offer.sequence == 3001


@pytest.mark.parametrize("told", [{"sequence": 2**32 - 1}, {"failed": frozenset((90 + 86401,))}])
def test_device_that_claims_a_sequence_which_nobody_signed_gets_no_offer(told):
    decision = decided(RELEASE, release("2.0.0", signed_by=KEY, sequences=(150,)), **told)
    assert decision.offer is None
    assert "a sequence that nobody signed" in decision.reason


def test_sequence_far_ahead_that_the_server_knows_is_no_false_claim():
    decision = decided(release("1.2.0", sequences=(100_001,)), sequence=100_000, last=100_001)
    assert decision.offer.sequence == 100_001


@pytest.mark.parametrize(("last", "offered"), [(3689, True), (3690, False), (80_000, False), (2**32 - 1, False)])
def test_new_signature_for_a_device_is_at_most_an_hour_ahead_of_the_clock(last, offered):
    decision = decided(RELEASE, sequence=200, last=last)
    assert (decision.offer is not None) == offered
    assert offered or "an hour ahead" in decision.reason


def test_publisher_release_older_than_the_confirmed_sequence_is_not_offered():
    decision = decided(release(signed_by=KEY), policy=PUBLISHER_GROUP, sequence=100)
    assert decision.offer is None
    assert reasons(decision)["1.1.0"] == "its signature is older than what the device has confirmed; sign it again"


def test_publisher_release_older_than_a_failed_sequence_is_not_offered():
    decision = decided(release(signed_by=KEY), policy=PUBLISHER_GROUP, failed=frozenset((101,)))
    assert decision.offer is None
    assert "which failed on this device" in reasons(decision)["1.1.0"]


def test_next_fresh_publisher_release_is_offered_below_a_stale_one():
    stale, fresh = release("1.2.0", signed_by=KEY), release("1.1.0", signed_by=KEY, sequences=(102,))
    assert decided(stale, fresh, policy=PUBLISHER_GROUP, sequence=101).offer.release.version == "1.1.0"


def test_release_below_the_confirmed_security_version_is_not_offered():
    decision = decided(release(security_version=1), security_version=2)
    assert decision.offer is None
    assert "below 2" in reasons(decision)["1.1.0"]


def test_device_on_the_highest_release_is_told_so():
    assert decided(RELEASE, version="1.1.0").reason == "the device runs 1.1.0, the highest release"


def test_application_without_releases_is_told_so():
    assert decided().reason == "its application has no releases"


@pytest.mark.parametrize(("last", "now_s", "expected"), [(0, 100, 100), (100, 100, 101), (200, 100, 201)])
def test_sequence_is_the_time_and_higher_than_the_last(last, now_s, expected):
    assert next_sequence(last, now_s) == expected


HELD = dataclasses.replace(SERVER_GROUP, target=7)


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"version": "0.9.0"},
        {"strategy": "suspended"},
        {"strategy": "targeted"},
        {"upgradable_from": ()},
        {"version": "1.0.0+other"},
    ],
)
def test_group_that_is_held_at_a_release_is_offered_it_whatever_its_order_or_rollout(other):
    target = release(**{"version": "1.1.0", "id": 7} | other)
    decision = decided(target, release("2.0.0"), policy=HELD)
    assert decision.offer.release is target
    assert reasons(decision)["2.0.0"] == f"the group is held at exactly {target.version}"
    assert decision.reason == f"the group is held at exactly {target.version}: offered"


def test_device_on_the_version_that_its_group_is_held_at_gets_nothing():
    decision = decided(release("1.0.0", id=7), release("2.0.0"), policy=HELD)
    assert decision.offer is None
    assert decision.reason == "the group is held at exactly 1.0.0: the device runs this version"


def test_device_whose_version_is_none_of_semver_is_brought_to_what_its_group_is_held_at():
    assert decided(release(id=7), policy=HELD, version="factory").offer is not None


def test_older_release_that_the_group_is_held_at_is_signed_anew():
    offer = decided(release("0.9.0", id=7, sequences=(40,)), policy=HELD).offer
    assert (offer.sequence, offer.sign_anew) == (201, True)


@pytest.mark.parametrize(
    ("other", "device", "reason"),
    [
        ({"chip": 9}, {}, "for the ESP32-S3"),
        ({"size_bytes": 1001}, {}, "do not fit"),
        ({"signed_by": KEY}, {}, "a publisher signed it"),
        ({"sequences": (100,)}, {"failed": frozenset((100,))}, "it failed on this device"),
        ({"security_version": 1}, {"security_version": 2}, "is below 2"),
        ({"file": None, "waits_for_file": True}, {}, "it waits for its file"),
    ],
)
def test_held_release_that_the_device_can_not_take_is_not_offered_and_says_why(other, device, reason):
    decision = decided(release(**{"id": 7} | other), policy=HELD, **device)
    assert decision.offer is None
    assert reason in decision.reason


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"waits_for_file": True}, "it waits for its file"),
        ({"specification": b"1", "waits_for_file": True}, "it waits for its file"),
        ({"specification": b"1", "lost_file": True}, "its file was deleted; it waits for another"),
        ({"lost_file": True}, "its file was deleted; it waits for another"),
        ({}, "it has neither a file nor a specification"),
    ],
)
def test_release_that_waits_reaches_nobody(other, reason):
    decision = decided(release(file=None, sequences=(), **other))
    assert decision.offer is None
    assert reasons(decision)["1.1.0"] == reason


def test_release_that_nobody_signed_yet_is_signed_when_it_is_offered():
    offer = decided(release(sequences=())).offer
    assert (offer.sequence, offer.sign_anew) == (201, True)


def test_specification_alone_is_for_every_chip_slot_and_security_version():
    alone = release(specification=b"{}", file=None)
    assert decided(alone, chip=9, slot_size_bytes=1, security_version=5).offer is not None


DATA = dataclasses.replace(FILE, chip=None)


@pytest.mark.parametrize(
    ("other", "kind", "specification"),
    [
        ({}, 0, None),
        ({"specification": b"[1]"}, 2, b"[1]"),
        ({"specification": b"[1]", "waits_for_file": True}, 2, b"[1]"),
        ({"specification": b"[1]", "file": None}, 1, b"[1]"),
        ({"file": DATA}, 1, b"{}"),
        ({"file": DATA, "specification": b'{"a":1}'}, 1, b'{"a":1}'),
    ],
)
def test_what_devices_get_of_a_release_is_what_its_manifest_vouches_for(other, kind, specification):
    made = release(**other)
    manifest = made.manifest("kettle", 5)
    assert (manifest.kind, made.sent_specification) == (kind, specification)
    assert manifest.specification_sha256 == (hashlib.sha256(specification).digest() if specification else b"")
    assert (manifest.chip, manifest.size_bytes) == ((0xFFFF, 0) if kind == 1 else (0, 1000))


@pytest.mark.parametrize(
    ("other", "linked"),
    [
        ({}, False),
        ({"specification": b"[1]"}, False),
        ({"specification": b"{}"}, True),
        ({"specification": b" {}"}, True),
        ({"file": DATA}, True),
        ({"specification": b"{}", "file": None}, False),
    ],
)
def test_file_is_linked_where_the_specification_has_a_place_for_it(other, linked):
    assert (release(**other).linked_file is not None) == linked
