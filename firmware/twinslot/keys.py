"""The keys that this board trusts: the configured ones, until a confirmed release has changed them.

The whole set that a release leads to lies in NVS as `keys0` or `keys1` (`places.py`), moduli of 384 bytes. The
release's `keys` in the record names the place, and by its digest the configured list that the set is to replace. A
board that is provisioned again begins anew with the list that it gets, be it the same one, even if the set is lost.
"""

from binascii import hexlify
from hashlib import sha256

from micropython import const

from . import places
from .log import log
from .rsa import SIZE_BYTES

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from .config import Config


def digest(config: "Config") -> str:
    """What stands for the configured list, and when it was provisioned, in the record: 16 hex digits."""
    return hexlify(sha256(b"".join(config.trusted) + str(config.clock_s or "").encode()).digest()[:8]).decode()


def trusted(config: "Config", confirmed: dict) -> "list[bytes]":
    """The moduli that count while the record keeps `confirmed`. None at all when NVS has lost them: those that were
    retired must not come back."""
    place, configured = confirmed.get("keys") or (0, "")
    if configured != digest(config):
        return config.trusted
    data = bytes(places.load("keys", place))
    if not data:
        log("the trusted keys can't be read; provision the board again")
    return [data[at : at + SIZE_BYTES] for at in range(0, len(data), SIZE_BYTES)]
