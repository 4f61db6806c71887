"""Releases that change the keys which devices trust: what is published, and who is offered what meanwhile."""

import base64
import hashlib
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from .clients import public_pem
from .samples import make_specified, sign
from .test_publishing import BOIL

YET = "the device does not trust the key that signed it yet"
BROUGHT = "a release brought the key that signed it, and the device's own package is too old for that"
FIRST = "1.1.0 changes the keys that the device trusts, and comes first"


@pytest.fixture(scope="session")
def successor() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 3072)


def modulus(key) -> bytes:
    return key.public_key().public_numbers().n.to_bytes(384, "big")


def name(key) -> str:
    return hashlib.sha256(modulus(key)).hexdigest()


def changing(manifest: bytes, added: list[bytes], retired: list[bytes]) -> bytes:
    """The manifest, which changes the keys; `retired` are moduli too."""
    manifest = manifest[:5] + bytes([manifest[5] | 4]) + manifest[6:] + bytes([len(added)]) + b"".join(added)
    return manifest + bytes([len(retired)]) + b"".join(hashlib.sha256(each).digest() for each in retired)


class Kettles:
    """An application's releases, signed here; each sequence is one more than the last, from the time on."""

    def __init__(self, server) -> None:
        self.server, self.sequence = server, int(time.time()) - 1000

    def publish(self, key, version="1.1.0", added=None, retired=()):
        self.sequence += 1
        manifest = make_specified(None, BOIL, self.sequence, version=version)
        if added is not None:
            manifest = changing(
                manifest, [each if isinstance(each, bytes) else modulus(each) for each in added], retired
            )
        return self.server.publish(None, version, specification=BOIL, **sign(key, manifest))

    def keys(self, group) -> list[str]:
        return self.server.api("GET", f"/groups/{group['id']}").json["keys"]


@pytest.fixture
def kettles(server) -> Kettles:
    return Kettles(server)


def version_of(offer) -> str | None:
    """The version in an offer's manifest, after the application `kettle`."""
    return None if offer is None else base64.b64decode(offer["manifest"])[60:65].decode()


def reasons_of(server, device: str) -> dict[str, str]:
    explained = server.api("GET", f"/devices/{device}/explain").json
    return {each["version"]: each["reason"] for each in explained["releases"]}


def test_group_that_trusts_the_signer_trusts_what_is_added_and_nothing_new_by_what_is_retired(
    server, kettles, publisher, successor
):
    group = server.group(key=publisher)
    stranger = server.group(key=rsa.generate_private_key(65537, 3072))
    before = kettles.keys(stranger)
    assert kettles.publish(publisher, added=[successor], retired=[modulus(publisher)]).status == 201
    assert (kettles.keys(group), kettles.keys(stranger)) == ([name(successor)], before)
    assert server.board(group, "new").keys().json["trusted"] == [base64.b64encode(modulus(successor)).decode()]
    refused = kettles.publish(publisher, "1.2.0")
    assert (refused.status, "a retired key signs nothing new" in refused.detail) == (400, True)
    assert kettles.publish(successor, "1.2.0").status == 201
    lines = server.api("GET", f"/audit?subject=group:{group['id']}").json["items"]
    told = {"added": [name(successor)], "retired": [name(publisher)]}
    assert [each["detail"] for each in lines if each["action"] == "group.keys"] == [told]


def test_device_gets_the_release_that_changes_its_keys_before_those_that_need_them(
    server, kettles, publisher, successor
):
    group = server.group(key=publisher)
    kettles.publish(publisher, added=[successor], retired=[modulus(publisher)])
    kettles.publish(successor, "1.2.0")
    laggard, mute = server.board(group, "laggard", trusted=[name(publisher)]), server.board(group, "mute")
    assert version_of(laggard.offer()) == "1.1.0"
    explained = server.api("GET", "/devices/laggard/explain").json
    assert {each["version"]: each["reason"] for each in explained["releases"]} == {"1.2.0": YET, "1.1.0": "offered"}
    assert server.api("GET", "/devices/laggard").json["trusted"] == [name(publisher)]
    rotated = {"trusted": [name(successor)], "version": "1.1.0", "confirmed_version": "1.1.0"}
    assert version_of(laggard.offer(**rotated, sequence=kettles.sequence - 1)) == "1.2.0"
    assert mute.offer() is None
    reasons = [each["reason"] for each in server.api("GET", "/devices/mute/explain").json["releases"]]
    assert reasons == [BROUGHT, "it changes keys, and the device's own package is too old for that"]


def confirm(board, offer, *keys) -> None:
    """The board has confirmed what it was offered, and trusts those keys."""
    sequence = int.from_bytes(base64.b64decode(offer["manifest"])[8:12], "little")
    version, trusted = version_of(offer), [name(key) for key in keys]
    board.report("confirmed", version, sequence)
    board.check(version=version, confirmed_version=version, sequence=sequence, trusted=trusted)


def test_device_that_was_away_makes_each_change_of_keys_before_what_comes_later(server, kettles, publisher, successor):
    group = server.group(key=publisher)
    kettles.publish(publisher, "1.1.0", added=[successor])
    kettles.publish(publisher, "1.2.0")
    away = server.board(group, "away", trusted=[name(publisher)])
    assert version_of(away.offer()) == "1.1.0"
    assert reasons_of(server, "away") == {"1.2.0": FIRST, "1.1.0": "offered"}
    kettles.publish(successor, "1.3.0", added=[], retired=[modulus(publisher)])
    kettles.publish(successor, "1.4.0")
    assert reasons_of(server, "away") == {"1.4.0": YET, "1.3.0": YET, "1.2.0": FIRST, "1.1.0": "offered"}
    confirm(away, away.offer(), publisher, successor)
    assert version_of(away.offer()) == "1.3.0"
    confirm(away, away.offer(), successor)
    assert version_of(away.offer()) == "1.4.0"


def test_change_that_failed_on_a_device_reaches_it_by_a_release_that_repeats_it(server, kettles, publisher, successor):
    group = server.group(key=publisher)
    kettles.publish(publisher, "1.1.0", added=[successor])
    board = server.board(group, "unlucky", trusted=[name(publisher)])
    assert version_of(board.offer()) == "1.1.0"
    board.report("rolled_back", "1.1.0", kettles.sequence, "crash")
    assert kettles.publish(publisher, "1.2.0", added=[successor]).status == 201
    assert kettles.publish(publisher, "1.3.0").status == 201
    assert version_of(board.offer()) == "1.2.0"
    assert kettles.keys(group) == sorted([name(publisher), name(successor)])


def test_release_of_which_the_group_does_not_know_the_added_key_is_not_offered(server, kettles, publisher, successor):
    server.group(key=publisher)
    kettles.publish(publisher, "1.1.0", added=[successor], retired=[modulus(publisher)])
    late = server.group(key=publisher)
    board = server.board(late, "late", trusted=[name(publisher)])
    assert board.offer() is None
    strange = "it adds a key that the device's group, which was made later, does not trust"
    assert reasons_of(server, "late") == {"1.1.0": strange}


def test_device_that_does_not_tell_its_keys_is_not_offered_others(server, kettles, publisher, successor):
    group = server.group(key=publisher)
    kettles.publish(publisher, added=[successor])
    board = server.board(group, "old")
    assert board.offer() is None
    reasons = [each["reason"] for each in server.api("GET", "/devices/old/explain").json["releases"]]
    assert reasons == ["it changes keys, and the device's own package is too old for that"]
    kettles.publish(publisher, "1.2.0")
    assert version_of(board.offer()) == "1.2.0"


def test_device_that_has_lost_its_keys_is_offered_nothing_and_why_is_told(server, kettles, publisher):
    group = server.group(key=publisher)
    kettles.publish(publisher)
    board = server.board(group, "lost", trusted=[])
    assert board.offer() is None
    (release,) = server.api("GET", "/devices/lost/explain").json["releases"]
    assert release["reason"] == "the device trusts no key any more; provision it again"


def test_device_that_trusts_the_servers_key_gets_what_the_server_signed(server):
    group = server.group()
    server.publish(None, specification=BOIL)
    own = hashlib.sha256(base64.b64decode(server.board(group).keys().json["trusted"][0])).hexdigest()
    assert server.board(group, "knows", trusted=[own]).offer() is not None
    assert server.board(group, "other", trusted=["0" * 64]).offer() is None


def test_release_by_a_retired_key_goes_to_those_that_trust_it_unless_it_was_published_later(
    server, kettles, publisher, successor
):
    early = server.group(key=publisher)
    kettles.publish(publisher, "1.1.0")
    kettles.publish(publisher, "1.2.0", added=[successor], retired=[modulus(publisher)])
    late = server.group(key=publisher)
    assert kettles.publish(publisher, "1.3.0").status == 201
    trusting = {"trusted": [name(publisher)]}
    assert version_of(server.board(early, "early", **trusting).offer()) == "1.2.0"
    assert version_of(server.board(late, "late", **trusting).offer()) == "1.3.0"
    reasons = {each["version"]: each["reason"] for each in server.api("GET", "/devices/early/explain").json["releases"]}
    assert reasons["1.3.0"] == "the key that signed it was retired before"


def test_retired_key_that_is_added_again_signs_again(server, kettles, publisher, successor):
    group = server.group(key=publisher)
    kettles.publish(publisher, added=[successor], retired=[modulus(publisher)])
    assert kettles.publish(successor, "1.2.0", added=[publisher]).status == 201
    assert kettles.keys(group) == sorted([name(publisher), name(successor)])
    assert kettles.publish(publisher, "1.3.0").status == 201


def some_keys(count: int) -> list[bytes]:
    return [b"\x80" + bytes([number]) * 382 + b"\x01" for number in range(count)]


@pytest.mark.parametrize(
    ("added", "retires_itself", "reason"),
    [
        ([], True, "would trust 0 keys, and they keep 1 to 4"),
        (some_keys(3), False, "would trust 5 keys"),
        ([b"\x7f" + bytes(382) + b"\x01"], False, "no modulus of 3072 bits"),
        ([b"\x80" + bytes(383)], False, "no modulus of 3072 bits"),
    ],
)
def test_change_that_devices_would_refuse_is_not_published(server, kettles, publisher, added, retires_itself, reason):
    keys = [public_pem(key) for key in (publisher, *((rsa.generate_private_key(65537, 3072),) * (not retires_itself)))]
    body = {"name": "strict", "app": "kettle", "trust": "publisher", "keys": keys}
    group = server.api("POST", "/groups", body).json
    before = kettles.keys(group)
    answer = kettles.publish(publisher, added=added, retired=[modulus(publisher)] if retires_itself else [])
    assert (answer.status, reason in answer.detail, kettles.keys(group)) == (400, True, before)
    assert server.api("GET", "/applications/kettle").json["releases"] == []


def test_key_that_is_added_and_retired_at_once_is_refused(server, kettles, publisher, successor):
    server.group(key=publisher)
    answer = kettles.publish(publisher, added=[successor], retired=[modulus(successor)])
    assert (answer.status, "adds and retires" in answer.detail) == (400, True)


def test_group_has_no_more_keys_than_a_device_keeps_so_that_each_can_be_replaced(server, kettles, successor):
    keys = [rsa.generate_private_key(65537, 3072) for _ in range(4)]
    body = {"name": "full", "app": "kettle", "trust": "publisher", "keys": [public_pem(key) for key in keys]}
    crowd = body | {"name": "crowd", "keys": [*body["keys"], public_pem(successor)]}
    assert server.api("POST", "/groups", crowd).status == 400
    group = server.api("POST", "/groups", body).json
    assert kettles.publish(keys[1], added=[successor], retired=[modulus(keys[0])]).status == 201
    assert kettles.keys(group) == sorted(name(key) for key in (*keys[1:], successor))


@pytest.mark.parametrize("trusted", ["", ["0" * 63], ["G" * 64], ["0" * 64] * 9, [None]])
def test_check_in_with_what_are_no_fingerprints_is_refused(board, trusted):
    assert board.check(trusted=trusted).status == 400
