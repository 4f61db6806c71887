"""What devices are offered of a release: its image, its specification, a link to its file."""

import base64
import struct

import pytest

from twinslot_host.domain.signature import verified

from .group_ota import upload
from .inside import clocked
from .kaa import Kaa, new_filter
from .samples import make_image, make_manifest, make_specified, sign
from .test_updates import modulus

IMAGE = make_image(size=5000)
BOIL = b'{"boil":90}'
ONE = "/applications/kettle/releases/1.1.0"


def manifest_of(offer: dict) -> bytes:
    return base64.b64decode(offer["manifest"])


def sequence_of(offer: dict) -> int:
    return struct.unpack_from("<I", manifest_of(offer), 8)[0]


def path_of(server, link: str) -> str:
    assert link.startswith(f"http://127.0.0.1:{server.port}/")
    return link.removeprefix(f"http://127.0.0.1:{server.port}")


def reason(server, version: str = "1.1.0", device: str = "board-1") -> str:
    verdicts = server.api("GET", f"/devices/{device}/explain").json["releases"]
    return next(each["reason"] for each in verdicts if each["version"] == version)


def test_specification_alone_is_offered_with_its_bytes_and_nothing_to_fetch(server):
    board = server.board(server.group())
    sequence = server.publish(None, specification=BOIL).json["sequence"]
    offer = board.offer()
    assert offer.keys() == {"manifest", "signature", "specification"}
    assert (manifest_of(offer), base64.b64decode(offer["specification"])) == (
        make_specified(None, BOIL, sequence),
        BOIL,
    )
    assert verified(modulus(board), manifest_of(offer), base64.b64decode(offer["signature"]))


def test_image_with_a_specification_is_offered_with_both_and_a_link_to_the_file(server):
    board = server.board(server.group())
    sequence = server.publish(IMAGE, specification=BOIL).json["sequence"]
    offer = board.offer()
    assert manifest_of(offer) == make_specified(IMAGE, BOIL, sequence)
    assert base64.b64decode(offer["specification"]) == BOIL
    for path in (offer["image"], path_of(server, offer["link"])):
        assert server.request("GET", path).body == IMAGE


def test_publisher_specification_is_passed_on_to_the_byte(server, publisher):
    board = server.board(server.group(key=publisher))
    sent = b'{ "boil" : 90 }'
    fields = sign(publisher, make_specified(None, sent, 1000))
    server.publish(None, specification=sent, **fields)
    offer = board.offer()
    assert {name: offer[name] for name in fields} == fields
    assert base64.b64decode(offer["specification"]) == sent


def test_image_alone_is_offered_as_ever(server):
    board = server.board(server.group())
    server.publish(IMAGE)
    assert board.offer().keys() == {"manifest", "signature", "transfer", "image"}


def test_specification_that_is_no_object_comes_without_a_link(server):
    board = server.board(server.group())
    server.publish(IMAGE, specification=b"[1]")
    assert board.offer().keys() == {"manifest", "signature", "transfer", "image", "specification"}


@pytest.mark.parametrize(("given", "expected"), [({}, b"{}"), ({"specification": {"boil": 90}}, BOIL)])
def test_file_that_is_no_image_is_linked_from_the_specification(server, given, expected):
    board, kaa = server.board(server.group()), Kaa(server, "kettle")
    kaa.post("1.1.0", skipDispatchingToEndpoint=True, **given)
    kaa.upload("1.1.0", b"table of temperatures")
    offer = board.offer()
    assert offer.keys() == {"manifest", "signature", "specification", "link"}
    assert manifest_of(offer) == make_specified(None, expected, sequence_of(offer))
    assert base64.b64decode(offer["specification"]) == expected
    assert server.request("GET", path_of(server, offer["link"])).body == b"table of temperatures"


def test_largest_offer_fits_what_a_device_reads(server):
    app, specification = "é" * 32, b'{"a":"' + b"b" * 2040 + b'"}'
    board = server.board(server.group(app=app))
    version = "1.1.0-" + "x" * 58
    assert server.publish(IMAGE, version, "%C3%A9" * 32, specification=specification).status == 201
    assert len(board.check().body) < 8192


def test_release_is_signed_when_it_is_first_offered_and_for_all_at_once(server):
    group, kaa = server.group(), Kaa(server, "kettle")
    kaa.post("1.1.0", specification={"boil": 90})
    assert server.api("GET", ONE).json["sequence"] is None
    first = server.board(group).offer()
    shown = server.api("GET", ONE).json
    assert shown["sequence"] == sequence_of(first)
    assert server.board(group, "board-2").offer() == first
    assert server.api("GET", ONE).json == shown


def test_release_is_not_signed_for_a_device_that_does_not_get_it(server):
    board, kaa = server.board(server.group()), Kaa(server, "kettle")
    kaa.post("1.1.0", specification={"boil": 90}, rolloutStrategy="suspended")
    assert board.offer() is None
    assert server.api("GET", ONE).json["sequence"] is None
    assert server.api("GET", "/applications/kettle").json["last_sequence"] == 0


def test_other_content_is_signed_anew_and_what_failed_under_the_old_does_not_count(server):
    board, kaa = server.board(server.group()), Kaa(server, "kettle")
    kaa.post("1.1.0")
    kaa.upload("1.1.0", IMAGE)
    old = board.offer()
    board.report("rolled_back", "1.1.0", sequence_of(old), "crash")
    assert board.offer() is None
    other = make_image(b"repaired", size=5000)
    assert kaa.upload("1.1.0", other).status == 204
    assert server.api("GET", ONE).json["sequence"] is None
    new = board.offer()
    assert sequence_of(new) > sequence_of(old)
    assert manifest_of(new) == make_manifest(other, sequence_of(new))


def test_same_content_under_another_name_keeps_its_signature_and_its_failures(server):
    board, kaa = server.board(server.group()), Kaa(server, "kettle")
    kaa.post("1.1.0")
    kaa.upload("1.1.0", IMAGE)
    sequence = sequence_of(board.offer())
    assert kaa.upload("1.1.0", IMAGE, "renamed.bin").status == 204
    shown = server.api("GET", ONE).json
    assert (shown["sequence"], shown["file"]) == (sequence, "renamed.bin")
    board.report("rolled_back", "1.1.0", sequence, "crash")
    assert board.offer() is None


def test_release_whose_file_was_deleted_waits_for_another_whatever_it_specifies(server):
    board, kaa = server.board(server.group()), Kaa(server, "kettle")
    kaa.post("1.1.0", specification={"boil": 90})
    kaa.upload("1.1.0", IMAGE)
    assert kaa.delete_file("1.1.0").status == 204
    assert board.offer() is None
    assert reason(server) == "its file was deleted; it waits for another"
    kaa.put("1.1.0")
    assert board.offer() is None
    kaa.upload("1.1.0", IMAGE)
    assert manifest_of(board.offer())[5] == 2


def test_release_that_a_publisher_signed_is_the_servers_once_its_file_is_another(server, publisher):
    server.group(key=publisher)
    board, kaa = server.board(server.group()), Kaa(server, "kettle")
    server.publish(IMAGE, **sign(publisher, make_manifest(IMAGE, 1000)))
    assert board.offer() is None
    assert kaa.upload("1.1.0", make_image(b"other")).status == 204
    assert server.api("GET", ONE).json["signed_by"] == "server"
    assert board.offer() is not None


def test_release_that_a_publisher_signed_keeps_its_signature_when_no_device_would_take_another(server, publisher):
    board, kaa = server.board(server.group(key=publisher)), Kaa(server, "kettle")
    before = server.publish(IMAGE, **sign(publisher, make_manifest(IMAGE, 1000))).json
    answer = kaa.upload("1.1.0", make_image(b"other"))
    assert (answer.status, "--key" in answer.json["message"]) == (400, True)
    assert server.api("GET", ONE).json == before
    assert board.offer() is not None


def test_group_that_trusts_its_publisher_alone_is_not_held_at_an_upload_though_another_trusts_the_server(
    server, publisher
):
    server.group()
    strict = server.group(key=publisher)
    answer = upload(server, strict, "1.1.0", IMAGE)
    assert (answer.status, "trusts only its publisher's key" in answer.json["message"]) == (400, True)
    assert server.api("GET", f"/groups/{strict['id']}").json["target"] is None
    assert server.api("GET", ONE).status == 404


def test_security_version_of_the_confirmed_image_counts_after_a_specification(server):
    board = server.board(server.group())
    server.publish(make_image(security=2), "1.1.0")
    image = sequence_of(board.offer())
    board.report("confirmed", "1.1.0", image)
    board.check(version="1.1.0", confirmed_version="1.1.0", sequence=image)
    server.publish(None, "1.2.0", specification=BOIL)
    alone = sequence_of(board.offer())
    board.report("confirmed", "1.2.0", alone)
    server.publish(make_image(security=1), "1.3.0")
    assert board.offer(version="1.2.0", confirmed_version="1.2.0", sequence=alone) is None
    assert "its security version 1 is below 2" in reason(server, "1.3.0")


def test_security_version_of_the_confirmed_image_counts_after_its_release_is_deleted(server):
    board = server.board(server.group())
    server.publish(make_image(security=2), "1.1.0")
    image = sequence_of(board.offer())
    server.publish(None, "1.2.0", specification=BOIL)
    alone = sequence_of(board.offer(version="1.1.0", confirmed_version="1.1.0", sequence=image))
    board.check(version="1.2.0", confirmed_version="1.2.0", sequence=alone)
    assert server.api("DELETE", ONE).status == 204
    server.publish(make_image(security=1), "1.3.0")
    assert board.offer() is None
    assert "its security version 1 is below 2" in reason(server, "1.3.0")


def test_security_version_is_that_of_the_image_confirmed_last(server):
    board = server.board(server.group())
    server.publish(make_image(security=1), "1.1.0")
    image = sequence_of(board.offer())
    board.report("confirmed", "1.1.0", image)
    server.publish(make_image(b"more", security=2), "1.2.0")
    board.report("confirmed", "1.2.0", sequence_of(board.offer(version="1.1.0", sequence=image)))
    board.report("confirmed", "1.1.0", image)  # late, so that it says nothing new
    server.publish(make_image(security=1), "1.3.0")
    assert "its security version 1 is below 2" in reason(server, "1.3.0")


def test_board_that_begins_anew_has_no_security_version_to_keep(server):
    board = server.board(server.group())
    server.publish(make_image(security=2), "1.1.0")
    board.check(version="1.1.0", confirmed_version="1.1.0", sequence=sequence_of(board.offer()))
    server.publish(make_image(security=1), "1.2.0")
    assert board.offer() is None
    offer = board.offer(version="1.0.0", confirmed_version="1.0.0", sequence=0)
    assert struct.unpack_from("<I", manifest_of(offer), 12)[0] == 1


def test_targeted_release_goes_out_when_its_date_has_come(data):
    with clocked(data) as server:
        board = server.board(server.group())
        aims = [{"filter": new_filter(server), "rollout_at": "2100-01-01T00:00:00Z"}]
        assert server.publish(IMAGE, strategy="targeted", filters=aims).status == 201
        assert board.offer() is None
        assert "not before 2100-01-01T00:00:00.000Z" in reason(server)
        server.clock.now_s = 4_102_444_800 - 1
        assert board.offer() is None
        server.clock.now_s += 1
        assert board.offer() is not None


def test_device_that_was_provisioned_again_proves_itself_with_its_new_groups_token_alone(server):
    old, new = server.group("old"), server.group("new")
    board = server.board(old)
    board.check()
    assert server.api("PATCH", "/devices/board-1", {"group": new["id"]}).status == 200
    assert board.check().status == 204
    again = server.board(new)
    assert again.check().status == 204
    assert server.api("GET", "/devices/board-1").json["enrolled_group"] == new["id"]
    assert board.check().status == 409
    assert again.check().status == 204


def test_device_of_another_group_does_not_get_in_with_its_own_groups_token(server):
    kitchen, cellar = server.group("kitchen"), server.group("cellar")
    server.board(kitchen).check()
    assert server.board(cellar).check().status == 409
    assert server.api("GET", "/devices/board-1").json["group"] == kitchen["id"]
