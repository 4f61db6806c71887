"""What an upload through IoTaaP's route means for the boards of its group, and for all others."""

import base64
import signal
import time

import pytest

from twinslot_host.domain.manifest import decode

from .group_ota import offered_version, otas, upload
from .samples import make_image, make_manifest, sign

IMAGE = make_image(size=5000)


def test_device_that_runs_the_version_is_offered_nothing_and_the_others_are(server):
    group = server.group()
    upload(server, group, "1.1.0", IMAGE)
    assert offered_version(server.board(group, "board-1"), version="1.1.0") is None
    assert offered_version(server.board(group, "board-2"), version="1.0.0") == "1.1.0"
    assert offered_version(server.board(group, "board-3"), version="2.0.0") == "1.1.0"


def test_another_group_of_the_same_application_is_not_touched(server):
    group, other = server.group(), server.group()
    upload(server, group, "1.1.0", IMAGE)
    assert offered_version(server.board(other, "board-2")) is None
    assert offered_version(server.board(group, "board-1")) == "1.1.0"


def test_group_is_held_until_its_target_is_ended(server):
    group = server.group()
    board = server.board(group)
    upload(server, group, "1.1.0", IMAGE)
    server.publish(make_image(b"general"), "1.3.0")
    assert server.api("GET", f"/groups/{group['id']}").json["target"] == "1.1.0"
    assert offered_version(board) == "1.1.0"
    assert server.api("PATCH", f"/groups/{group['id']}", {"target": None}).json["target"] is None
    assert offered_version(board) == "1.3.0"


def test_older_version_is_offered_with_a_newer_sequence_than_the_confirmed_one(server):
    group = server.group()
    board = server.board(group)
    upload(server, group, "2.0.0", IMAGE)
    newer = decode(base64.b64decode(board.offer()["manifest"]))
    board.report("confirmed", "2.0.0", newer.sequence)
    upload(server, group, "1.5.0", make_image(b"older"))
    offer = board.offer(version="2.0.0", confirmed_version="2.0.0", sequence=newer.sequence)
    older = decode(base64.b64decode(offer["manifest"]))
    assert (older.version, older.sequence > newer.sequence) == ("1.5.0", True)


def test_same_version_with_other_content_replaces_it(server):
    group = server.group()
    upload(server, group, "1.1.0", IMAGE)
    other = make_image(b"other")
    assert upload(server, group, "1.1.0", other).status == 201
    assert server.request("GET", server.board(group).offer()["image"]).body == other
    assert len(otas(server)) == 1


def general(server, _: dict) -> None:
    assert server.api("PATCH", "/applications/kettle/releases/1.1.0", {"strategy": "general"}).status == 200


def held_elsewhere(server, other: dict) -> None:
    assert server.api("PATCH", f"/groups/{other['id']}", {"target": "1.1.0"}).status == 200


@pytest.mark.parametrize("reaches_others", [general, held_elsewhere])
def test_version_that_another_group_can_get_is_400_with_other_content_and_stays(server, reaches_others):
    group, other = server.group(), server.group()
    upload(server, group, "1.1.0", IMAGE)
    reaches_others(server, other)
    before = otas(server)
    answer = upload(server, group, "1.1.0", make_image(b"other"))
    expected = {"message": "kettle 1.1.0 exists with another content; choose another version"}
    assert (answer.status, answer.json, otas(server)) == (400, expected, before)
    assert server.request("GET", server.board(other).offer()["image"]).body == IMAGE
    assert upload(server, group, "1.1.0", IMAGE).status == 201


def test_same_upload_again_is_201_and_changes_nothing_for_the_boards(server):
    group = server.group()
    board = server.board(group)
    upload(server, group, "1.1.0", IMAGE)
    first = board.offer()
    assert upload(server, group, "1.1.0", IMAGE).status == 201
    assert board.offer()["manifest"] == first["manifest"]


def test_version_that_failed_is_offered_again_once_its_content_is_another(server):
    group = server.group()
    board = server.board(group)
    upload(server, group, "1.1.0", IMAGE)
    failed = decode(base64.b64decode(board.offer()["manifest"]))
    board.report("rolled_back", "1.1.0", failed.sequence, "crash")
    assert board.offer() is None
    repaired = make_image(b"repaired")
    assert upload(server, group, "1.1.0", repaired).status == 201
    assert server.request("GET", board.offer()["image"]).body == repaired


def test_version_that_a_publisher_signed_is_400_and_stays(server, publisher):
    group, _ = server.group(), server.group(key=publisher)
    signed = sign(publisher, make_manifest(IMAGE, int(time.time())))
    release = server.publish(IMAGE, "1.1.0", **signed).json
    answer = upload(server, group, "1.1.0", make_image(b"other"))
    assert (answer.status, "publisher" in answer.json["message"]) == (400, True)
    assert server.api("GET", "/applications/kettle").json["releases"] == [release]
    assert otas(server) == []


def test_boards_of_another_group_do_not_decide_whether_an_image_fits(server):
    group, other = server.group(), server.group()
    server.board(other, "board-1", slot_size=70_000).check()
    server.board(other, "board-2", chip=9).check()
    board = server.board(group, "board-3")
    board.check()
    assert upload(server, group, "1.1.0", make_image(size=80_000)).status == 201
    assert offered_version(board) == "1.1.0"


def test_replacing_what_a_board_installs_is_400_and_the_board_goes_on(server):
    group = server.group()
    board = server.board(group)
    upload(server, group, "1.1.0", IMAGE)
    first = board.offer()
    answer = upload(server, group, "1.1.0", make_image(b"other"))
    assert (answer.status, answer.json.keys()) == (400, {"message"})
    assert board.offer()["manifest"] == first["manifest"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_restart_right_after_the_answer_loses_nothing(start, number):
    server = start()
    group = server.group()
    upload(server, group, "1.1.0", IMAGE)
    before = otas(server)
    server.stop(number)
    again = start()
    assert otas(again) == before
    offer = again.board(group).offer()
    assert again.request("GET", offer["image"]).body == IMAGE
