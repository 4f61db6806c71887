"""GET /v1/ota/group, as IoTaaP's clients know it, and every answer to the letter."""

import re
import socket
import sqlite3
from contextlib import closing

import pytest

from twinslot_host.config import SOUGHT_LIMIT

from . import group_ota
from .group_ota import give_away, otas, upload
from .samples import make_image

IMAGE = make_image(size=5000)


def test_list_without_updates_is_empty(server):
    server.group()
    answer = group_ota.get(server)
    assert (answer.status, answer.json) == (200, {"otas": [], "recordsTotal": 0, "recordsFiltered": 0})
    assert answer.headers["Content-Type"].startswith("application/json")


def test_list_shows_the_last_update_of_each_group_the_newest_first(server):
    group, other = server.group(), server.group()
    server.group()
    for number, each in enumerate((group, other, group)):
        assert upload(server, each, f"1.2.{number}", make_image(bytes([number]))).status == 201
    answer = group_ota.get(server, draw="warp")
    assert answer.json.keys() == {"otas", "recordsTotal", "recordsFiltered", "draw"}
    assert (answer.json["recordsTotal"], answer.json["recordsFiltered"], answer.json["draw"]) == (2, 2, "warp")
    newest, older = answer.json["otas"]
    assert (newest["group"], newest["version"]) == (group["id"], "1.2.2")
    assert (older["group"], older["version"]) == (other["id"], "1.2.1")
    assert newest["last_updated"] >= older["last_updated"]


def test_item_has_the_described_fields_in_their_forms(server):
    group = server.group()
    upload(server, group, "1.2.7", IMAGE)
    (item,) = otas(server)
    assert item.keys() == {"_id", "group", "__v", "last_updated", "owner", "path", "version"}
    with closing(sqlite3.connect(server.data / "twinslot.db")) as db:
        (account,) = db.execute("SELECT id FROM accounts").fetchone()
    assert (item["group"], item["__v"], item["owner"], item["version"]) == (group["id"], 0, account, "1.2.7")
    assert re.fullmatch("[0-9a-f]{24}", item["_id"])
    assert re.fullmatch(rf"ota/group/{group['id']}[A-Za-z0-9]{{16}}/firmware\.bin", item["path"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", item["last_updated"])


def test_updates_of_another_account_are_not_listed(server):
    group, other = server.group(), server.group(app="toaster")
    upload(server, group, "1.1.0", IMAGE)
    upload(server, other, "1.1.0", make_image(b"other"))
    give_away(server, group)
    answer = group_ota.get(server).json
    assert ([each["group"] for each in answer["otas"]], answer["recordsTotal"]) == ([other["id"]], 1)


@pytest.fixture(scope="module")
def three(shared) -> list[dict]:
    """Three updates on the shared server, in the order in which they were made; whatever else is there is older."""
    for number in range(3):
        assert upload(shared, shared.group(app="trio"), f"1.{number}.0", make_image(b"trio")).status == 201
    return otas(shared, limit=3)[::-1]


def test_order_dir_sorts_by_the_date_and_desc_is_the_default(shared, three):
    assert otas(shared, limit=3, order_dir="desc") == otas(shared, limit=3) == three[::-1]
    ascending = otas(shared, order_dir="asc", limit=1000)
    assert (ascending[-3:], ascending) == (three, otas(shared, limit=1000)[::-1])


def test_offset_and_limit_take_a_part_and_the_counts_stay(shared, three):
    whole = group_ota.get(shared, limit=1000).json
    for offset, limit in ((0, 1), (1, 1), (1, 2), (whole["recordsTotal"], 5)):
        part = group_ota.get(shared, offset=offset, limit=limit).json
        assert part["otas"] == whole["otas"][offset : offset + limit]
        assert (part["recordsTotal"], part["recordsFiltered"]) == (whole["recordsTotal"], whole["recordsTotal"])


def test_search_value_filters_on_the_path(shared, three):
    total = group_ota.get(shared).json["recordsTotal"]
    for search in (three[0]["path"], three[0]["group"], three[0]["path"][10:50]):
        answer = group_ota.get(shared, search_value=search).json
        assert (answer["otas"], answer["recordsTotal"], answer["recordsFiltered"]) == ([three[0]], total, 1)
    assert group_ota.get(shared, search_value="", limit=1).json["recordsFiltered"] == total
    assert group_ota.get(shared, search_value="ota/group/", limit=1).json["recordsFiltered"] == total


@pytest.mark.parametrize("search", ["%", "_", "ota%bin", "\\", "!", "1.0.0", "é", "'", "x" * SOUGHT_LIMIT])
def test_search_value_is_taken_literally(shared, three, search):
    answer = group_ota.get(shared, search_value=search)
    assert (answer.status, answer.json["otas"], answer.json["recordsFiltered"]) == (200, [], 0)
    assert answer.json["recordsTotal"] >= 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("offset", "-1"),
        ("offset", "one"),
        ("offset", ""),
        ("offset", "1.5"),
        ("offset", str(1 << 70)),
        ("limit", "0"),
        ("limit", "1001"),
        ("limit", "ten"),
        ("limit", "NaN"),
        ("search_value", "\0"),
        ("search_value", "ota\0"),
        ("search_value", "x" * 50_001),
        ("order_dir", "up"),
        ("order_dir", ""),
        ("order_dir", "ASC"),
    ],
)
def test_parameter_that_is_none_is_400_by_name(shared, name, value):
    answer = group_ota.get(shared, **{name: value})
    assert (answer.status, answer.json.keys()) == (400, {"message"})
    assert answer.json["message"].startswith(f"{name}: ")


def test_unknown_parameters_count_for_nothing(shared, three):
    assert group_ota.get(shared, _="1700000000", colour="red", limit=3).json["otas"] == three[::-1]


def test_unknown_parameter_twice_counts_for_nothing_and_a_known_one_is_400(shared, three):
    headers = {"Authorization": f"Bearer {shared.token()}"}
    ignored = shared.request("GET", f"{group_ota.PATH}?colour=red&colour=blue&limit=3", headers=headers)
    assert (ignored.status, ignored.json["otas"]) == (200, three[::-1])
    refused = shared.request("GET", f"{group_ota.PATH}?draw=1&draw=2", headers=headers)
    assert (refused.status, refused.json) == (400, {"message": "draw: it is given more than once"})


@pytest.mark.parametrize("draw", ["", "7", "<script>", "é", '"', "\0", "x" * 3000])
def test_draw_comes_back_as_it_was_sent(shared, draw):
    assert group_ota.get(shared, draw=draw).json["draw"] == draw


@pytest.mark.parametrize(
    "query", [b"draw=\xff", b"search_value=\xff", b"draw=%ff", b"draw=%ed%a0%80", b"search_value=%ed%a0%80"]
)
def test_query_that_is_not_utf_8_is_never_a_fault(shared, query):
    head = f" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {shared.token()}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", shared.port), timeout=30) as connection:
        connection.sendall(b"GET /v1/ota/group?" + query + head)
        assert re.fullmatch(b"HTTP/1.[01] [24]00", connection.recv(12))
