"""POST /otao/api/v1/applications/{appName}/software/{softwareVersion}: what a new version is made of, field by field;
an update takes the same ones."""

import json
from urllib.parse import urlsplit

import pytest

from twinslot_host.config import RELEASE_FILTERS_LIMIT

from .kaa import BASE, Kaa, message, new_filter

NEVER = "00000000-0000-4000-8000-000000000000"


def test_version_is_created_as_in_the_description_and_shown_as_it_was_given(kaa):
    first, second = new_filter(kaa.server), new_filter(kaa.server)
    body = {
        "specification": {"link": "ftp://software-repository"},
        "metadata": "Ubuntu 17.10",
        "upgradableFrom": ["1.0.0", "1.0.1"],
        "rolloutStrategy": "targeted",
        "filters": [
            {"filterId": first, "rolloutDate": "2019-04-20T11:19:57.848Z"},
            {"filterId": second, "rolloutDate": "2019-05-20T11:19:57Z"},
        ],
        "skipDispatchingToEndpoint": True,
    }
    answer = kaa.post("1.0.2", body)
    assert (answer.status, answer.body) == (201, b"")
    shown = kaa.get("1.0.2").json
    body["filters"][1]["rolloutDate"] = "2019-05-20T11:19:57.000Z"
    assert shown == {"appName": kaa.app, "version": "1.0.2"} | body


def test_creation_tells_the_address_of_the_version(kaa):
    kaa.app += "%20%C3%A9%3F"
    location = kaa.post("1.0.2+build.7").headers["Location"]
    assert location == f"http://127.0.0.1:{kaa.server.port}{BASE}/applications/{kaa.app}/software/1.0.2+build.7"
    shown = kaa.server.request("GET", urlsplit(location).path, headers=kaa.headers).json
    assert (shown["appName"][-3:], shown["version"]) == (" \u00e9?", "1.0.2+build.7")


def test_fields_that_were_not_given_are_not_shown_and_the_others_always_are(kaa):
    kaa.post("1.0.0", {"rolloutStrategy": "suspended"})
    assert kaa.get("1.0.0").json == {
        "appName": kaa.app,
        "version": "1.0.0",
        "rolloutStrategy": "suspended",
        "filters": [],
        "skipDispatchingToEndpoint": False,
    }


OPTIONAL = ("specification", "metadata", "upgradableFrom", "filters", "skipDispatchingToEndpoint")


def test_null_is_as_good_as_absent(kaa):
    known = new_filter(kaa.server)
    kaa.post("1.0.0", **dict.fromkeys(OPTIONAL))
    assert kaa.get("1.0.0").json.keys() == {
        *("appName", "version", "rolloutStrategy", "filters", "skipDispatchingToEndpoint")
    }
    assert "a file nor a specification" in waiting(kaa, "1.0.0")
    kaa.post("1.1.0", filters=[{"filterId": known, "rolloutDate": None}])
    assert kaa.get("1.1.0").json["filters"] == [{"filterId": known}]


def waiting(kaa: Kaa, version: str) -> str:
    """What a board is told of the version, and why it doesn't get it."""
    board = kaa.server.board(kaa.server.group(app=kaa.app), f"waits-{kaa.app}", version="0.9.0")
    assert board.offer() is None
    verdicts = kaa.server.api("GET", f"/devices/{board.device}/explain").json["releases"]
    return next(each["reason"] for each in verdicts if each["version"] == version)


VALUES = [
    True,
    False,
    0,
    -7,
    1.5,
    2**63 - 1,
    "",
    "Ubuntu \N{HOT BEVERAGE}",
    [],
    [1, [None]],
    {},
    {"a": {"b": [1]}},
]


@pytest.mark.parametrize("value", VALUES, ids=[json.dumps(value) for value in VALUES])
@pytest.mark.parametrize("field", ["specification", "metadata"])
def test_specification_and_metadata_are_any_json(kaa, field, value):
    assert kaa.post("1.0.0", **{field: value}).status == 201
    shown = kaa.get("1.0.0").json
    assert (field in shown, shown[field], type(shown[field])) == (True, value, type(value))


def of_size(size_bytes: int) -> str:
    return "x" * (size_bytes - 2)


@pytest.mark.parametrize(("field", "limit"), [("specification", 2048), ("metadata", 16 * 1024)])
def test_specification_and_metadata_have_a_limit(kaa, field, limit):
    assert kaa.post("1.0.0", **{field: of_size(limit)}).status == 201
    assert field in message(kaa.post("1.1.0", **{field: of_size(limit + 1)}), 400)
    assert message(kaa.get("1.1.0"), 404)


def test_spaces_of_a_specification_do_not_count(kaa):
    body = b'{"rolloutStrategy": "general", "specification": [' + b" " * 3000 + b"1,  2]}"
    assert kaa.post("1.0.0", body).status == 201
    assert kaa.get("1.0.0").json["specification"] == [1, 2]


@pytest.mark.parametrize(
    "value",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "[1e999]",
        "1" + "0" * 30,
        '"\\u0000"',
        '"\\ud800"',
        "[" * 40 + "]" * 40,
        "[" * 20000,
    ],
)
@pytest.mark.parametrize("field", ["specification", "metadata"])
def test_json_that_not_every_reader_takes_is_400(kaa, field, value):
    body = f'{{"rolloutStrategy": "general", "{field}": {value}}}'
    assert message(kaa.post("1.0.0", body.encode()), 400)
    assert message(kaa.all(), 404)


def test_version_that_exists_is_400_and_stays(kaa):
    kaa.post("1.0.0", metadata="first")
    assert "1.0.0" in message(kaa.post("1.0.0", metadata="second"), 400)
    assert kaa.get("1.0.0").json["metadata"] == "first"


WRONG = [
    ({}, "rolloutStrategy"),
    ({"rolloutStrategy": None}, "rolloutStrategy"),
    ({"rolloutStrategy": "everyone"}, "rolloutStrategy"),
    ({"rolloutStrategy": ["general"]}, "rolloutStrategy"),
    ({"rolloutStrategy": "general", "colour": 1}, "colour"),
    ({"rolloutStrategy": "general", "rollout_strategy": "general"}, "rollout_strategy"),
    ({"rolloutStrategy": "general", "appName": "kettle"}, "appName"),
    ({"rolloutStrategy": "general", "filename": "app.bin"}, "filename"),
    ({"rolloutStrategy": "general", "upgradableFrom": "1.0.0"}, "upgradableFrom"),
    ({"rolloutStrategy": "general", "upgradableFrom": [1]}, "upgradableFrom.0"),
    ({"rolloutStrategy": "general", "upgradableFrom": ["1.0.0", "1.x"]}, "upgradableFrom: '1.x'"),
    ({"rolloutStrategy": "general", "filters": {}}, "filters"),
    ({"rolloutStrategy": "general", "filters": [NEVER]}, "filters.0"),
    ({"rolloutStrategy": "general", "filters": [{}]}, "filters.0.filterId"),
    ({"rolloutStrategy": "general", "filters": [{"filterId": 1}]}, "filters.0.filterId"),
    ({"rolloutStrategy": "general", "filters": [{"filterId": NEVER}]}, NEVER),
    ({"rolloutStrategy": "general", "filters": [{"filterId": "\0"}]}, "filter"),
    ({"rolloutStrategy": "general", "filters": [{"filterId": NEVER, "date": ""}]}, "date"),
    ({"rolloutStrategy": "general", "filters": [{"filterId": NEVER, "rolloutDate": 1}]}, "filters.0.rolloutDate"),
    ({"rolloutStrategy": "general", "skipDispatchingToEndpoint": "true"}, "skipDispatchingToEndpoint"),
    ({"rolloutStrategy": "general", "skipDispatchingToEndpoint": 1}, "skipDispatchingToEndpoint"),
]


@pytest.mark.parametrize(("body", "named"), WRONG, ids=[json.dumps(body)[:80] for body, _ in WRONG])
def test_wrong_field_is_400_by_its_name_and_changes_nothing(kaa, body, named):
    assert named in message(kaa.post("1.0.0", body), 400)
    assert message(kaa.all(), 404)
    kaa.post("1.0.0", metadata="first")
    assert named in message(kaa.put("1.0.0", body), 400)
    assert kaa.get("1.0.0").json["metadata"] == "first"


def test_filter_that_is_given_twice_is_400(kaa):
    known = new_filter(kaa.server)
    filters = [{"filterId": known}, {"filterId": known, "rolloutDate": "2019-04-20T11:19:57Z"}]
    assert "filters.1" in message(kaa.post("1.0.0", filters=filters), 400)
    assert message(kaa.all(), 404)


def test_filters_over_their_limit_are_400(kaa):
    filters = [{"filterId": NEVER}] * (RELEASE_FILTERS_LIMIT + 1)
    for call in (kaa.post, kaa.put):
        assert message(call("1.0.0", filters=filters), 400).startswith("filters: ")
    assert message(kaa.all(), 404)
    assert "filters.0: there is no filter" in message(kaa.post("1.0.0", filters=filters[1:]), 400)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b'{"rolloutStrategy": "general"} x'])
def test_body_that_is_no_json_object_is_400(kaa, body):
    for answer in (kaa.post("1.0.0", body), kaa.put("1.0.0", body)):
        assert message(answer, 400)
    assert message(kaa.all(), 404)


def test_body_of_another_type_is_400(kaa):
    headers = {**kaa.headers, "Content-Type": "text/plain"}
    path = f"{BASE}/applications/{kaa.app}/software/1.0.0"
    assert message(kaa.server.request("POST", path, b'{"rolloutStrategy": "general"}', headers), 400)


def test_body_over_its_limit_is_413(kaa):
    assert message(kaa.post("1.0.0", metadata="x" * 70_000), 413)


@pytest.mark.parametrize("date", ["2019-04-20T11:19:57Z", "2019-04-20T11:19:57.848Z", "2024-02-29T00:00:00Z"])
def test_date_is_taken_with_and_without_milliseconds(kaa, date):
    kaa.post("1.0.0", filters=[{"filterId": new_filter(kaa.server), "rolloutDate": date}])
    expected = date if "." in date else date.replace("Z", ".000Z")
    assert kaa.get("1.0.0").json["filters"][0]["rolloutDate"] == expected


@pytest.mark.parametrize("date", ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"])
def test_date_of_any_year_comes_out_as_it_went_in(kaa, date):
    kaa.post("1.0.0", filters=[{"filterId": new_filter(kaa.server), "rolloutDate": date}])
    assert kaa.get("1.0.0").json["filters"][0]["rolloutDate"] == (date if "." in date else date.replace("Z", ".000Z"))


@pytest.mark.parametrize(
    "date",
    [
        *("", "now", "2019-04-20", "2019-04-20T11:19Z", "2019-04-20T11:19:57", "2019-04-20 11:19:57Z"),
        *("2019-04-20T11:19:57+00:00", "2019-04-20T11:19:57.8Z", "2019-04-20T11:19:57.848123Z", "20190420T111957Z"),
        *("2019-02-29T00:00:00Z", "2019-13-01T00:00:00Z", "2019-04-20T24:00:00Z", "2019-04-20T23:59:60Z"),
        *("0000-01-01T00:00:00Z", "2019-04-20T11:19:57Z\n", "\u0662\u0660\u0661\u0669-04-20T11:19:57Z"),
    ],
)
def test_date_in_another_form_is_400(kaa, date):
    known = new_filter(kaa.server)
    answer = kaa.post("1.0.0", filters=[{"filterId": known, "rolloutDate": date}])
    assert "filters.0.rolloutDate: not a date such as" in message(answer, 400)
    assert message(kaa.all(), 404)


def test_specification_for_boards_that_trust_their_publisher_alone_is_400(kaa, publisher):
    kaa.server.group(app=kaa.app, key=publisher)
    assert "trust" in message(kaa.post("1.0.0", specification={"interval": 5}), 400)
    assert kaa.all().json == []
