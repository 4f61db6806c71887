"""Which offers a device takes: each limit from both sides, and the order of the checks."""

import asyncio
import base64
import hashlib
import json
import struct
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from twinslot.errors import Refused
from twinslot.manifest import Manifest, Rules
from twinslot.rsa import verify

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "signature.json").read_text())
KEY = serialization.load_pem_private_key(VECTORS["private_key"].encode(), None)
KEY_MODULUS = base64.b64decode(VECTORS["modulus"])
SIZE = 0x180000
MPY = 0x2B06  # 6.3, xtensawin

SPECIFICATION = b'{"litres": 1.7}'
ALONE = {"kind": 1, "chip": 0xFFFF, "security": 0, "size": 0}


def manifest(**fields: object) -> bytes:
    f = {"app": "kettle", "version": "1.1.0", "sequence": 100, "security": 2, "kind": 0, "chip": 9, "size": SIZE}
    f |= {"sha256": bytes(32), "specification": SPECIFICATION, "mpy": 0, "micropython": (0, 0, 0)} | fields
    numbers = (f[name] for name in ("kind", "chip", "sequence", "security", "size"))
    head = struct.pack("<4sBBHIII32s", b"TWSM", 1, *numbers, f["sha256"])
    text = b"".join(bytes([len(str(t).encode())]) + str(t).encode() for t in (f["app"], f["version"]))
    named = f["specification"]
    assert isinstance(named, bytes)
    tail = struct.pack("<H", len(named)) + hashlib.sha256(named).digest() if f["kind"] % 4 else b""
    needs = struct.pack("<HBBB", f["mpy"], *f["micropython"]) if f["kind"] & 8 else b""
    return head + text + tail + needs


def with_keys(data: bytes, added: list[bytes], retired: list[bytes]) -> bytes:
    """The manifest, which changes the keys; `retired` are moduli too."""
    data += bytes([len(added)]) + b"".join(added) + bytes([len(retired)])
    return data[:5] + bytes([data[5] | 4]) + data[6:] + b"".join(hashlib.sha256(each).digest() for each in retired)


def judge(data: bytes, trusted: list[bytes] | None = None, specification: bytes = b"", slot_size: int = SIZE) -> str:
    assert isinstance(KEY, rsa.RSAPrivateKey)
    keys = [KEY_MODULUS] if trusted is None else trusted
    rules = Rules(keys, "kettle", 9, slot_size, MPY, (1, 26, 0), 98, 2, failed_sequence=99)
    try:
        asyncio.run(rules.check(data, KEY.sign(data, padding.PKCS1v15(), hashes.SHA256()), specification))
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


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        (ALONE, "taken"),
        (ALONE | {"app": "kettle2"}, "application"),
        (ALONE | {"sequence": 99}, "failed_before"),
        (ALONE | {"sequence": 98}, "sequence"),
        (ALONE | {"chip": 9}, "format"),
        (ALONE | {"security": 2}, "format"),
        (ALONE | {"size": 1}, "format"),
        (ALONE | {"sha256": b"\1" + bytes(31)}, "format"),
        (ALONE | {"specification": b""}, "format"),
        (ALONE | {"specification": b"1" * 2049}, "format"),
        ({"kind": 2}, "taken"),
        ({"kind": 2, "chip": 0xFFFF}, "chip"),
        ({"kind": 2, "security": 1}, "security_version"),
        ({"kind": 2, "size": 0}, "size"),
        ({"kind": 2, "size": SIZE + 1}, "size"),
        ({"kind": 2, "specification": b""}, "format"),
        ({"kind": 2, "specification": b"1" * 2049}, "format"),
        ({"kind": 3}, "format"),
        ({"kind": 4}, "format"),
    ],
)
def test_signed_manifest_of_a_specification_is_taken_or_refused_for_the_first_reason(
    fields: dict[str, object], verdict: str
) -> None:
    assert judge(manifest(**fields), specification=SPECIFICATION) == verdict


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({}, "taken"),
        ({"kind": 10}, "taken"),
        ({"chip": 9}, "taken"),
        ({"chip": 0}, "chip"),
        ({"mpy": 6}, "taken"),
        ({"mpy": 5}, "mpy"),
        ({"mpy": MPY}, "taken"),
        ({"mpy": 0x2806}, "mpy"),
        ({"micropython": (1, 26, 0)}, "taken"),
        ({"micropython": (1, 26, 1)}, "micropython"),
        ({"micropython": (2, 0, 0)}, "micropython"),
        ({"security": 1}, "security_version"),
        ({"sequence": 99}, "failed_before"),
        ({"size": 8192}, "taken"),
        ({"size": 8193}, "size"),
        ({"size": 0}, "size"),
        ({"kind": 10, "specification": b"{"}, "specification"),
        ({"kind": 9}, "format"),
        ({"kind": 11}, "format"),
        ({"app": "toaster", "chip": 0, "mpy": 5, "sequence": 1}, "application"),
        ({"chip": 0, "mpy": 5, "micropython": (9, 0, 0), "sequence": 1}, "chip"),
        ({"mpy": 5, "micropython": (9, 0, 0), "sequence": 1}, "mpy"),
        ({"micropython": (9, 0, 0), "sequence": 1}, "micropython"),
    ],
)
@pytest.mark.parametrize("slot_size", [SIZE, 0])
def test_signed_manifest_of_a_bundle_is_taken_or_refused_for_the_first_reason(
    slot_size: int, fields: dict[str, object], verdict: str
) -> None:
    signed = manifest(**{"kind": 8, "chip": 0xFFFF, "size": 100} | fields)
    assert judge(signed, specification=fields.get("specification", SPECIFICATION), slot_size=slot_size) == verdict


def test_image_is_refused_by_a_board_without_a_second_slot() -> None:
    assert judge(manifest(), slot_size=0) == "slot"
    assert judge(manifest(kind=2, size=0, chip=0), slot_size=0) == "slot"
    assert judge(manifest(app="toaster"), slot_size=0) == "application"
    assert judge(manifest(**ALONE), specification=SPECIFICATION, slot_size=0) == "taken"


@pytest.mark.parametrize("fields", [ALONE, {"kind": 2}])
def test_specification_is_taken_only_whole_as_signed_and_as_json(fields: dict[str, object]) -> None:
    for brought in (b"", SPECIFICATION[:-1], SPECIFICATION + b" ", SPECIFICATION.replace(b"1", b"2")):
        assert judge(manifest(**fields), specification=brought) == "specification"
    for no_json in (b"{", b"litres", b"\xff", b'"\xff"'):
        assert judge(manifest(**fields, specification=no_json), specification=no_json) == "specification"
    for value in (b"null", b"0", b'"' + b"a" * 2046 + b'"'):
        assert judge(manifest(**fields, specification=value), specification=value) == "taken"
    assert judge(manifest(**fields | {"app": "toaster"})) == "application"
    assert judge(manifest(**fields | {"sequence": 99})) == "failed_before"


def test_image_alone_is_taken_whatever_specification_comes_with_it() -> None:
    assert judge(manifest(), specification=b"garbage") == "taken"


def test_nothing_is_taken_by_a_board_that_trusts_nobody_or_somebody_else() -> None:
    other = rsa.generate_private_key(65537, 3072).public_key().public_numbers().n.to_bytes(384, "big")
    assert judge(manifest(), []) == "signature"
    assert judge(manifest(), [other]) == "signature"
    assert judge(manifest(), [other, KEY_MODULUS]) == "taken"


OWNER = KEY_MODULUS
A, B, C, D, E = (bytes([number]) * 384 for number in range(5))


@pytest.mark.parametrize(
    ("before", "added", "retired", "after"),
    [
        ([], [A], [], [OWNER, A]),
        ([], [A], [OWNER], [A]),
        ([], [A, B, C], [], [OWNER, A, B, C]),
        ([], [A, B, C], [OWNER], [A, B, C]),
        ([A], [], [OWNER], [A]),
        ([A], [A], [], [OWNER, A]),
        ([], [A, A], [], [OWNER, A]),
        ([], [A], [A], [OWNER, A]),
        ([], [], [A], [OWNER]),
        ([A, B, C, D, E], [], [A, B], [OWNER, C, D, E]),
        ([A], [B, C, D], [], None),
        ([A, B, C, D, E], [], [A], None),
        ([], [], [OWNER], None),
    ],
)
def test_release_that_changes_keys_is_taken_when_one_to_four_are_left(
    before: list[bytes], added: list[bytes], retired: list[bytes], after: list[bytes] | None
) -> None:
    data = with_keys(manifest(), added, retired)
    assert judge(data, [OWNER, *before]) == ("keys" if after is None else "taken")
    assert after is None or Manifest(data).trusted([OWNER, *before]) == after


def test_release_that_changes_no_keys_is_taken_by_a_board_that_trusts_many() -> None:
    assert judge(manifest(), [A, B, C, D, E, OWNER]) == "taken"


def test_signature_is_checked_before_anything_of_the_manifest_is_believed() -> None:
    rules = Rules([], "kettle", 9, SIZE, MPY, (1, 26, 0), 0, 0, 0)
    with pytest.raises(Refused) as refused:
        asyncio.run(rules.check(b"garbage", b""))
    assert refused.value.reason == "signature"


def test_signature_that_is_not_below_the_modulus_is_refused() -> None:
    """It would come to the same as one that is (RFC 8017 §5.2.2)."""
    assert isinstance(KEY, rsa.RSAPrivateKey)
    n = int.from_bytes(KEY_MODULUS, "big")
    for number in range(1000):
        message = b"message %d" % number
        s = int.from_bytes(KEY.sign(message, padding.PKCS1v15(), hashes.SHA256()), "big")
        if s + n < 1 << 3072:
            break
    assert asyncio.run(verify(KEY_MODULUS, message, s.to_bytes(384, "big")))
    assert not asyncio.run(verify(KEY_MODULUS, message, (s + n).to_bytes(384, "big")))


def test_signature_by_a_modulus_of_another_length_does_not_hold() -> None:
    assert isinstance(KEY, rsa.RSAPrivateKey)
    signature = KEY.sign(b"message", padding.PKCS1v15(), hashes.SHA256())
    assert asyncio.run(verify(KEY_MODULUS, b"message", signature))
    for modulus in (b"\0" + KEY_MODULUS, KEY_MODULUS[:-1], KEY_MODULUS + b"\0", b""):
        assert not asyncio.run(verify(modulus, b"message", signature))


def test_application_has_its_turn_while_a_signature_is_checked() -> None:
    turns = 0

    async def application() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def check() -> None:
        beside = asyncio.create_task(application())
        with pytest.raises(Refused):
            await Rules([KEY_MODULUS], "kettle", 9, SIZE, MPY, (1, 26, 0), 0, 0, 0).check(b"garbage", bytes(384))
        beside.cancel()

    asyncio.run(check())
    assert turns >= 16


@pytest.mark.parametrize("bit", range(0, 65 * 8, 7))
def test_manifest_with_one_bit_changed_is_refused(bit: int) -> None:
    assert isinstance(KEY, rsa.RSAPrivateKey)
    data = manifest()
    signature = KEY.sign(data, padding.PKCS1v15(), hashes.SHA256())
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    rules = Rules([KEY_MODULUS], "kettle", 9, SIZE, MPY, (1, 26, 0), 0, 0, 0)
    with pytest.raises(Refused) as refused:
        asyncio.run(rules.check(bytes(changed), signature))
    assert refused.value.reason == "signature"
