"""Transfer links: an address that needs no other credential, until it expires."""

import hmac
import re

_EXPIRES = re.compile(r"[0-9]{1,12}", re.ASCII)


def path(secret: bytes, sha256: str, now_s: int, life_s: int) -> str:
    """The path and query under which the content of that hex digest can be fetched for the next `life_s` seconds."""
    expires = str(now_s + life_s)
    return f"/device/v1/transfers/{sha256}?expires={expires}&key={_key(secret, sha256, expires)}"


def allows(secret: bytes, sha256: str, expires: str, key: str, now_s: int) -> bool:
    """Whether this server made the link, and it has not expired."""
    if not _EXPIRES.fullmatch(expires) or not key.isascii():
        return False
    return hmac.compare_digest(key, _key(secret, sha256, expires)) and now_s <= int(expires)


def _key(secret: bytes, sha256: str, expires: str) -> str:
    return hmac.digest(secret, "\n".join(("twinslot-transfer-1", sha256, expires)).encode(), "sha256").hex()
