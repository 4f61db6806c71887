"""POST /v1/ota/group, as IoTaaP's clients know it, and every answer to the letter; then what both routes answer."""

import itertools
import sqlite3
from contextlib import closing

import pytest

from twinslot_host.config import SCOPES

from . import group_ota
from .group_ota import PATH, change, fields, file, give_away, nothing_is_left, offered_version, otas, post, text, upload
from .samples import make_image
from .test_image import BAD

IMAGE = make_image(size=5000)
FREE_MODEL = "Group OTA update is not available in free model. Please upgrade your account."


# POST: a new update


def test_upload_is_answered_with_201_and_offered_to_the_group(server):
    group = server.group()
    answer = upload(server, group, "1.1.0", IMAGE)
    assert (answer.status, answer.json) == (201, {"message": "Firmware successfully deployed"})
    assert answer.headers["Content-Type"].startswith("application/json")
    board = server.board(group)
    assert offered_version(board) == "1.1.0"
    assert server.request("GET", board.offer()["image"]).body == IMAGE


@pytest.mark.parametrize("order", list(itertools.permutations(("firmware", "group", "token", "version"))))
def test_parts_may_come_in_any_order(shared, order):
    group = shared.group(app="".join(name[0] for name in order))
    image = make_image(group["app"].encode())
    form = fields(group, "1.1.0", image)
    assert post(shared, [form[name] for name in order]).status == 201
    assert offered_version(shared.board(group, f"board-{group['app']}")) == "1.1.0"


def test_first_check_that_fails_is_the_answer(server):
    group = server.group()
    form: dict[str, tuple[bytes, bytes]] = {}

    def answer_with(name: str, part: tuple[bytes, bytes]) -> tuple[int, str]:
        form[name] = part
        answer = post(server, form.values())
        assert answer.json.keys() == {"message"}
        return answer.status, answer.json["message"]

    change(server, "UPDATE accounts SET group_ota = 0")
    assert answer_with("firmware", text("firmware", b"no file")) == (400, "group is a mandatory field")
    assert answer_with("group", text("group", b"no id")) == (400, "token is a mandatory field")
    assert answer_with("token", text("token", b"no token")) == (400, "version is a mandatory field")
    assert answer_with("version", text("version", b"no version")) == (400, "Group ID is not valid")
    assert answer_with("group", text("group", b"0" * 24)) == (400, "No file uploaded")
    assert answer_with("firmware", file(b"no image")) == (403, FREE_MODEL)
    change(server, "UPDATE accounts SET group_ota = 1")
    assert answer_with("firmware", file(b"no image")) == (404, "No such group")
    assert answer_with("group", text("group", group["id"].encode())) == (403, "Group token is not valid")
    told = answer_with("token", text("token", group["token"].encode()))
    assert told == (400, "version: 'no version' is not a semver 2.0.0 version such as 1.2.0")
    status, message = answer_with("version", text("version", b"1.1.0"))
    assert (status, "this is not an ESP32 app image" in message) == (400, True)
    assert nothing_is_left(server)
    assert answer_with("firmware", file(IMAGE)) == (201, "Firmware successfully deployed")


@pytest.mark.parametrize("name", ["group", "token", "version"])
def test_field_that_is_missing_or_empty_is_named(shared, name):
    form = fields(shared.group(), "1.1.0", IMAGE)
    without = post(shared, [part for each, part in form.items() if each != name])
    empty = post(shared, (form | {name: text(name, b"")}).values())
    for answer in (without, empty):
        assert (answer.status, answer.json) == (400, {"message": f"{name} is a mandatory field"})


@pytest.mark.parametrize(
    "group",
    [b"x", b"0" * 23, b"0" * 25, b"g" * 24, b" " + b"0" * 24, b"0" * 24 + b"\n", "\u0660".encode() * 24, bytes(24)],
)
def test_group_id_of_another_form_is_refused(shared, group):
    form = fields(shared.group(), "1.1.0", IMAGE) | {"group": text("group", group)}
    answer = post(shared, form.values())
    assert (answer.status, answer.json) == (400, {"message": "Group ID is not valid"})


def test_group_id_in_upper_case_is_the_same_group(server):
    group = server.group()
    form = fields(group, "1.1.0", IMAGE) | {"group": text("group", group["id"].upper().encode())}
    assert post(server, form.values()).status == 201
    assert [each["group"] for each in otas(server)] == [group["id"]]


@pytest.mark.parametrize("firmware", [None, text("firmware", IMAGE), file(b""), file(b"", ""), file(IMAGE, "")])
def test_firmware_that_is_no_file_or_an_empty_one_is_refused(shared, firmware):
    form = fields(shared.group(), "1.1.0", IMAGE)
    parts = [form[name] for name in ("group", "token", "version")] + ([] if firmware is None else [firmware])
    answer = post(shared, parts)
    assert (answer.status, answer.json) == (400, {"message": "No file uploaded"})


def test_account_without_group_ota_is_403_and_may_look_at_its_list(server):
    group = server.group()
    upload(server, group, "1.1.0", IMAGE)
    change(server, "UPDATE accounts SET group_ota = 0")
    answer = upload(server, group, "1.2.0", make_image(b"two"))
    assert (answer.status, answer.json) == (403, {"message": FREE_MODEL})
    assert [each["version"] for each in otas(server)] == ["1.1.0"]


def test_group_that_is_not_there_is_404(shared):
    answer = upload(shared, shared.group() | {"id": "0" * 24}, "1.1.0", IMAGE)
    assert (answer.status, answer.json) == (404, {"message": "No such group"})


def test_group_of_another_account_is_404_and_its_boards_are_offered_nothing(server):
    group = server.group()
    give_away(server, group)
    answer = upload(server, group, "1.1.0", IMAGE)
    assert (answer.status, answer.json) == (404, {"message": "No such group"})
    assert server.board(group).offer() is None
    assert nothing_is_left(server)


def test_token_that_is_not_the_groups_is_403(server):
    group, other = server.group(), server.group()
    right = group["token"]
    wrong = [right[:-1], right + "x", right + "\n", right.swapcase(), " ", other["token"], "é", "\0", server.token()]
    for token in wrong:
        answer = upload(server, group | {"token": token}, "1.1.0", IMAGE)
        assert (answer.status, answer.json) == (403, {"message": "Group token is not valid"})
    assert nothing_is_left(server)


def test_revoked_token_is_403_and_each_valid_one_deploys(server):
    group = server.group()
    second = server.api("POST", f"/groups/{group['id']}/tokens").json
    for number, token in enumerate((group["token"], second["token"])):
        answer = upload(server, group | {"token": token}, f"1.1.{number}", make_image(bytes([number])))
        assert answer.status == 201
    tokens = server.api("GET", f"/groups/{group['id']}/tokens").json["items"]
    first = next(each["id"] for each in tokens if each["id"] != second["id"])
    server.api("DELETE", f"/groups/{group['id']}/tokens/{first}")
    assert upload(server, group, "1.2.0", IMAGE).json == {"message": "Group token is not valid"}
    assert [each["version"] for each in otas(server)] == ["1.1.1"]


def test_token_that_a_rotation_ended_is_403_and_the_new_one_deploys(server):
    group = server.group()
    rotated = server.api("POST", f"/groups/{group['id']}/tokens/rotate", {"grace_s": 0}).json
    assert upload(server, group, "1.1.0", IMAGE).json == {"message": "Group token is not valid"}
    assert nothing_is_left(server)
    assert upload(server, group | {"token": rotated["token"]}, "1.1.0", IMAGE).status == 201


def test_group_without_a_valid_token_is_403(server):
    group = server.group()
    (token,) = server.api("GET", f"/groups/{group['id']}/tokens").json["items"]
    server.api("DELETE", f"/groups/{group['id']}/tokens/{token['id']}")
    assert upload(server, group, "1.1.0", IMAGE).status == 403


@pytest.mark.parametrize("version", ["1", "1.1", "v1.1.0", "01.1.0", "1.1.0 ", "1.1.0-" + "a" * 64, "\u0661.1.0", "\0"])
def test_version_that_is_not_semver_is_400(shared, version):
    answer = upload(shared, shared.group(), version, IMAGE)
    assert (answer.status, "version: " in answer.json["message"]) == (400, True)
    assert "is not a semver 2.0.0 version" in answer.json["message"]


@pytest.mark.parametrize("name", [name for name in BAD if name != "empty"])
def test_bad_image_is_400_with_what_is_wrong(server, name):
    image, reason = BAD[name]
    group = server.group()
    answer = upload(server, group, "1.1.0", image)
    assert (answer.status, reason in answer.json["message"]) == (400, True)
    assert nothing_is_left(server)
    assert server.api("GET", "/applications/kettle").json["releases"] == []
    assert server.board(group).offer() is None


def test_image_for_another_chip_than_the_groups_is_400(server):
    group = server.group()
    server.board(group).check()
    answer = upload(server, group, "1.1.0", make_image(chip=9))
    assert answer.status == 400
    for part in ("ESP32-S3", "ESP32"):
        assert part in answer.json["message"]
    assert nothing_is_left(server)


def test_image_larger_than_a_slot_of_the_group_is_400(server):
    group = server.group()
    server.board(group, slot_size=70_000).check()
    answer = upload(server, group, "1.1.0", make_image(size=80_000))
    assert (answer.status, "70000 bytes" in answer.json["message"]) == (400, True)
    assert nothing_is_left(server)


def test_group_that_trusts_its_publisher_alone_is_400(server, publisher):
    group = server.group(key=publisher)
    answer = upload(server, group, "1.1.0", IMAGE)
    assert (answer.status, "publisher" in answer.json["message"]) == (400, True)
    assert nothing_is_left(server)


# Both


@pytest.mark.parametrize(("method", "scope"), [("GET", "group:ota:read"), ("POST", "group:ota:update")])
def test_call_needs_a_token_with_its_scope(shared, method, scope):
    nobody = shared.request(method, PATH)
    assert (nobody.status, nobody.headers["WWW-Authenticate"], nobody.json.keys()) == (401, "Bearer", {"message"})
    assert shared.request(method, PATH, headers={"Authorization": "Bearer x"}).json.keys() == {"message"}
    token = shared.token([each for each in SCOPES if each != scope])
    lacking = shared.request(method, PATH, headers={"Authorization": f"Bearer {token}"})
    assert (lacking.status, lacking.json) == (403, {"message": f"the token lacks the scope {scope}"})
    allowed = shared.request(method, PATH, headers={"Authorization": f"Bearer {shared.token([scope])}"})
    assert allowed.status == (200 if method == "GET" else 400)


def test_other_methods_are_405(shared):
    answer = shared.request("DELETE", PATH, headers={"Authorization": f"Bearer {shared.token()}"})
    assert (answer.status, answer.json) == (405, {"message": "Method Not Allowed"})
    assert set(answer.headers["Allow"].split(",")) >= {"GET", "POST"}


def test_fault_of_the_server_is_told_in_the_described_form_and_tells_nothing_else(server):
    group = server.group()
    change(server, "ALTER TABLE group_updates RENAME TO lost")
    listed, deployed = group_ota.get(server), upload(server, group, "1.1.0", IMAGE)
    change(server, "ALTER TABLE lost RENAME TO group_updates")
    for answer, message in (
        (listed, "Error when getting group OTA's."),
        (deployed, "Error when uploading firmware file"),
    ):
        expected = {"message": message, "error": "the server has a fault; its log tells more"}
        assert (answer.status, answer.json) == (500, expected)
    assert nothing_is_left(server)
    assert server.board(group).offer() is None
    log = server.stop()
    assert "no such table: group_updates" in log
    assert group["token"] not in log


def test_full_disk_is_507_with_a_message_and_changes_nothing(start):
    server = start(file_size_limit=1_500_000)
    group = server.group()
    answer = upload(server, group, "1.1.0", make_image(size=2_000_000))
    assert (answer.status, answer.json.keys()) == (507, {"message"})
    assert "disk is full" in answer.json["message"]
    assert nothing_is_left(server)
    assert upload(server, group, "1.1.0", IMAGE).status == 201


def test_upload_is_in_the_audit_without_its_token(server):
    group = server.group()
    upload(server, group, "1.1.0", IMAGE)
    with closing(sqlite3.connect(server.data / "twinslot.db")) as db:
        lines = db.execute("SELECT actor, subject, detail FROM audit").fetchall()
    assert any(actor == "operator" and "1.1.0" in subject + detail for actor, subject, detail in lines)
    assert all(group["token"] not in detail for _, _, detail in lines)
