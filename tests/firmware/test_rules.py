"""Which offers a device takes: each limit from both sides, and the order of the checks."""

import base64
import json
import struct
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from twinslot.errors import Refused
from twinslot.manifest import Rules

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "signature.json").read_text())
KEY = serialization.load_pem_private_key(VECTORS["private_key"].encode(), None)
SIZE = 0x180000


def manifest(**fields: object) -> bytes:
    f = {"app": "kettle", "version": "1.1.0", "sequence": 100, "security": 2, "chip": 9, "size": SIZE} | fields
    head = struct.pack("<4sBBHIII32s", b"TWSM", 1, 0, f["chip"], f["sequence"], f["security"], f["size"], bytes(32))
    return head + b"".join(bytes([len(str(t).encode())]) + str(t).encode() for t in (f["app"], f["version"]))


def judge(data: bytes, trusted: list[bytes] | None = None) -> str:
    assert isinstance(KEY, rsa.RSAPrivateKey)
    keys = [base64.b64decode(VECTORS["modulus"])] if trusted is None else trusted
    rules = Rules(keys, "kettle", 9, SIZE, confirmed_sequence=98, confirmed_security=2, failed_sequence=99)
    try:
        rules.check(data, KEY.sign(data, padding.PKCS1v15(), hashes.SHA256()))
    except Refused as refused:
        return refused.reason
    return "taken"


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({}, "taken"),
        ({"app": "kettle2"}, "application"),
        ({"chip": 0}, "chip"),
        ({"sequence": 99}, "failed_before"),
        ({"sequence": 98}, "sequence"),
        ({"sequence": 1}, "sequence"),
        ({"sequence": 0xFFFFFFFF}, "taken"),
        ({"security": 1}, "security_version"),
        ({"security": 3}, "taken"),
        ({"size": SIZE + 1}, "size"),
        ({"size": SIZE - 1}, "taken"),
        ({"size": 1}, "taken"),
        ({"size": 0}, "size"),
        ({"app": "toaster", "chip": 0, "sequence": 1}, "application"),
        ({"chip": 0, "sequence": 1, "size": 0}, "chip"),
        ({"sequence": 1, "security": 0}, "sequence"),
        ({"security": 0, "sequence": 99}, "security_version"),
        ({"sequence": 99, "size": 0}, "failed_before"),
    ],
)
def test_signed_manifest_is_taken_or_refused_for_the_first_reason(fields: dict[str, object], verdict: str) -> None:
    assert judge(manifest(**fields)) == verdict


def test_nothing_is_taken_by_a_board_that_trusts_nobody_or_somebody_else() -> None:
    other = rsa.generate_private_key(65537, 3072).public_key().public_numbers().n.to_bytes(384, "big")
    assert judge(manifest(), []) == "signature"
    assert judge(manifest(), [other]) == "signature"
    assert judge(manifest(), [other, base64.b64decode(VECTORS["modulus"])]) == "taken"


def test_signature_is_checked_before_anything_of_the_manifest_is_believed() -> None:
    rules = Rules([], "kettle", 9, SIZE, 0, 0, 0)
    with pytest.raises(Refused) as refused:
        rules.check(b"garbage", b"")
    assert refused.value.reason == "signature"


@pytest.mark.parametrize("bit", range(0, 65 * 8, 7))
def test_manifest_with_one_bit_changed_is_refused(bit: int) -> None:
    assert isinstance(KEY, rsa.RSAPrivateKey)
    data = manifest()
    signature = KEY.sign(data, padding.PKCS1v15(), hashes.SHA256())
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    rules = Rules([base64.b64decode(VECTORS["modulus"])], "kettle", 9, SIZE, 0, 0, 0)
    with pytest.raises(Refused) as refused:
        rules.check(bytes(changed), signature)
    assert refused.value.reason == "signature"
