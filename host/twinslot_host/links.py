"""Links to transfers and packages: addresses that need no other credential, until they expire."""

import hmac
import re
from typing import Literal

Kind = Literal["transfer", "package"]

_EXPIRES = re.compile(r"[0-9]{1,12}", re.ASCII)


def path(secret: bytes, what: str, now_s: int, life_s: int, kind: Kind = "transfer") -> str:
    """The path and query under which `what` can be fetched for the next `life_s` seconds: the content of that hex
    digest, or the package of that id."""
    expires = str(now_s + life_s)
    return f"/device/v1/{kind}s/{what}?expires={expires}&key={_key(secret, kind, what, expires)}"


def allows(secret: bytes, what: str, expires: str, key: str, now_s: int, kind: Kind = "transfer") -> bool:
    """Whether this server made the link, for something of that kind, and it has not expired."""
    if not _EXPIRES.fullmatch(expires) or not key.isascii():
        return False
    return hmac.compare_digest(key, _key(secret, kind, what, expires)) and now_s <= int(expires)


def _key(secret: bytes, kind: Kind, what: str, expires: str) -> str:
    return hmac.digest(secret, "\n".join((f"twinslot-{kind}-1", what, expires)).encode(), "sha256").hex()
