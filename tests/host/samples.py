"""Images, manifests and signatures, made with nothing of the server's."""

import base64
import hashlib
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa


def make_image(text: bytes = b"one", *, size: int = 0, chip: int = 0, hashed: bool = True, security: int = 0) -> bytes:
    """A good app image of two segments; at least `size` bytes, a multiple of 16 above it."""
    filler = text + bytes(max(0, size - 400))
    segments = (b"\x32\x54\xcd\xab" + struct.pack("<I", security) + bytes(248), filler + bytes(-len(filler) % 4))
    head = struct.pack("<BB10xH9xB", 0xE9, len(segments), chip, hashed)
    body = b"".join(struct.pack("<II", 0x3F400020, len(part)) + part for part in segments)
    checksum = 0xEF
    for byte in b"".join(segments).replace(b"\0", b""):
        checksum ^= byte
    image = head + body
    image += bytes(15 - len(image) % 16) + bytes([checksum])
    return image + hashlib.sha256(image).digest() if hashed else image


def make_manifest(image: bytes, sequence: int, app: str = "kettle", version: str = "1.1.0", **other: int) -> bytes:
    chip, size = other.get("chip", 0), other.get("size", len(image))
    head = struct.pack("<4sBBHIII", b"TWSM", 1, 0, chip, sequence, other.get("security", 0), size)
    texts = b"".join(bytes([len(text.encode())]) + text.encode() for text in (app, version))
    return head + hashlib.sha256(image).digest() + texts


def sign(key: rsa.RSAPrivateKey, manifest: bytes) -> dict[str, str]:
    """The fields of an upload that a publisher signed."""
    signature = key.sign(manifest, padding.PKCS1v15(), hashes.SHA256())
    return {"manifest": base64.b64encode(manifest).decode(), "signature": base64.b64encode(signature).decode()}


def make_specified(
    image: bytes | None, specification: bytes, sequence: int, app: str = "kettle", version: str = "1.1.0"
) -> bytes:
    """The manifest of a specification alone, or of one with an image."""
    if image is None:
        head = struct.pack("<4sBBHIII32s", b"TWSM", 1, 1, 0xFFFF, sequence, 0, 0, bytes(32))
    else:
        head = bytearray(make_manifest(image, sequence)[:52])
        head[5] = 2
    texts = b"".join(bytes([len(text)]) + text.encode() for text in (app, version))
    return bytes(head) + texts + struct.pack("<H", len(specification)) + hashlib.sha256(specification).digest()
