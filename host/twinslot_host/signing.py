"""The server's own signing key, made at the first start and kept in the data directory."""

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from twinslot_host.datadir import SIGNING_KEY, kept
from twinslot_host.domain.manifest import Manifest, encode
from twinslot_host.domain.signature import EXPONENT, KEY_BYTES, modulus_of
from twinslot_host.errors import NotADataDir


class Signer:
    """Signs manifests as docs/protocol.md, "Signature", tells."""

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self._key = key
        self.modulus = modulus_of(key.public_key())

    @classmethod
    def of(cls, data: Path, *, may_make: bool) -> "Signer":
        """The signer of the data directory; at the first start (`may_make`) its key is made, which takes seconds.

        Raises NotADataDir when the key that devices trust is gone or damaged.
        """
        path = data / SIGNING_KEY
        if not may_make and not path.exists():
            raise NotADataDir(
                f"{path} is missing; restore it from a backup, since devices trust the releases it signed"
            )
        key = _loaded(kept(path, _new_key))
        if key is None:
            raise NotADataDir(
                f"{path} is no RSA-3072 private key; restore it from a backup, devices trust no other of this server's"
            )
        return cls(key)

    def sign(self, manifest: Manifest) -> tuple[bytes, bytes]:
        """The manifest's bytes and their signature."""
        encoded = encode(manifest)
        return encoded, self._key.sign(encoded, padding.PKCS1v15(), hashes.SHA256())


def _loaded(pem: bytes) -> rsa.RSAPrivateKey | None:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it is encrypted
        return None
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size != 8 * KEY_BYTES:
        return None
    return key if key.public_key().public_numbers().e == EXPONENT else None


def _new_key() -> bytes:
    return rsa.generate_private_key(EXPONENT, 8 * KEY_BYTES).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
