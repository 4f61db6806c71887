"""Images and bundles of one application: which comes first, and why."""

import dataclasses
import random

import pytest
from semver import Version

from twinslot_host.domain.manifest import Manifest
from twinslot_host.domain.release import BundleFacts, File, Release
from twinslot_host.domain.signature import fingerprint

from .test_rollout import KEY, PUBLISHER_GROUP, decided, reasons, release

SEED = 20261125
BUNDLE = File("bundle.tar.gz", "11" * 32, 5000, None, 0, BundleFacts("22" * 32, 51, 6, (1, 20, 0)))
KNOWS = {"mpy": 0x2B06, "micropython": (1, 26, 0)}


def bundle(version: str, **other) -> Release:
    return release(version, **{"file": BUNDLE} | other)


def way(*releases: Release, **device) -> list[str]:
    """The versions that a device is offered, one after the other, as it confirms each."""
    told, versions = KNOWS | {"version": "1.0.0", "sequence": 50} | device, []
    while (offer := decided(*releases, last=200, **told).offer) is not None:
        versions.append(offer.release.version)
        told |= {"version": offer.release.version, "sequence": offer.sequence}
    return versions


@pytest.mark.parametrize(
    ("runs", "other", "sequences", "lost"),
    [
        (release("2.0.0"), bundle("1.5.0"), (51,), True),
        (bundle("2.0.0"), release("1.5.0"), (51,), True),
        (release("2.0.0"), bundle("1.5.0"), (50,), False),
        (release("2.0.0"), bundle("1.5.0"), (50, 70), False),
        (release("2.0.0"), release("1.5.0"), (51,), False),
        (release("2.0.0"), bundle("2.5.0", upgradable_from=()), (51,), False),
        (release("2.0.0", file=None, specification=b"1"), bundle("1.5.0"), (51,), False),
    ],
)
def test_other_kind_that_was_signed_later_below_the_version_that_runs_says_what_to_do(runs, other, sequences, lost):
    late = dataclasses.replace(other, sequences=sequences)
    why = reasons(decided(runs, late, version="2.0.0", sequence=50, **KNOWS))[late.version]
    assert ("images and bundles share their versions: publish it above that" in why) == lost


@pytest.mark.parametrize(
    ("releases", "expected"),
    [
        ((release("1.1.0"), bundle("1.2.0")), ["1.1.0", "1.2.0"]),
        ((bundle("1.1.0"), release("1.2.0")), ["1.1.0", "1.2.0"]),
        ((bundle("1.1.0"), bundle("1.2.0"), release("1.3.0"), release("1.4.0")), ["1.2.0", "1.4.0"]),
        ((release("1.1.0"), bundle("1.2.0"), release("1.3.0")), ["1.2.0", "1.3.0"]),
        ((bundle("1.1.0"), bundle("1.2.0")), ["1.2.0"]),
        ((release("1.1.0"), release("1.2.0")), ["1.2.0"]),
        ((bundle("0.9.0"), release("1.2.0")), ["1.2.0"]),
        ((bundle("1.0.0"), release("1.2.0")), ["1.2.0"]),
        ((bundle("1.1.0", specification=b"1"), release("1.2.0", specification=b"2")), ["1.1.0", "1.2.0"]),
    ],
)
def test_neither_kind_is_jumped(releases, expected):
    assert way(*releases) == expected


def test_explanation_says_what_comes_first_and_why():
    decision = decided(release("2.0.0"), bundle("1.5.0"), bundle("1.4.0"), bundle("0.9.0"), release("1.8.0"), **KNOWS)
    assert decision.reason == "1.5.0 comes before 2.0.0, since that is an image, and 1.5.0 is a bundle"
    assert reasons(decision) == {
        "2.0.0": "1.5.0 comes first, since it is a bundle, and this is an image",
        "1.8.0": "1.5.0 is offered, which leads to 2.0.0",
        "1.5.0": "offered",
        "1.4.0": "1.5.0 is offered, which is higher",
        "0.9.0": "it is older than 1.0.0, which the device runs",
    }


def test_explanation_names_the_next_hop_to_what_comes_first():
    middle = release("1.1.0", upgradable_from=("1.0.0",))
    decision = decided(middle, release("1.5.0", upgradable_from=("1.1.0",)), bundle("2.0.0"), **KNOWS)
    assert decision.offer.release is middle
    assert decision.reason == (
        "1.1.0, the next hop from 1.0.0 to 1.5.0, comes before 2.0.0, since that is a bundle, and 1.5.0 is an image"
    )
    assert reasons(decision)["2.0.0"] == "1.5.0 comes first, since it is an image, and this is a bundle"


@pytest.mark.parametrize(
    ("lower", "device"),
    [
        ({"strategy": "suspended"}, {}),
        ({"sequences": (60,)}, {"failed": frozenset((60,))}),
        ({}, {"mpy": 5}),
        ({}, {"mpy": None}),
        ({"file": dataclasses.replace(BUNDLE, chip=9)}, {}),
        ({"upgradable_from": ("0.1.0",)}, {}),
    ],
)
def test_what_the_device_can_not_take_is_not_waited_for(lower, device):
    assert way(bundle("1.5.0", **lower), release("2.0.0"), **device)[0] == "2.0.0"


def highest_in_reach(releases: tuple[Release, ...]) -> str:
    """By trying every way that there is."""
    reached = {"1.0.0"}
    while (
        more := {
            each.version
            for each in releases
            for one in reached
            if Version.parse(each.version) > Version.parse(one)
            and (each.upgradable_from is None or one in each.upgradable_from)
        }
        - reached
    ):
        reached |= more
    return max(reached, key=Version.parse)


@pytest.mark.parametrize("constrained", [True, False])
def test_every_device_ends_at_the_highest_that_it_could_reach_and_has_had_the_highest_of_both_kinds(constrained):
    chance = random.Random(SEED)
    for number in range(400):
        versions = [f"1.{minor}.0" for minor in range(1, chance.randrange(2, 9))]
        named = {
            version: chance.sample(["1.0.0", *versions], 2) if constrained and chance.random() < 0.6 else None
            for version in versions
        }
        releases = tuple(chance.choice((bundle, release))(each, upgradable_from=named[each]) for each in versions)
        went = way(*releases)
        assert ["1.0.0", *went][-1] == highest_in_reach(releases), f"seed {SEED}, {number}"
        if not constrained:
            highest = {each.carried.kind_name: each.version for each in releases}
            assert went == sorted(highest.values()), f"seed {SEED}, {number}"


def test_board_with_one_slot_goes_from_bundle_to_bundle():
    assert way(bundle("1.5.0"), release("2.0.0"), bundle("2.1.0"), slot_size_bytes=0) == ["2.1.0"]


def test_lower_one_does_not_come_first_when_the_higher_would_be_out_of_reach_after_it():
    assert way(bundle("1.5.0"), release("2.0.0", upgradable_from=("1.0.0",))) == ["2.0.0"]
    assert way(bundle("1.5.0"), release("2.0.0", upgradable_from=("1.0.0", "1.5.0"))) == ["1.5.0", "2.0.0"]


@pytest.mark.parametrize(("sequence", "expected"), [(110, "2.0.0"), (90, "1.5.0")])
def test_lower_one_does_not_come_first_when_the_higher_was_signed_before_it(sequence, expected):
    signed = {"signed_by": KEY}
    releases = bundle("1.5.0", sequences=(sequence,), **signed), release("2.0.0", sequences=(100,), **signed)
    assert decided(*releases, policy=PUBLISHER_GROUP, **KNOWS).offer.release.version == expected


def test_specification_alone_that_is_the_highest_comes_at_once():
    assert way(bundle("1.5.0"), release("2.0.0"), release("3.0.0", file=None, specification=b"1")) == ["3.0.0"]


def test_change_of_keys_comes_before_both_kinds():
    old, new = b"\x80" + bytes(382) + b"\1", b"\x81" + bytes(382) + b"\1"
    one, two = fingerprint(old), fingerprint(new)
    change = Manifest("kettle", "1.1.0", 60, 0, 0, 1000, bytes(32), added=(new,))
    policy = dataclasses.replace(PUBLISHER_GROUP, trusted=frozenset((one, two)))
    releases = (
        release("1.1.0", signed_by=one, sequences=(60,), key_change=change),
        bundle("1.5.0", signed_by=one, sequences=(70,)),
        release("2.0.0", signed_by=one, sequences=(80,)),
    )
    decision = decided(*releases, policy=policy, trusted=frozenset((one,)), **KNOWS)
    assert decision.offer.release.version == "1.1.0"
    assert reasons(decision)["1.5.0"] == "1.1.0 changes the keys that the device trusts, and comes first"
    after = {"version": "1.1.0", "sequence": 60, "trusted": frozenset((one, two))}
    assert decided(*releases, policy=policy, **after, **KNOWS).offer.release.version == "1.5.0"


def test_group_that_is_held_at_a_release_is_offered_that_alone():
    policy = dataclasses.replace(PUBLISHER_GROUP, trusted=frozenset(("server",)), target=7)
    decision = decided(release("2.0.0", id=7), bundle("1.5.0"), policy=policy, **KNOWS)
    assert decision.offer.release.version == "2.0.0"
