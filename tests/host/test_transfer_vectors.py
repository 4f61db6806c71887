"""What the server takes as a transfer is what a device takes as one: the wire examples that both read."""

import base64
import json
import zlib
from pathlib import Path

import pytest

from twinslot_host.domain import transfer
from twinslot_host.domain.transfer import TransferError

from .carried import applied

VECTORS = json.loads((Path(__file__).resolve().parents[1] / "vectors" / "transfer.json").read_text())
NEEDS_BASE = {"patch with a wrong byte", "unchanged, but it was changed"}
NEEDS_DEVICE = {"of a shorter image", "of a longer image", "another base", "a base larger than the slot"}


def named(cases: str, without: set[str] = frozenset()) -> list:
    assert without <= {case["why"] for case in VECTORS[cases]}
    return [pytest.param(case, id=case["why"]) for case in VECTORS[cases] if case["why"] not in without]


def unpacked(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text), -12)


@pytest.mark.parametrize("case", named("good"))
def test_good_transfer_is_read_and_makes_its_image(case):
    file, image, base = base64.b64decode(case["transfer"]), unpacked(case["image"]), unpacked(case["base"])
    assert transfer.parse(file).image_size_bytes == len(image)
    assert applied(file, base) == image


@pytest.mark.parametrize("case", named("bad_payloads", NEEDS_BASE))
def test_payload_that_every_device_refuses_is_refused_where_it_lies(case):
    with pytest.raises(TransferError, match=r"^transfer: segment 0, its payload at 64: "):
        transfer.parse(base64.b64decode(case["transfer"]))


@pytest.mark.parametrize("case", named("bad_indexes", NEEDS_DEVICE))
def test_index_that_every_device_refuses_is_refused_before_any_payload(case):
    index = bytes.fromhex(case["index"])
    with pytest.raises(TransferError) as refused:
        transfer.parse(index + bytes(case["total"] - len(index)))
    assert "its payload at" not in str(refused.value)


@pytest.mark.parametrize("why", sorted(NEEDS_BASE))
def test_what_shows_with_the_base_alone_is_not_refused_without_it(why):
    (case,) = [case for case in VECTORS["bad_payloads"] if case["why"] == why]
    assert transfer.parse(base64.b64decode(case["transfer"])).base_size_bytes == len(unpacked(case["base"]))
