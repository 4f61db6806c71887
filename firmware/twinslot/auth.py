"""Who is speaking: requests and answers under the device key (docs/protocol.md, "Authenticating a request").

Pure: the caller brings randomness and transport.
"""

from binascii import hexlify
from hashlib import sha256

from .errors import Unreachable

_BLOCK_BYTES = 64


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """The HMAC of `message`, 32 bytes (RFC 2104; the chip has no `hmac` module)."""
    if len(key) > _BLOCK_BYTES:
        key = sha256(key).digest()
    key = key + bytes(_BLOCK_BYTES - len(key))
    inner = sha256(bytes(b ^ 0x36 for b in key))
    inner.update(message)
    outer = sha256(bytes(b ^ 0x5C for b in key))
    outer.update(inner.digest())
    return outer.digest()


def same(a: str, b: str) -> bool:
    """Whether two texts are equal, in a time that tells nothing about where they differ."""
    difference = len(a) ^ len(b)
    for x, y in zip(a.encode(), b.encode()):
        difference |= x ^ y
    return difference == 0


def _hex(data: bytes) -> str:
    return hexlify(data).decode()


def _mac(key: bytes, lines: tuple[str, ...]) -> str:
    return _hex(hmac_sha256(key, "\n".join(lines).encode()))


def parse_fields(header: str) -> dict[str, str]:
    """The `name="value"` pairs of a header; what is not such a pair is left out."""
    fields = {}
    for part in header.split(","):
        name, equals, value = part.strip().partition("=")
        if equals and len(value) >= 2 and value[0] == value[-1] == '"':
            fields[name] = value[1:-1]
    return fields


class Session:
    """The device's side of the conversation: the server's latest nonce, and the numbers spent under it."""

    def __init__(self, group: str, device: str, key: bytes) -> None:
        self._group = group
        self._device = device
        self._key = key
        self._nonce = ""
        self._seq = 0

    def sign(self, method: str, path: str, body: bytes, cnonce: bytes) -> "tuple[str, str]":
        """The value of the `Authorization` header for a request, and the mac in it, which its answer must name.

        `cnonce` is 16 random bytes, never used before.
        """
        self._seq += 1
        seq, cnonce_hex = str(self._seq), _hex(cnonce)
        lines = ("twinslot-request-1", method, path, self._nonce, seq, cnonce_hex, _hex(sha256(body).digest()))
        mac = _mac(self._key, lines)
        header = 'Twinslot group="{}", device="{}", nonce="{}", seq="{}", cnonce="{}", mac="{}"'.format(
            self._group, self._device, self._nonce, seq, cnonce_hex, mac
        )
        return header, mac

    def verify(self, request_mac: str, status: int, header: str, body: bytes) -> "tuple[int, int]":
        """The answer is the server's, to that request: returns its time (Unix seconds) and poll interval (seconds).

        Raises Unreachable when it is not; then nothing has changed. Else the next request uses the nonce it brought.
        """
        fields = parse_fields(header)
        try:
            nonce, time, poll, mac = fields["nonce"], fields["time"], fields["poll"], fields["mac"]
            time_s, poll_s = int(time), int(poll)
        except (KeyError, ValueError):
            raise Unreachable("the answer is not signed by the server")
        lines = ("twinslot-response-1", str(status), request_mac, nonce, time, poll, _hex(sha256(body).digest()))
        if not same(_mac(self._key, lines), mac):
            raise Unreachable("the answer is not signed by the server")
        if nonce != self._nonce:
            self._nonce = nonce
            self._seq = 0
        return time_s, poll_s
