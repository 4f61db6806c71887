"""The decision, case by case."""

import dataclasses

import pytest

from twinslot_host.domain.rollout import Decision, Device, Policy, Release, decide, next_sequence

KEY = "f" * 64
SERVER_GROUP, PUBLISHER_GROUP = Policy("kettle", frozenset(("server",))), Policy("kettle", frozenset((KEY,)))
DEVICE = Device("kettle", "1.0.0", 50, "idle", 0, 1000, frozenset())
RELEASE = Release(1, "1.1.0", "general", None, 0, 1000, 0, "server", (100,))


def release(version: str = "1.1.0", **other) -> Release:
    return dataclasses.replace(RELEASE, version=version, **other)


def decided(*releases: Release, policy: Policy = SERVER_GROUP, last: int = 200, now_s: int = 90, **device) -> Decision:
    return decide(dataclasses.replace(DEVICE, **device), policy, releases, last, now_s)


def reasons(decision: Decision) -> dict[str, str]:
    return {each.release.version: each.reason for each in decision.verdicts}


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        ({"version": None, "app": None}, "has not checked in"),
        ({"app": "toaster"}, "'toaster'"),
        ({"version": "one"}, "not a semver"),
        ({"state": "trial"}, "is trying 1.0.0"),
        ({"slot_size_bytes": 0}, "no second slot"),
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
    decision = decided(dataclasses.replace(RELEASE, **other))
    assert decision.offer is None
    assert [reason in each for each in reasons(decision).values()] == [True]


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
    confirmed = release("1.0.0", security_version=2, sequences=(50,))
    decision = decided(confirmed, release(security_version=1))
    assert decision.offer is None
    assert "below 2" in reasons(decision)["1.1.0"]


def test_device_on_the_highest_release_is_told_so():
    assert decided(RELEASE, version="1.1.0").reason == "the device runs 1.1.0, the highest release"


def test_application_without_releases_is_told_so():
    assert decided().reason == "its application has no releases"


@pytest.mark.parametrize(("last", "now_s", "expected"), [(0, 100, 100), (100, 100, 101), (200, 100, 201)])
def test_sequence_is_the_time_and_higher_than_the_last(last, now_s, expected):
    assert next_sequence(last, now_s) == expected
