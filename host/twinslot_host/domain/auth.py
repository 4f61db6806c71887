"""How a device proves itself and how an answer does (docs/protocol.md, "Authenticating …")."""

import hashlib
import hmac
import re
from dataclasses import dataclass

from twinslot_host.domain.names import DEVICE_ID, GROUP_ID

_NONCE_MAC_DIGITS = 32
_PARAMETER = re.compile(r'\s*([a-z]+)="([^"]*)"\s*', re.ASCII)
_FORMS = {
    "group": GROUP_ID,
    "device": DEVICE_ID,
    "nonce": re.compile(r"[0-9a-f.]{0,64}", re.ASCII),
    "seq": re.compile(r"[1-9][0-9]{0,15}", re.ASCII),
    "cnonce": re.compile(r"[0-9a-f]{32}", re.ASCII),
    "mac": re.compile(r"[0-9a-f]{64}", re.ASCII),
}


@dataclass(frozen=True)
class Claim:
    """What a request's Authorization header says; nothing of it is proven yet."""

    group: str
    device: str
    nonce: str
    seq: str
    cnonce: str
    mac: str


def parse_claim(header: str) -> Claim | None:
    """The claim, or None when the header is not a complete one of the scheme `Twinslot`."""
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "twinslot":
        return None
    found: dict[str, str] = {}
    for part in rest.split(","):
        match = _PARAMETER.fullmatch(part)
        if match is None or match[1] in found:
            return None
        found[match[1]] = match[2]
    if found.keys() != _FORMS.keys() or not all(_FORMS[key].fullmatch(text) for key, text in found.items()):
        return None
    return Claim(**found)


def device_key(token: str, device: str) -> bytes:
    """The 32 bytes that a board of the group holds in the token's place."""
    return hmac.digest(token.encode(), device.encode(), "sha256")


def request_text(method: str, path: str, nonce: str, seq: str, cnonce: str, body: bytes) -> bytes:
    """The lines that a request's mac covers. `path` is as sent, with its query."""
    return "\n".join(
        ("twinslot-request-1", method, path, nonce, seq, cnonce, hashlib.sha256(body).hexdigest())
    ).encode()


def response_text(status: int, request_mac: str, nonce: str, time_s: int, poll_s: int, body: bytes) -> bytes:
    """The lines that an answer's mac covers."""
    digest = hashlib.sha256(body).hexdigest()
    return "\n".join(
        ("twinslot-response-1", f"{status:03}", request_mac, nonce, str(time_s), str(poll_s), digest)
    ).encode()


def mac(key: bytes, text: bytes) -> str:
    """HMAC-SHA256 in hex."""
    return hmac.digest(key, text, "sha256").hex()


def make_nonce(secret: bytes, group: str, device: str, issued_us: int) -> str:
    """A nonce for that device alone, which tells when it was issued, in microseconds, and can't be made up."""
    issued = f"{issued_us:x}"
    return f"{issued}.{_nonce_mac(secret, group, device, issued)}"


def read_nonce(secret: bytes, group: str, device: str, nonce: str) -> int | None:
    """When this server issued the nonce to that device, in microseconds; None when it did not."""
    issued, _, proof = nonce.partition(".")
    if not issued or not hmac.compare_digest(proof, _nonce_mac(secret, group, device, issued)):
        return None
    return int(issued, 16)


def _nonce_mac(secret: bytes, group: str, device: str, issued: str) -> str:
    return mac(secret, "\n".join(("twinslot-nonce-1", group, device, issued)).encode())[:_NONCE_MAC_DIGITS]


def same(proof: str, claimed: str) -> bool:
    """Whether the two macs are equal, found out in a time that does not depend on where they differ."""
    return hmac.compare_digest(proof, claimed)
