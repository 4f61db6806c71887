"""RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 §8.2.2), RSA-3072: verification only.

The expected encoded message is built and compared whole, so there is no padding to misparse.
"""

import asyncio
from hashlib import sha256

SIZE_BYTES = 384
_DIGEST_INFO = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"


async def verify(modulus: bytes, message: bytes, signature: bytes, exponent: int = 65537) -> bool:
    """Whether `signature` is over `message`, by the key whose modulus (384 bytes, big-endian) is given. It takes about
    0.15 s on a 240 MHz ESP32; the application's tasks have their turn after each bit of the exponent.

    Every key of the protocol has the exponent 65537; some published test keys have another.
    """
    if len(modulus) != SIZE_BYTES or len(signature) != SIZE_BYTES:
        return False
    n = int.from_bytes(modulus, "big")
    s = int.from_bytes(signature, "big")
    if s >= n:
        return False
    tail = _DIGEST_INFO + sha256(message).digest()
    expected = b"\x00\x01" + b"\xff" * (SIZE_BYTES - 3 - len(tail)) + b"\x00" + tail
    power = s
    for bit in "{:b}".format(exponent)[1:]:
        power = power * power % n
        if bit == "1":
            power = power * s % n
        await asyncio.sleep(0)
    return power.to_bytes(SIZE_BYTES, "big") == expected
