"""What the server makes and takes of bundles is what a device takes: the wire examples that both read."""

import base64
import hashlib
import json
from pathlib import Path

import pytest

from twinslot_host.domain import bundle, bundle_transfer, manifest, mpy, signature
from twinslot_host.domain.bundle import BundleError, Entry

FOLDER = Path(__file__).resolve().parents[1] / "vectors"
VECTORS = json.loads((FOLDER / "bundles.json").read_text())
MODULUS = base64.b64decode(json.loads((FOLDER / "signature.json").read_text())["modulus"])


def named(cases: str) -> list:
    return [pytest.param(case, id=case["why"]) for case in VECTORS[cases]]


@pytest.mark.parametrize("case", named("good"))
def test_good_bundle_has_the_list_and_the_transfer_of_the_example(case):
    contents = [bytes.fromhex(each["content"]) for each in case["files"]]
    entries = tuple(
        Entry(each["path"], len(content), hashlib.sha256(content).digest())
        for each, content in zip(case["files"], contents, strict=True)
    )
    listing, transfer = bytes.fromhex(case["list"]), base64.b64decode(case["transfer"])
    assert (bundle.encode(entries), bundle.decode(listing)) == (listing, entries)
    assert hashlib.sha256(listing).hexdigest() == case["sha256"]
    assert bundle_transfer.parse(transfer).entries == entries
    made = bundle_transfer.parse(bundle_transfer.build(listing, contents))
    assert made.entries == entries
    assert list(map(len, made.payloads)) <= list(map(len, contents))


@pytest.mark.parametrize("case", named("bad_lists"))
def test_list_that_every_device_refuses_is_refused(case):
    with pytest.raises(BundleError, match=r"^bundle: "):
        bundle.decode(bytes.fromhex(case["list"]))


@pytest.mark.parametrize("case", named("bad_transfers"))
def test_transfer_that_every_device_refuses_is_refused_before_its_payloads(case):
    with pytest.raises(BundleError) as refused:
        bundle_transfer.parse(base64.b64decode(case["transfer"]))
    assert "its payload at" not in str(refused.value)


@pytest.mark.parametrize("case", named("bad_payloads"))
def test_payload_that_every_device_refuses_is_refused_where_it_lies(case):
    with pytest.raises(BundleError, match=r"^transfer: 'app\.py', its payload at 67: "):
        bundle_transfer.parse(base64.b64decode(case["transfer"]))


@pytest.mark.parametrize("case", VECTORS["manifests"], ids=lambda case: str(len(case["bytes"])))
def test_manifest_of_a_bundle_is_read_and_written_to_the_byte_and_its_signature_holds(case):
    fields, data = dict(case["fields"]), bytes.fromhex(case["bytes"])
    digests = {name: bytes.fromhex(fields.pop(name, "")) for name in ("sha256", "specification_sha256")}
    sizes = {f"{name}_bytes": fields.pop(name, 0) for name in ("size", "specification_size")}
    keys = {"added": tuple(map(bytes.fromhex, fields.pop("added", ()))), "retired": tuple(fields.pop("retired", ()))}
    made = manifest.Manifest(**fields | {"micropython": tuple(fields["micropython"])}, **digests, **sizes, **keys)
    assert (manifest.encode(made), manifest.decode(data)) == (data, made)
    assert signature.verified(MODULUS, data, bytes.fromhex(case["signature"]))


@pytest.mark.parametrize("case", named("bad_manifests"))
def test_malformed_manifest_of_a_bundle_is_refused(case):
    with pytest.raises(manifest.ManifestError):
        manifest.decode(bytes.fromhex(case["bytes"]))


@pytest.mark.parametrize("case", named("formats"))
def test_format_fits_where_the_example_says_so(case):
    assert mpy.fits(case["bundle"], case["board"]) == case["fits"]


@pytest.mark.parametrize("case", VECTORS["micropythons"], ids=lambda case: f"{case['bundle']} on {case['board']}")
def test_micropython_is_new_enough_where_the_example_says_so(case):
    assert (tuple(case["bundle"]) <= mpy.version(case["board"])) == case["fits"]


@pytest.mark.parametrize(
    "text", ["", "1.26", "1.26.0.0", "1.26.0-preview", "01.2.3", "1.2.256", "1.2.-1", "1.2.٣", "a.b.c"]
)
def test_text_that_is_no_version_of_micropython_is_none(text):
    assert mpy.version(text) is None


@pytest.mark.parametrize(
    ("value", "name"), [(6, "6.0 bytecode"), (0x2B06, "6.3 xtensawin"), (0xFF06, "6.3 architecture 63")]
)
def test_format_has_a_name(value, name):
    assert mpy.named(value) == name
