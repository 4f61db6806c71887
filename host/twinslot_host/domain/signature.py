"""RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2) with SHA-256, RSA-3072, e = 65537, as devices check it."""

import hashlib
import hmac

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from twinslot_host.errors import Invalid

KEY_BYTES = 384
EXPONENT = 65537
_DER_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")


def verified(modulus: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the key of `modulus` (384 bytes, big-endian) made the signature of the message."""
    key = int.from_bytes(modulus, "big")
    value = int.from_bytes(signature, "big")
    if len(modulus) != KEY_BYTES or len(signature) != KEY_BYTES or value >= key:
        return False
    digest_info = _DER_PREFIX + hashlib.sha256(message).digest()
    expected = b"\x00\x01" + b"\xff" * (KEY_BYTES - len(digest_info) - 3) + b"\x00" + digest_info
    return hmac.compare_digest(pow(value, EXPONENT, key).to_bytes(KEY_BYTES, "big"), expected)


def modulus_of(key: RSAPublicKey) -> bytes:
    """The modulus of an RSA-3072 key as devices keep it: 384 bytes, big-endian."""
    return key.public_numbers().n.to_bytes(KEY_BYTES, "big")


def modulus_from_pem(pem: str) -> bytes:
    """The modulus of a public key in PEM (SubjectPublicKeyInfo).

    Raises Invalid for anything but RSA-3072 with exponent 65537.
    """
    if "PRIVATE KEY" in pem:
        raise Invalid("keys: this is a private key; it stays with the publisher, give its public key")
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise Invalid("keys: not a public key in PEM; `twinslot keygen` makes a pair") from None
    if not isinstance(key, RSAPublicKey) or key.key_size != 8 * KEY_BYTES or key.public_numbers().e != EXPONENT:
        raise Invalid("keys: devices verify RSA-3072 with exponent 65537 only; `twinslot keygen` makes such a key")
    return modulus_of(key)


def fingerprint(modulus: bytes) -> str:
    """The key's name: hex SHA-256 of its modulus as devices keep it."""
    return hashlib.sha256(modulus).hexdigest()
