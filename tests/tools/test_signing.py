"""Keys, manifests and signatures, checked by arithmetic and by the shared vectors, not by the code that made them."""

import hashlib
import json
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from twinslot_sim.applications import app_image
from twinslot_tools import signing
from twinslot_tools.errors import BadFile, ServerRefused

VECTORS = Path(__file__).parents[1] / "vectors"
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
NOW_S = 1_790_000_000


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


def test_keygen_json_names_both_files(twinslot, tmp_path) -> None:
    out = tmp_path / "key.pem"
    assert twinslot("keygen", "--out", out, "--json").document == {"private": str(out), "public": f"{out}.pub"}
    assert out.exists() and Path(f"{out}.pub").exists()


def test_signature_holds_the_digest_of_the_manifest(publisher) -> None:
    key = signing.load_key(publisher)
    assert recovered(key.public_key(), signing.sign(key, b"manifest")) == encoded(b"manifest")


@pytest.mark.parametrize("case", json.loads((VECTORS / "manifest.json").read_text())["good"])
def test_manifest_is_the_vectors(case) -> None:
    fields = case["fields"]
    facts = signing.ImageFacts(
        fields["chip"], fields["security_version"], fields["size"], bytes.fromhex(fields["sha256"])
    )
    made = signing.manifest(facts, app=fields["app"], version=fields["version"], sequence=fields["sequence"])
    assert made.hex() == case["bytes"]


def test_facts_are_those_of_the_image(tmp_path) -> None:
    data = app_image("kettle", "1.1.0")
    (tmp_path / "image").write_bytes(data)
    expected = signing.ImageFacts(0, 0, len(data), hashlib.sha256(data).digest())
    assert signing.image_facts(tmp_path / "image") == expected


def test_combined_image_is_refused_with_the_way_out(tmp_path) -> None:
    (tmp_path / "combined").write_bytes(b"\xe9" + bytes(31) + b"\xff" * 4096)
    with pytest.raises(BadFile, match="app-bin"):
        signing.image_facts(tmp_path / "combined")


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
