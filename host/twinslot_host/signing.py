"""The server's own signing key, made at the first start and kept in the data directory."""

from pathlib import Path

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
    def of(cls, data: Path) -> "Signer":
        """The signer of the data directory; its key (mode 0600) exists from now on. Takes seconds the first time."""
        key = serialization.load_pem_private_key(kept(data / SIGNING_KEY, _new_key), password=None)
        if not isinstance(key, rsa.RSAPrivateKey) or key.key_size != 8 * KEY_BYTES:
            raise NotADataDir(f"{data / SIGNING_KEY} is no RSA-3072 key; put the server's own key back")
        return cls(key)

    def sign(self, manifest: Manifest) -> tuple[bytes, bytes]:
        """The manifest's bytes and their signature."""
        encoded = encode(manifest)
        return encoded, self._key.sign(encoded, padding.PKCS1v15(), hashes.SHA256())


def _new_key() -> bytes:
    return rsa.generate_private_key(EXPONENT, 8 * KEY_BYTES).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
