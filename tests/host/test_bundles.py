"""Bundles on a server: published, offered to boards that know them, and fetched."""

import base64
import gzip
import hashlib
import json
import signal
import sqlite3
import struct
from contextlib import closing

import pytest

from .bundles import FILES, KNOWS, ONE_SLOT, listed, make_bundle, make_bundle_manifest, member, packed, unpacked
from .clients import Board, Server, until
from .deltas import NEW, OLD, came, made, outcomes, running, sha256
from .group_ota import upload
from .kaa import Kaa
from .samples import make_image, sign
from .scene import left, rows
from .socketxp import change
from .test_offers import manifest_of, reason, sequence_of
from .test_uploads import nothing_is_left

BUNDLE, IMAGE = make_bundle(), make_image(size=5000)
BOIL = b'{"boil":90}'
ONE = "/applications/kettle/releases/1.1.0"
LIST_SHA256 = hashlib.sha256(listed(FILES)).hexdigest()


def carried(server: Server, offer: dict) -> tuple[bytes, list[bytes]]:
    """The list and the files that come out of what the offer's transfer holds."""
    return unpacked(server.request("GET", offer["transfer"]).body)


def confirmed(board: Board, offer: dict, version: str) -> None:
    """The board runs what it was offered."""
    assert board.report("confirmed", version, sequence_of(offer)).status == 204
    board.told |= {"version": version, "confirmed_version": version, "sequence": sequence_of(offer)}


def test_bundle_is_published_signed_and_shown(server):
    server.group()
    answer = server.publish(make_bundle(chip=9, mpy=0x2B06, micropython="1.26.0", security_version=3))
    assert answer.status == 201
    shown = answer.json
    listing = {"sha256": LIST_SHA256, "size": len(listed(FILES)), "mpy": 0x2B06, "micropython": "1.26.0"}
    assert (shown["bundle"], shown["chip"], shown["security_version"]) == (listing, 9, 3)
    assert shown["file"] == "bundle.tar.gz"
    assert server.api("GET", ONE).json == shown


def test_bundle_for_any_board_says_so(server):
    server.group()
    shown = server.publish(make_bundle(mpy=0)).json
    assert (shown["chip"], shown["bundle"]["mpy"], shown["bundle"]["micropython"]) == (None, 0, None)


@pytest.mark.parametrize("told", [KNOWS, ONE_SLOT])
def test_bundle_is_offered_with_its_transfer_and_neither_image_nor_link(server, told):
    board = server.board(server.group(), **told)
    sequence = server.publish(BUNDLE).json["sequence"]
    offer = board.offer()
    assert offer.keys() == {"manifest", "signature", "transfer"}
    assert manifest_of(offer) == make_bundle_manifest(FILES, sequence)
    assert carried(server, offer) == (listed(FILES), list(FILES.values()))


def test_bundle_with_a_specification_is_offered_with_both(server):
    board = server.board(server.group(), **KNOWS)
    told = {"chip": 0, "security_version": 7, "mpy": 0x2B06, "micropython": "1.26.0"}
    sequence = server.publish(make_bundle(**told), specification=BOIL).json["sequence"]
    offer = board.offer()
    assert offer.keys() == {"manifest", "signature", "transfer", "specification"}
    named = {"chip": 0, "security": 7, "mpy": 0x2B06, "micropython": (1, 26, 0)}
    assert manifest_of(offer) == make_bundle_manifest(FILES, sequence, BOIL, **named)
    assert base64.b64decode(offer["specification"]) == BOIL


def test_transfer_of_a_bundle_is_explained_and_there_is_no_delta_of_it(server):
    board = server.board(server.group(), **KNOWS)
    server.publish(BUNDLE)
    confirmed(board, board.offer(), "1.1.0")
    board.told["bundle"] = LIST_SHA256
    server.publish(make_bundle(FILES | {"app/kettle.py": b"LITRES = 1.8\n"}), "1.2.0")
    offer = board.offer()
    shown = server.api("GET", "/devices/board-1/explain").json["offer"]["transfer"]
    assert shown == {
        "sha256": hashlib.sha256(server.request("GET", offer["transfer"]).body).hexdigest(),
        "size": len(server.request("GET", offer["transfer"]).body),
        "base": None,
    }
    assert {row["base"] for row in rows(server.data)["transfers"]} == {""}
    assert server.api("GET", "/devices/board-1").json["bundle"] == LIST_SHA256


def test_publisher_bundle_is_passed_on_to_the_byte(server, publisher):
    board = server.board(server.group(key=publisher), **KNOWS)
    fields = sign(publisher, make_bundle_manifest(FILES, 1000, BOIL))
    answer = server.publish(BUNDLE, specification=BOIL, **fields)
    assert answer.status == 201, answer.body
    assert {name: board.offer()[name] for name in fields} == fields


@pytest.mark.parametrize(
    ("named", "reason"),
    [
        ({"mpy": 7}, "its .mpy format is 7, and the upload's is 6"),
        ({"micropython": (1, 26, 0)}, "its MicroPython is 1.26.0, and the upload's is 0.0.0"),
        ({"chip": 0}, "its chip is 0"),
        ({"security": 1}, "its security version is 1"),
        ({"size": 17}, "its list's size is 17, and the upload's is "),
        ({"files": {"app.py": b""}}, "its list's size is 51"),
        ({"files": FILES | {"data/table.bin": bytes(3000)}}, "its list's SHA-256 is "),
        ({"specification": BOIL}, "its kind is a bundle and a specification, and the upload's is a bundle;"),
    ],
)
def test_manifest_that_does_not_fit_the_bundle_is_refused(shared, publisher, named, reason):
    shared.group(key=publisher)
    fields = sign(publisher, make_bundle_manifest(**{"files": FILES, "sequence": 1000} | named))
    answer = shared.publish(BUNDLE, **fields)
    assert (answer.status, reason in answer.detail) == (400, True), answer.detail
    assert nothing_is_left(shared)


def test_wrong_bundle_is_refused_with_the_reason_and_leaves_nothing(shared):
    answer = shared.publish(make_bundle({"boot.py": b""}))
    assert (answer.status, "no board takes 'boot.py'" in answer.detail) == (400, True)
    assert nothing_is_left(shared)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (packed([member("app.py", b"")]), "bundle: its tar begins with 'app.py', where bundle.json is to come first"),
        (gzip.compress(b"text", mtime=0), "bundle: it holds no tar"),
        (b"PK\3\4", "image: this is not an ESP32 app image"),
    ],
)
def test_upload_that_is_neither_image_nor_bundle_says_what_it_is_not(shared, content, reason):
    answer = shared.publish(content)
    assert (answer.status, reason in answer.detail) == (400, True), answer.detail
    assert nothing_is_left(shared)


def test_bundle_for_another_chip_than_all_devices_is_refused(server):
    server.board(server.group(), **KNOWS).check()
    answer = server.publish(make_bundle(chip=9))
    assert (answer.status, answer.detail.startswith("bundle: it is for the ESP32-S3")) == (400, True)
    assert nothing_is_left(server)


def test_bundle_has_no_slot_to_fit_into(server):
    group = server.group()
    server.board(group, slot_size=70_000).check()
    large = make_bundle({"noise": hashlib.shake_256(b"noise").digest(100_000)}, chip=0)
    assert server.publish(large).status == 201


def test_image_is_not_for_a_board_with_one_slot_and_specifications_and_bundles_are(server):
    board = server.board(server.group(), **ONE_SLOT)
    server.publish(IMAGE)
    assert board.offer() is None
    assert reason(server) == "this board's partition table has no second app slot"
    server.publish(None, "1.2.0", specification=BOIL)
    assert "specification" in board.offer()
    server.publish(BUNDLE, "1.3.0")
    assert manifest_of(board.offer())[5] == 8


@pytest.mark.parametrize("told", [{}, {"mpy": 6}, {"micropython": "1.26.0"}, {"mpy": None, "micropython": None}])
def test_board_that_does_not_know_bundles_gets_none(server, told):
    board = server.board(server.group(), **told)
    server.publish(BUNDLE)
    assert board.offer() is None
    assert reason(server) == "the device's own package is too old for bundles"


@pytest.mark.parametrize(
    ("told", "board", "expected"),
    [
        ({"mpy": 5}, {}, "its .mpy files are of the format 5.0 bytecode, and the device loads 6.3 xtensawin"),
        ({"mpy": 0x2F06}, {}, "its .mpy files are of the format 6.3 rv32imc, and the device loads 6.3 xtensawin"),
        ({"micropython": "1.27.0"}, {}, "it needs MicroPython 1.27.0, and the device has 1.26.0"),
        ({"chip": 5}, {"chip": 9}, "it is for the ESP32-C3, and the device is an ESP32-S3"),
    ],
)
def test_bundle_that_the_board_can_not_run_is_not_offered_and_says_why(server, told, board, expected):
    server.publish(make_bundle(**told))
    told_by_it = KNOWS | board
    assert server.board(server.group(), **told_by_it).offer() is None
    assert reason(server) == expected


def test_security_version_of_a_bundle_is_a_floor_for_what_follows(server):
    board = server.board(server.group(), **KNOWS)
    server.publish(make_bundle(security_version=3))
    confirmed(board, board.offer(), "1.1.0")
    server.publish(IMAGE, "1.2.0")
    assert board.offer() is None
    assert reason(server, "1.2.0") == "its security version 0 is below 3, which is confirmed"


def test_bundle_that_failed_is_not_offered_again(server):
    board = server.board(server.group(), **KNOWS)
    server.publish(BUNDLE)
    offer = board.offer()
    assert board.report("rolled_back", "1.1.0", sequence_of(offer), "boot.py").status == 204
    assert board.offer() is None
    assert server.api("GET", "/devices/board-1").json["last_result"]["reason"] == "boot.py"


def test_what_a_board_tells_of_bundles_is_shown_and_its_old_word_does_not_stay(server):
    board = server.board(server.group())
    for told, shown in (
        ({"mpy": 65535, "micropython": "255.0.19", "bundle": LIST_SHA256}, [65535, "255.0.19", LIST_SHA256]),
        ({"mpy": 0, "micropython": "1.26.0", "bundle": None}, [0, "1.26.0", None]),
    ):
        board.check(**told)
        device = server.api("GET", "/devices/board-1").json
        assert [device[name] for name in ("mpy", "micropython", "bundle")] == shown
    for name in ("mpy", "micropython", "bundle"):
        del board.told[name]
    board.check()
    device = server.api("GET", "/devices").json["items"][0]
    assert [device[name] for name in ("mpy", "micropython", "bundle")] == [None, None, None]


@pytest.mark.parametrize(
    "told",
    [
        {"mpy": 65536},
        {"mpy": -1},
        {"mpy": "6"},
        {"micropython": "1.26"},
        {"micropython": "1.26.0-preview"},
        {"micropython": "1.26.256"},
        {"micropython": 1.26},
        {"bundle": "0" * 63},
        {"bundle": "A" * 64},
    ],
)
def test_check_in_that_tells_what_can_not_be_is_refused(shared, told):
    answer = shared.board(shared.group()).check(**told)
    assert (answer.status, answer.detail.startswith(next(iter(told)))) == (400, True)


def test_bundle_and_image_of_one_application_are_offered_one_after_the_other(server):
    board = server.board(server.group(), **KNOWS)
    server.publish(IMAGE, "2.0.0")
    server.publish(BUNDLE, "1.5.0")
    offer = board.offer()
    assert manifest_of(offer)[5] == 8
    explained = server.api("GET", "/devices/board-1/explain").json
    assert explained["reason"] == "1.5.0 comes before 2.0.0, since that is an image, and 1.5.0 is a bundle"
    assert reason(server, "2.0.0") == "1.5.0 comes first, since it is a bundle, and this is an image"
    confirmed(board, offer, "1.5.0")
    assert manifest_of(board.offer())[5] == 0


def test_bundle_for_kaa_is_recognized_and_needs_no_place_for_a_link(server):
    board, kaa = server.board(server.group(), **KNOWS), Kaa(server, "kettle")
    kaa.post("1.1.0", skipDispatchingToEndpoint=True, specification=[1])
    kaa.upload("1.1.0", BUNDLE, "kettle.tar.gz")
    offer = board.offer()
    assert offer.keys() == {"manifest", "signature", "transfer", "specification"}
    assert manifest_of(offer) == make_bundle_manifest(FILES, sequence_of(offer), b"[1]")
    assert carried(server, offer) == (listed(FILES), list(FILES.values()))
    assert server.api("GET", ONE).json["file"] == "kettle.tar.gz"


def test_wrong_bundle_for_kaa_is_no_data_file(server):
    kaa = Kaa(server, "kettle")
    server.group()
    kaa.post("1.1.0", skipDispatchingToEndpoint=True)
    answer = kaa.upload("1.1.0", make_bundle({"main.py": b""}))
    assert answer.status == 400
    assert left(server.data) == []


@pytest.mark.parametrize(
    ("damaged", "said"),
    [
        (BUNDLE[:100], "its gzip ends early"),
        (BUNDLE[:60] + bytes([BUNDLE[60] ^ 1]) + BUNDLE[61:], "its gzip is damaged"),
    ],
)
def test_damaged_bundle_for_kaa_is_no_data_file(server, damaged, said):
    kaa = Kaa(server, "kettle")
    server.group()
    kaa.post("1.1.0", skipDispatchingToEndpoint=True)
    answer = kaa.upload("1.1.0", damaged)
    assert (answer.status, said in answer.body.decode()) == (400, True), answer.body
    assert left(server.data) == []


def test_whole_gzip_of_something_else_is_a_data_file_for_kaa(server):
    kaa = Kaa(server, "kettle")
    server.group()
    kaa.post("1.1.0", skipDispatchingToEndpoint=True)
    assert kaa.upload("1.1.0", packed([member("table.csv", b"1,2\n")]), "table.tar.gz").status == 204
    assert (server.api("GET", ONE).json["file"], server.api("GET", ONE).json["bundle"]) == ("table.tar.gz", None)


def test_bundle_for_a_group_update_is_what_the_group_is_held_at(server):
    group = server.group()
    board = server.board(group, **ONE_SLOT)
    board.check()
    assert upload(server, group, "1.1.0", BUNDLE).status == 201
    assert manifest_of(board.offer())[5] == 8


def test_file_and_transfer_go_with_the_release(server):
    server.group()
    server.publish(BUNDLE, strategy="suspended")
    assert len(rows(server.data)["transfers"]) == 1
    assert server.api("DELETE", ONE).status == 204
    assert (left(server.data), rows(server.data)["transfers"]) == ([], [])


def test_bundle_in_the_place_of_an_image_has_a_transfer_of_its_own(server):
    board, kaa = server.board(server.group(), **KNOWS), Kaa(server, "kettle")
    kaa.post("1.1.0", skipDispatchingToEndpoint=True, rolloutStrategy="suspended")
    for content in (IMAGE, BUNDLE, make_bundle(mpy=0), IMAGE):
        kaa.upload("1.1.0", content)
    assert [row["list_sha256"] for row in rows(server.data)["files"]] == [None]
    kaa.upload("1.1.0", BUNDLE)
    server.api("PATCH", ONE, {"strategy": "general"})
    assert carried(server, board.offer())[0] == listed(FILES)


def test_board_that_runs_an_image_with_a_delta_gets_a_bundle_as_any_other(server):
    group = server.group()
    server.publish(OLD)
    board = running(server, OLD, group)
    board.told |= KNOWS
    server.publish(BUNDLE, "1.2.0")
    offer = board.offer()
    assert carried(server, offer)[0] == listed(FILES)
    assert outcomes(server) == {}
    confirmed(board, offer, "1.2.0")
    assert rows(server.data)["devices"][0]["confirmed_image"] == sha256(OLD)
    server.publish(NEW, "1.3.0")
    board.check()
    came(server, {"made": 1})
    assert made(server) == {(sha256(NEW), sha256(OLD))}


def test_bundle_whose_transfer_is_lost_gets_it_anew(server, start):
    group = server.group()
    server.publish(BUNDLE)
    server.stop()
    change(server, "DELETE FROM transfers")
    again = start()
    until(lambda: rows(again.data)["transfers"])
    assert carried(again, again.board(group, **KNOWS).offer())[0] == listed(FILES)


def test_sigkill_right_after_an_acknowledged_bundle_loses_nothing(server, start):
    group = server.group()
    board = server.board(group, **KNOWS)
    shown = server.publish(BUNDLE).json
    server.stop(signal.SIGKILL)
    board.server = again = start()
    assert again.api("GET", ONE).json == shown
    offer = board.offer()
    assert manifest_of(offer) == make_bundle_manifest(FILES, shown["sequence"])
    assert carried(again, offer) == (listed(FILES), list(FILES.values()))


@pytest.mark.parametrize(
    ("column", "value"), [("list_sha256", "x"), ("list_size", 8193), ("mpy", 65536), ("micropython", "1.26")]
)
def test_database_takes_no_file_that_can_not_be(server, column, value):
    server.group()
    server.publish(BUNDLE)
    server.stop()
    with closing(sqlite3.connect(server.data / "twinslot.db")) as db, pytest.raises(sqlite3.IntegrityError):
        db.execute(f"UPDATE files SET {column} = ?", (value,))


def test_largest_offer_of_a_bundle_fits_what_a_device_reads(server):
    board = server.board(server.group(), **KNOWS)
    server.publish(BUNDLE, "1.1.0-" + "x" * 58, specification=json.dumps("a" * 2046).encode())
    body = board.check().body
    assert len(body) < 8192
    assert struct.unpack_from("<H", manifest_of(json.loads(body)["offer"]), 52 + 7 + 65)[0] == 2048
