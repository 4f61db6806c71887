"""Keys, manifests and signatures, checked by arithmetic and by the shared vectors, not by the code that made them."""

import base64
import hashlib
import json
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from twinslot_sim.applications import app_image
from twinslot_tools import manifests, signing
from twinslot_tools.errors import BadFile, ServerRefused

VECTORS = Path(__file__).parents[1] / "vectors"
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
NOW_S = 1_790_000_000
MANIFEST, SPECIFICATION = (json.loads((VECTORS / f"{name}.json").read_text()) for name in ("manifest", "specification"))
NAMES = (b"one", b"two", b"three", b"four")


def modulus_named(name: bytes) -> bytes:
    """One that the vectors add or retire."""
    data = bytearray(hashlib.shake_256(name).digest(384))
    data[0] |= 0x80
    data[-1] |= 1
    return bytes(data)


def recovered(public: rsa.RSAPublicKey, signature: bytes) -> bytes:
    """The encoded message in `signature`, by plain arithmetic (RFC 8017, 5.2.2)."""
    numbers = public.public_numbers()
    return pow(int.from_bytes(signature, "big"), numbers.e, numbers.n).to_bytes(384, "big")


def encoded(message: bytes) -> bytes:
    """What RFC 8017, 9.2, makes of `message`."""
    tail = DIGEST_INFO + hashlib.sha256(message).digest()
    return b"\x00\x01" + b"\xff" * (384 - 3 - len(tail)) + b"\x00" + tail


def test_key_pair_is_what_devices_check(publisher) -> None:
    private = serialization.load_pem_private_key(publisher.read_bytes(), None)
    public = serialization.load_pem_public_key(publisher.with_name("publisher.pem.pub").read_bytes())
    assert isinstance(private, rsa.RSAPrivateKey) and isinstance(public, rsa.RSAPublicKey)
    assert private.public_key().public_numbers() == public.public_numbers()
    assert (public.key_size, public.public_numbers().e) == (3072, 65537)
    assert publisher.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")


def test_private_key_is_its_owners_alone(publisher) -> None:
    assert stat.S_IMODE(publisher.stat().st_mode) == 0o600


@pytest.mark.parametrize("existing", ["key.pem", "key.pem.pub"])
def test_keygen_never_overwrites(twinslot, tmp_path, existing) -> None:
    (tmp_path / existing).write_text("precious")
    result = twinslot("keygen", "--out", tmp_path / "key.pem")
    assert result.code == 3
    assert [path.name for path in tmp_path.iterdir()] == [existing]
    assert (tmp_path / existing).read_text() == "precious"


def test_keygen_leaves_nothing_behind_when_the_public_key_can_not_be_written(twinslot, tmp_path) -> None:
    refused = twinslot("keygen", "--out", tmp_path / ("k" * 252))  # a name with `.pub` behind it is too long
    assert (refused.code, "can't write" in refused.err) == (3, True)
    assert [*tmp_path.iterdir()] == []


def test_keygen_json_names_both_files(twinslot, tmp_path) -> None:
    out = tmp_path / "key.pem"
    assert twinslot("keygen", "--out", out, "--json").document == {"private": str(out), "public": f"{out}.pub"}
    assert out.exists() and Path(f"{out}.pub").exists()


def test_signature_holds_the_digest_of_the_manifest(publisher) -> None:
    key = signing.load_key(publisher)
    assert recovered(key.public_key(), signing.sign(key, b"manifest")) == encoded(b"manifest")


def facts_of(fields: dict) -> signing.ImageFacts:
    return signing.ImageFacts(
        fields["chip"], fields["security_version"], fields["size"], bytes.fromhex(fields["sha256"])
    )


def of_release(fields: dict) -> dict:
    return {name: fields[name] for name in ("app", "version", "sequence")}


@pytest.mark.parametrize("case", json.loads((VECTORS / "manifest.json").read_text())["good"])
def test_manifest_is_the_vectors(case) -> None:
    made = manifests.encoded(facts_of(case["fields"]), None, **of_release(case["fields"]))
    assert made.hex() == case["bytes"]


def specified() -> list[tuple[dict, bytes]]:
    """The shared manifests of kinds 1 and 2 with their fields, and the specifications that belong to them."""
    contents = [b'"' + b"a" * 2046 + b'"', b"1"]
    vectors = json.loads((VECTORS / "specification.json").read_text())
    contents += [base64.b64decode(each["offer"]["specification"]) for each in vectors["offers"]]
    by_digest = {hashlib.sha256(content).hexdigest(): content for content in contents}
    return [(case, by_digest[case["fields"]["specification_sha256"]]) for case in vectors["good"]]


@pytest.mark.parametrize(("case", "specification"), specified())
def test_manifest_with_a_specification_is_the_vectors(case, specification) -> None:
    facts = facts_of(case["fields"]) if case["fields"]["kind"] == 2 else None
    assert manifests.encoded(facts, specification, **of_release(case["fields"])).hex() == case["bytes"]


@pytest.mark.parametrize("case", MANIFEST["with_keys"])
def test_manifest_that_changes_keys_is_the_vectors(case) -> None:
    fields = case["fields"]
    by_digest = {hashlib.sha256(content).hexdigest(): content for _, content in specified()}
    specification = by_digest.get(fields.get("specification_sha256"))
    facts = None if fields["kind"] == 1 else facts_of(fields)
    moduli = {hashlib.sha256(modulus).hexdigest(): modulus for modulus in map(modulus_named, NAMES)}
    keys = manifests.KeyChange(
        tuple(map(bytes.fromhex, fields["added"])), tuple(moduli[each] for each in fields["retired"])
    )
    assert manifests.encoded(facts, specification, **of_release(fields), keys=keys).hex() == case["bytes"]


@pytest.mark.parametrize("case", MANIFEST["good"] + MANIFEST["with_keys"] + SPECIFICATION["good"])
def test_manifest_is_read_as_the_vectors_say(case) -> None:
    fields, told = case["fields"], manifests.told(bytes.fromhex(case["bytes"]))
    kind = fields.get("kind", 0)
    assert told.pop("carries") == ("an image", "a specification", "an image and a specification")[kind]
    names = {"app", "version", "sequence"} | {name for name in fields if name.startswith("specification")}
    names |= {"chip", "security_version", "size", "sha256"} if kind != 1 else set()
    expected = {name: fields[name] for name in names}
    if "added" in fields:
        expected["keys_added"] = [hashlib.sha256(bytes.fromhex(each)).hexdigest() for each in fields["added"]]
        expected["keys_retired"] = fields["retired"]
    assert told == expected


@pytest.mark.parametrize("case", MANIFEST["bad"] + SPECIFICATION["bad"], ids=lambda case: case["why"])
def test_what_is_no_manifest_is_not_read(case) -> None:
    with pytest.raises(BadFile, match="no manifest"):
        manifests.told(bytes.fromhex(case["bytes"]))


def test_specification_is_signed_and_sent_compact(tmp_path) -> None:
    (tmp_path / "s.json").write_text('{ "name": "Küche",\n "boil": [80, 1e2] }\n', encoding="utf-8")
    assert signing.load_specification(tmp_path / "s.json") == '{"name":"Küche","boil":[80,100.0]}'.encode()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b"NaN", b"1e999", b"[" * 5000, b'"\\ud800"', b'"' + b"a" * 2047 + b'"']
)
def test_what_no_board_takes_as_a_specification_is_refused(tmp_path, content) -> None:
    (tmp_path / "s.json").write_bytes(content)
    with pytest.raises(BadFile, match=r"s\.json"):
        signing.load_specification(tmp_path / "s.json")


def test_facts_are_those_of_the_image(tmp_path) -> None:
    data = app_image("kettle", "1.1.0")
    (tmp_path / "image").write_bytes(data)
    expected = signing.ImageFacts(0, 0, len(data), hashlib.sha256(data).digest())
    assert signing.image_facts(tmp_path / "image", (tmp_path / "image").read_bytes()) == expected


def test_combined_image_is_refused_with_the_way_out(tmp_path) -> None:
    (tmp_path / "combined").write_bytes(b"\xe9" + bytes(31) + b"\xff" * 4096)
    with pytest.raises(BadFile, match="app-bin"):
        signing.image_facts(tmp_path / "combined", (tmp_path / "combined").read_bytes())


@pytest.mark.parametrize(
    ("last", "following"),
    [(0, NOW_S), (NOW_S - 1, NOW_S), (NOW_S, NOW_S + 1), (NOW_S + 86_400, NOW_S + 86_401)],
)
def test_sequence_is_the_time_or_one_more_than_the_last(last, following) -> None:
    assert signing.next_sequence(last, NOW_S) == following


def test_sequence_more_than_a_day_ahead_is_refused() -> None:
    with pytest.raises(ServerRefused, match="clock"):
        signing.next_sequence(NOW_S + 86_401, NOW_S)


def test_other_kinds_of_keys_are_refused(tmp_path) -> None:
    for number, key in enumerate((ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048))):
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        public_pem = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        path = tmp_path / str(number)
        path.write_bytes(pem)
        with pytest.raises(BadFile, match="3072"):
            signing.load_key(path)
        path.write_bytes(public_pem)
        with pytest.raises(BadFile, match="3072"):
            signing.load_public_pem(path)


def test_key_behind_a_passphrase_is_refused_with_the_way_out(publisher, tmp_path) -> None:
    locked = signing.load_key(publisher).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
    )
    (tmp_path / "locked").write_bytes(locked)
    with pytest.raises(BadFile, match="openssl pkey"):
        signing.load_key(tmp_path / "locked")
