"""Releases published through our own API: what is taken, and what is refused."""

import json
import time

import pytest

from .kaa import new_filter
from .samples import make_image, make_manifest, make_specified, sign
from .test_uploads import nothing_is_left

IMAGE = make_image(size=5000)
BOIL = b'{"boil":90}'
ONE = "/applications/kettle/releases/1.1.0"


def test_specification_alone_is_published_signed_and_shown(server):
    server.group()
    answer = server.publish(None, specification=BOIL)
    assert answer.status == 201
    release = answer.json
    expected = {
        "app": "kettle",
        "version": "1.1.0",
        "sequence": release["sequence"],
        "security_version": None,
        "sha256": None,
        "size": None,
        "chip": None,
        "bundle": None,
        "signed_by": "server",
        "strategy": "general",
        "upgradable_from": None,
        "filters": [],
        "file": None,
        "waits_for_file": False,
        "created_at": release["created_at"],
        "specification": {"boil": 90},
    }
    assert release == expected
    assert release["sequence"] >= time.time() - 60
    assert server.api("GET", ONE).json == release
    assert server.api("GET", "/applications/kettle").json["releases"] == [release]


def test_image_with_a_specification_filters_and_metadata_is_shown_as_it_was_given(server):
    everyone = new_filter(server)
    aims = [{"filter": everyone, "rollout_at": "2027-01-31T09:00:00.5+01:00"}]
    fields = {"strategy": "targeted", "filters": aims, "metadata": {"notes": ["a", None]}}
    release = server.publish(IMAGE, specification=BOIL, **fields).json
    assert release["filters"] == [{"filter": everyone, "rollout_at": "2027-01-31T08:00:00.500Z"}]
    assert (release["metadata"], release["specification"]) == ({"notes": ["a", None]}, {"boil": 90})
    assert (release["file"], release["size"], release["chip"]) == ("firmware.bin", len(IMAGE), 0)
    assert server.api("GET", ONE).json == release


@pytest.mark.parametrize("image", [None, IMAGE])
def test_publisher_signs_a_specification_as_it_was_sent(server, publisher, image):
    server.group(key=publisher)
    sent = b'{ "boil" : 90 }'
    fields = sign(publisher, make_specified(image, sent, int(time.time())))
    release = server.publish(image, specification=sent, **fields).json
    assert (len(release["signed_by"]), release["specification"]) == (64, {"boil": 90})


@pytest.mark.parametrize(
    ("signed", "image", "specification", "reason"),
    [
        (
            make_manifest(IMAGE, 1),
            IMAGE,
            BOIL,
            "its kind is an image, and the upload's is an image and a specification",
        ),
        (make_manifest(IMAGE, 1), None, BOIL, "its kind is an image, and the upload's is a specification"),
        (make_specified(None, BOIL, 1), IMAGE, BOIL, "its kind is a specification, and the upload's is an image and a"),
        (
            make_specified(IMAGE, BOIL, 1),
            IMAGE,
            None,
            "its kind is an image and a specification, and the upload's is an image;",
        ),
        (make_specified(None, BOIL + b" ", 1), None, BOIL, "its specification's size is 12"),
        (make_specified(None, b'{"boil":91}', 1), None, BOIL, "its specification's SHA-256 is"),
        (make_specified(make_image(b"other", size=5000), BOIL, 1), IMAGE, BOIL, "its SHA-256 is"),
        (make_specified(None, BOIL, 1, version="1.2.0"), None, BOIL, "its version is 1.2.0"),
        (make_specified(None, BOIL, 1, app="toaster"), None, BOIL, "its application is toaster"),
    ],
)
def test_manifest_that_does_not_fit_the_upload_is_refused(shared, publisher, signed, image, specification, reason):
    shared.group(key=publisher)
    answer = shared.publish(image, specification=specification, **sign(publisher, signed))
    assert (answer.status, reason in answer.detail) == (400, True)
    assert nothing_is_left(shared)


def test_specification_for_boards_that_trust_their_publisher_alone_is_refused(shared, publisher):
    shared.group(app="strict", key=publisher)
    answer = shared.publish(None, app="strict", specification=BOIL)
    assert (answer.status, "--key" in answer.detail) == (400, True)
    assert shared.api("GET", "/applications/strict").json["releases"] == []


@pytest.mark.parametrize(
    "specification",
    [
        b"",
        b"{",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b"NaN",
        b'{"a":-Infinity}',
        b"1e999",
        b'["\\ud800"]',
        b'{"\\udc00":1}',
        b'["\\u0000"]',
        b"[" * 33 + b"]" * 33,
        b"[" * 1000 + b"]" * 1000,
        b"9223372036854775808",
        b"1" * 2048,
        b'"' + b"a" * 2047 + b'"',
    ],
)
def test_specification_that_not_every_reader_takes_is_refused(shared, specification):
    answer = shared.publish(None, specification=specification)
    assert (answer.status, "specification" in answer.detail) == (400, True)
    assert nothing_is_left(shared)


@pytest.mark.parametrize(
    "specification",
    [b"null", b"[" * 32 + b"]" * 32, b'"' + b"a" * 2046 + b'"', b"-9223372036854775808", b'"\\ud83d\\ude00"'],
)
def test_specification_at_its_limits_is_taken(server, specification):
    assert server.publish(None, specification=specification).json["specification"] == json.loads(specification)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"filters": [{"filter": "nothing"}]}, "filters.0: there is no filter 'nothing'"),
        ({"filters": [{"filter": "x", "rollout_at": "tomorrow"}]}, "filters.0.rollout_at: not a date"),
        ({"filters": [{"filter": "x", "rollout_at": "2027-02-30T00:00:00Z"}]}, "not a date"),
        ({"filters": [{"filter": "x", "rollout_at": "2027-01-01T00:00:00"}]}, "not a date"),
        ({"filters": [{"filter": "x", "rollout_at": "2027-01-01"}]}, "not a date"),
        ({"filters": [{"filter": "x", "rollout_at": "9999-12-31T23:59:59-14:00"}]}, "not a date"),
        ({"filters": [{"filter": "x", "rollout_at": "0001-01-01T00:00:00+14:00"}]}, "not a date"),
        ({"filters": [{"filter": "x", "rollout_at": 1}]}, "filters.0.rollout_at"),
        ({"filters": [{"filter": "x", "colour": 1}]}, "unknown field 'filters.0.colour'"),
        ({"filters": [{"filter": "x"}] * 101}, "filters"),
        ({"filters": "x"}, "filters"),
        ({"metadata": "a" * 16385}, "metadata"),
        ({"metadata": "\0"}, "metadata"),
    ],
)
def test_wrong_field_is_refused_by_name(shared, fields, reason):
    for answer in (shared.publish(IMAGE, **fields), shared.api("PATCH", ONE, fields)):
        assert answer.status in (400, 404)
        assert answer.status == 404 or reason in answer.detail
    assert reason in shared.publish(IMAGE, **fields).detail
    assert nothing_is_left(shared)


def test_filter_that_is_given_twice_is_refused(shared):
    aim = {"filter": new_filter(shared)}
    answer = shared.publish(IMAGE, filters=[aim, aim])
    assert (answer.status, "filters.1: the filter" in answer.detail, "given twice" in answer.detail) == (
        400,
        True,
        True,
    )
    assert nothing_is_left(shared)


@pytest.mark.parametrize("names", [["specification"], ["image", "specification"], ["release"], ["specification"] * 2])
def test_other_parts_are_refused(shared, names):
    first = [] if names == ["specification"] else [("release", b'{"version":"1.1.0"}')]
    answer = shared.upload("kettle", first + [(name, IMAGE if name == "image" else BOIL) for name in names])
    assert (answer.status, bool(answer.detail)) == (400, True)
    assert nothing_is_left(shared)
