"""The wire examples that host and firmware share."""

import base64
import json
from pathlib import Path

import pytest

from twinslot_host.domain import auth, manifest, signature

VECTORS = Path(__file__).parent.parent / "vectors"


def load(name: str):
    return json.loads((VECTORS / name).read_text())


AUTH, MANIFEST, SIGNATURE = load("auth.json"), load("manifest.json"), load("signature.json")
SPECIFICATION = load("specification.json")
MODULUS, MESSAGE = base64.b64decode(SIGNATURE["modulus"]), bytes.fromhex(SIGNATURE["message"])


@pytest.mark.parametrize("case", AUTH["cases"], ids=lambda case: case["device"])
def test_request_and_answer_macs_are_those_of_the_examples(case):
    key = auth.device_key(case["token"], case["device"])
    body, answer = bytes.fromhex(case["body"]), case["answer"]
    request = auth.request_text(case["method"], case["path"], case["nonce"], str(case["seq"]), case["cnonce"], body)
    response = auth.response_text(
        case["status"],
        case["request_mac"],
        answer["nonce"],
        answer["time"],
        answer["poll"],
        bytes.fromhex(answer["body"]),
    )
    assert key.hex() == case["device_key"]
    assert (request.decode(), auth.mac(key, request)) == (case["request_text"], case["request_mac"])
    assert (response.decode(), auth.mac(key, response)) == (case["response_text"], case["response_mac"])


@pytest.mark.parametrize("case", MANIFEST["good"], ids=lambda case: case["fields"]["app"])
def test_good_manifest_is_read_and_written_to_the_byte(case):
    fields = dict(case["fields"])
    made = manifest.Manifest(size_bytes=fields.pop("size"), sha256=bytes.fromhex(fields.pop("sha256")), **fields)
    assert manifest.encode(made).hex() == case["bytes"]
    assert manifest.decode(bytes.fromhex(case["bytes"])) == made


@pytest.mark.parametrize("case", SPECIFICATION["good"], ids=lambda case: str(case["fields"]["kind"]))
def test_good_manifest_of_a_specification_is_read_and_written_to_the_byte(case):
    fields = dict(case["fields"])
    digests = {name: bytes.fromhex(fields.pop(name)) for name in ("sha256", "specification_sha256")}
    sizes = {f"{name}_bytes": fields.pop(name) for name in ("size", "specification_size")}
    made = manifest.Manifest(**fields, **digests, **sizes)
    assert manifest.encode(made).hex() == case["bytes"]
    assert manifest.decode(bytes.fromhex(case["bytes"])) == made


@pytest.mark.parametrize("case", MANIFEST["with_keys"], ids=lambda case: str(len(case["bytes"])))
def test_good_manifest_that_changes_keys_is_read_and_written_to_the_byte(case):
    fields = dict(case["fields"])
    digests = {name: bytes.fromhex(fields.pop(name, "")) for name in ("sha256", "specification_sha256")}
    sizes = {f"{name}_bytes": fields.pop(name, 0) for name in ("size", "specification_size")}
    keys = {"added": tuple(map(bytes.fromhex, fields.pop("added"))), "retired": tuple(fields.pop("retired"))}
    made = manifest.Manifest(**fields, **digests, **sizes, **keys)
    assert manifest.encode(made).hex() == case["bytes"]
    assert manifest.decode(bytes.fromhex(case["bytes"])) == made


@pytest.mark.parametrize("case", MANIFEST["bad"] + SPECIFICATION["bad"], ids=lambda case: case["why"])
def test_malformed_manifest_is_refused(case):
    with pytest.raises(manifest.ManifestError):
        manifest.decode(bytes.fromhex(case["bytes"]))


def test_good_signature_is_accepted():
    assert signature.verified(MODULUS, MESSAGE, bytes.fromhex(SIGNATURE["good"]))


@pytest.mark.parametrize("case", SIGNATURE["bad"], ids=lambda case: case["why"])
def test_wrong_signature_is_refused(case):
    message = bytes.fromhex(case.get("message", SIGNATURE["message"]))
    assert not signature.verified(MODULUS, message, bytes.fromhex(case["signature"]))
