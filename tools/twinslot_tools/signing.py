"""A publisher's key, and what a release is made of that it signs (docs/protocol.md, "Signature")."""

import hashlib
import json
import struct
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from twinslot_tools.errors import BadFile, ServerRefused
from twinslot_tools.new_files import NewFile, beside, write_new

KEY_BITS = 3072
EXPONENT = 65537
DAY_S = 86_400

SPECIFICATION_LIMIT_BYTES = 2048

_IMAGE_MAGIC = 0xE9
_DESCRIPTION_MAGIC = 0xABCD5432


@dataclass(frozen=True)
class ImageFacts:
    """What a manifest says of an image's bytes; `chip` and `security_version` as its own headers have them."""

    chip: int
    security_version: int
    size_bytes: int
    sha256: bytes


def image_facts(path: Path, data: bytes) -> ImageFacts:
    """The facts of the app image that is the content of `path`; raises `BadFile` when it is another kind of file.

    Offsets from ESP-IDF's esp_app_format.h: magic 0, chip id 12, app description 32, its security version 36.
    """
    if len(data) < 40 or data[0] != _IMAGE_MAGIC:
        raise BadFile(
            f"{path} is neither an ESP32 app image, which begins with 0xE9, nor a bundle. Publish a build's "
            "`.app-bin`, or what `twinslot bundle` has made"
        )
    chip, magic, security_version = struct.unpack_from("<12xH18xII", data)
    if magic != _DESCRIPTION_MAGIC:
        raise BadFile(
            f"{path} has no app description at offset 32: it looks like the combined image, with bootloader and "
            "partition table in front. Publish the build's `.app-bin` instead"
        )
    return ImageFacts(chip, security_version, len(data), hashlib.sha256(data).digest())


def load_specification(path: Path) -> bytes:
    """The JSON document at `path` as a release carries it: compact, in UTF-8.

    Raises `BadFile` for a file that is none, or too large for a board.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
        data = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except OSError as error:
        raise BadFile(f"can't read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise BadFile(f"{path} is no JSON document in UTF-8: {error}") from error
    if len(data) > SPECIFICATION_LIMIT_BYTES:
        raise BadFile(f"{path} has {len(data)} bytes as compact JSON, and a board takes {SPECIFICATION_LIMIT_BYTES}")
    return data


def next_sequence(last_sequence: int, now_s: int) -> int:
    """The sequence to sign with at `now_s`, higher than the last.

    Raises `ServerRefused` when the last one lies more than a day ahead: signing past it would carry a wrong clock's
    number to every device, for good.
    """
    if last_sequence > now_s + DAY_S:
        days = (last_sequence - now_s) / DAY_S
        raise ServerRefused(
            f"the application's last release was signed {days:.1f} days ahead of this computer's clock. "
            "If the clock here is wrong, set it; otherwise ask whoever signed that release"
        )
    return max(now_s, last_sequence + 1)


def sign(key: rsa.RSAPrivateKey, data: bytes) -> bytes:
    """384 bytes: RSASSA-PKCS1-v1_5 with SHA-256 over `data`."""
    return key.sign(data, padding.PKCS1v15(), hashes.SHA256())


def holds(key: rsa.RSAPublicKey, data: bytes, signature: bytes) -> bool:
    """Whether the key's owner has signed `data` so."""
    try:
        key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def modulus(key: rsa.RSAPublicKey) -> bytes:
    """The key as devices keep it: 384 bytes, big-endian."""
    return key.public_numbers().n.to_bytes(KEY_BITS // 8, "big")


def make_key(out: Path) -> Path:
    """A new key lies in `out`, readable by its owner alone, and its public half in the returned path.

    Raises `UsageError` when `out` is a folder, and `BadFile` when either exists: a key that devices trust can't be made
    again.
    """
    public = beside(out, ".pub", "publisher.pem")
    key = rsa.generate_private_key(public_exponent=EXPONENT, key_size=KEY_BITS)
    private_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public_pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    write_new(NewFile(out, private_pem, 0o600), NewFile(public, public_pem))
    return public


def load_key(path: Path) -> rsa.RSAPrivateKey:
    """The private key at `path`; raises `BadFile` when it is none that devices could check."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise BadFile(f"can't read {path}: {error.strerror}") from error
    except TypeError as error:
        raise BadFile(f"{path} is locked with a passphrase; `openssl pkey -in {path} -out FILE` unlocks it") from error
    except ValueError as error:
        raise BadFile(f"{path} is no private key in PEM; `twinslot keygen --out FILE` makes one") from error
    if not isinstance(key, rsa.RSAPrivateKey) or not _fits(key.public_key()):
        raise BadFile(f"{path} is not an RSA key of 3072 bits, which is what devices check")
    return key


def load_public(path: Path) -> rsa.RSAPublicKey:
    """The public key at `path`; raises `BadFile` when it is none that devices could check."""
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise BadFile(f"can't read {path}: {error.strerror}") from error
    except ValueError as error:
        raise BadFile(f"{path} is no public key in PEM; `twinslot keygen --out KEY` writes one to KEY.pub") from error
    if not isinstance(key, rsa.RSAPublicKey) or not _fits(key):
        raise BadFile(f"{path} is not an RSA key of 3072 bits, which is what devices check")
    return key


def load_public_pem(path: Path) -> str:
    """The public key at `path`, as PEM text; raises `BadFile` as `load_public`."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return load_public(path).public_bytes(serialization.Encoding.PEM, form).decode()


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


def _fits(key: rsa.RSAPublicKey) -> bool:
    return key.key_size == KEY_BITS and key.public_numbers().e == EXPONENT
