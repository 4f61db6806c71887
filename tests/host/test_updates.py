"""From publishing to a confirmed or failed update, as devices and people see it."""

import base64
import hashlib
import sqlite3
import struct
import time

import pytest

from twinslot_host.domain.signature import verified

from .samples import make_image, make_manifest, sign

IMAGE = make_image(size=5000)


def modulus(board) -> bytes:
    return base64.b64decode(board.keys().json["trusted"][0])


def test_new_device_is_offered_a_release_that_its_trusted_key_signed(server):
    group, before_s = server.group(), int(time.time())
    release = server.publish(IMAGE).json
    board = server.board(group)
    offer = board.offer()
    manifest = base64.b64decode(offer["manifest"])
    assert manifest == make_manifest(IMAGE, release["sequence"])
    assert verified(modulus(board), manifest, base64.b64decode(offer["signature"]))
    assert server.request("GET", offer["image"]).body == IMAGE
    assert before_s <= release["sequence"] <= time.time()
    assert (release["sha256"], release["size"]) == (hashlib.sha256(IMAGE).hexdigest(), len(IMAGE))
    assert (release["signed_by"], release["security_version"], release["chip"]) == ("server", 0, 0)


def test_confirmed_device_is_offered_nothing_more_and_its_page_tells(server):
    board = server.board(server.group())
    sequence = server.publish(IMAGE).json["sequence"]
    board.offer()
    for event in ("downloading", "trial", "confirmed"):
        assert board.report(event, "1.1.0", sequence).status == 204
    shown = server.api("GET", "/devices/board-1").json
    assert (shown["version"], shown["confirmed_version"], shown["sequence"]) == ("1.1.0", "1.1.0", sequence)
    assert shown["last_result"] == shown["events"][0]
    assert [each["event"] for each in shown["events"]] == ["confirmed", "trial", "downloading", "first_seen"]
    assert board.offer(version="1.1.0", confirmed_version="1.1.0", sequence=sequence) is None
    assert server.api("GET", "/devices/board-1/explain").json["offer"] is None


def test_rolled_back_release_is_not_offered_again_but_the_next_is(server):
    board = server.board(server.group())
    sequence = server.publish(IMAGE).json["sequence"]
    assert board.offer() is not None
    assert board.report("rolled_back", "1.1.0", sequence, "crash").status == 204
    assert board.offer() is None
    explained = server.api("GET", "/devices/board-1/explain").json
    assert "failed on this device" in explained["releases"][0]["reason"]
    server.publish(IMAGE, "1.1.1")
    assert board.offer() is not None
    assert server.api("GET", "/devices/board-1").json["last_result"]["reason"] == "crash"


def test_refusal_without_a_trusted_sequence_blocks_no_release(server):
    board = server.board(server.group())
    server.publish(IMAGE)
    board.report("refused", "1.1.0", 0, "signature")
    assert board.offer() is not None


def test_failed_download_is_offered_again(server):
    board = server.board(server.group())
    sequence = server.publish(IMAGE).json["sequence"]
    board.report("failed", "1.1.0", sequence, "connection lost")
    assert board.offer() is not None


def test_report_of_the_same_id_is_kept_once(server):
    board = server.board(server.group())
    for reason in ("first", "second"):
        assert board.report("deferred", "1.1.0", 7, reason, name="r1").status == 204
    assert [each["reason"] for each in server.api("GET", "/devices/board-1").json["events"]] == ["first"]


def test_report_that_is_repeated_late_does_not_undo_what_came_since(server):
    board = server.board(server.group())
    board.report("confirmed", "1.1.0", 7, name="r1")
    board.check(version="1.0.0", confirmed_version="1.0.0", sequence=0)
    assert board.report("confirmed", "1.1.0", 7, name="r1").status == 204
    shown = server.api("GET", "/devices/board-1").json
    assert (shown["version"], shown["confirmed_version"], shown["sequence"]) == ("1.0.0", "1.0.0", 0)


def test_version_published_late_is_signed_anew_for_a_device_beyond_its_sequence(server):
    board = server.board(server.group())
    late = server.publish(IMAGE, "1.2.0").json["sequence"]
    beyond = late + 10
    manifest = base64.b64decode(board.offer(sequence=beyond)["manifest"])
    (sequence,) = struct.unpack_from("<I", manifest, 8)
    assert sequence == beyond + 1
    assert manifest == make_manifest(IMAGE, sequence, version="1.2.0")
    application = server.api("GET", "/applications/kettle").json
    assert application["last_sequence"] == application["releases"][0]["sequence"] == sequence
    again = base64.b64decode(board.offer()["manifest"])
    assert again == manifest
    board.report("rolled_back", "1.2.0", sequence, "crash")
    assert board.offer() is None


HIGHEST = 2**32 - 1


def last_sequence(server) -> int:
    return server.api("GET", "/applications/kettle").json["last_sequence"]


def set_last_sequence(server, sequence: int) -> None:
    with sqlite3.connect(server.data / "twinslot.db") as db:
        db.execute("UPDATE applications SET last_sequence = ?", (sequence,))
    db.close()


@pytest.mark.parametrize("event", ["check", "confirmed", "refused", "rolled_back"])
@pytest.mark.parametrize("ahead_s", [86_500, None])
def test_sequence_that_nobody_signed_brings_no_offer_and_moves_no_counter(server, event, ahead_s):
    claimed = HIGHEST if ahead_s is None else int(time.time()) + ahead_s
    board, other = server.board(server.group()), server.board(server.group("other"), "board-2")
    published = server.publish(IMAGE).json["sequence"]
    if event == "check":
        board.told["sequence"] = claimed
    else:
        board.check()
        assert board.report(event, "1.1.0", claimed, "crash").status == 204
        board.told["sequence"] = claimed if event == "confirmed" else 0
    assert board.check().status == 204
    reason = server.api("GET", "/devices/board-1/explain").json["reason"]
    assert "it claims a sequence that nobody signed" in reason
    assert last_sequence(server) == published
    assert other.offer() is not None
    assert server.publish(IMAGE, "1.2.0").status == 201


@pytest.mark.parametrize("ahead_s", [3600 + 60, 86400 + 60, None])
def test_device_at_the_end_of_the_counter_gets_nothing_signed_anew(server, ahead_s):
    board = server.board(server.group())
    server.publish(IMAGE)
    last = HIGHEST if ahead_s is None else int(time.time()) + ahead_s
    set_last_sequence(server, last)
    assert board.check(sequence=last).status == 204
    assert "an hour ahead of the clock" in server.api("GET", "/devices/board-1/explain").json["reason"]
    assert last_sequence(server) == last


@pytest.mark.parametrize("ahead_s", [86400 + 60, None])
def test_publishing_at_the_end_of_the_counter_is_refused(server, ahead_s):
    server.publish(IMAGE)
    last = HIGHEST if ahead_s is None else int(time.time()) + ahead_s
    set_last_sequence(server, last)
    answer = server.publish(IMAGE, "1.2.0")
    assert (answer.status, "a day ahead of the server's clock" in answer.detail) == (409, True)
    assert last_sequence(server) == last


def test_confirmation_never_goes_back(server):
    board = server.board(server.group())
    board.check(sequence=20, version="1.2.0", confirmed_version="1.2.0")
    assert board.report("confirmed", "1.1.0", 10).status == 204
    shown = server.api("GET", "/devices/board-1").json
    assert (shown["confirmed_version"], shown["sequence"], shown["events"][0]["version"]) == ("1.2.0", 20, "1.1.0")


def test_server_signs_the_security_version_of_the_image(server):
    board = server.board(server.group())
    image = make_image(size=5000, security=7)
    release = server.publish(image).json
    assert release["security_version"] == 7
    assert base64.b64decode(board.offer()["manifest"]) == make_manifest(image, release["sequence"], security=7)


def test_sequences_of_an_application_only_grow(server):
    versions = ["1.3.0", "1.1.0", "1.2.0"]
    sequences = [server.publish(IMAGE, version).json["sequence"] for version in versions]
    assert sequences == sorted(set(sequences))


def test_publisher_release_is_passed_on_as_it_was_signed(server, publisher):
    board = server.board(server.group(key=publisher))
    sequence = int(time.time())
    image = make_image(size=5000, security=3)
    fields = sign(publisher, make_manifest(image, sequence, security=3))
    release = server.publish(image, **fields).json
    offer = board.offer()
    assert {key: offer[key] for key in fields} == fields
    assert (release["sequence"], release["security_version"]) == (sequence, 3)
    assert len(release["signed_by"]) == 64
    assert verified(modulus(board), base64.b64decode(offer["manifest"]), base64.b64decode(offer["signature"]))


def test_group_of_a_publisher_is_not_offered_what_the_server_signed(server, publisher):
    server.group("a")
    board = server.board(server.group("b", key=publisher))
    server.publish(IMAGE)
    assert board.offer() is None
    assert "trusts only its publisher's key" in server.api("GET", "/devices/board-1/explain").json["reason"]


def test_device_in_a_trial_is_offered_nothing(server):
    board = server.board(server.group())
    server.publish(IMAGE)
    assert board.offer(state="trial") is None


def test_changed_version_is_in_the_history(server):
    board = server.board(server.group())
    board.check()
    board.check()
    board.check(version="1.0.1")
    events = server.api("GET", "/devices/board-1").json["events"]
    assert [(each["event"], each["version"], each["reason"]) for each in events] == [
        ("version_changed", "1.0.1", "was 1.0.0"),
        ("first_seen", "1.0.0", ""),
    ]


def test_keys_register_a_device_that_has_told_nothing_yet(server):
    group = server.group()
    answer = server.board(group).keys()
    assert answer.json | {"trusted": len(answer.json["trusted"])} == {
        "app": "kettle",
        "poll": 30,
        "trust": "server",
        "trusted": 1,
        "last_seen_at": None,
        "version": None,
    }
    shown = server.api("GET", "/devices").json
    assert shown["total"] == 1
    assert shown["items"][0]["version"] is None
    assert shown["items"][0]["last_seen_at"] is None
    assert "not checked in" in server.api("GET", "/devices/board-1/explain").json["reason"]


def test_metrics_count_what_happened(server):
    board = server.board(server.group())
    server.publish(IMAGE)
    board.offer()
    board.report("downloading", "1.1.0", 1)
    text = server.request("GET", "/metrics").body.decode()
    for line in (
        "twinslot_check_ins_total 1.0",
        "twinslot_offers_total 1.0",
        'twinslot_reports_total{event="downloading"} 1.0',
        "twinslot_uploads_total 1.0",
        "twinslot_devices_seen 1.0",
        'route="/api/v1/applications/{app}/releases",status="201"} 1.0',
    ):
        assert line in text
