"""Blobs in NVS that lie in one of two places: what is new goes beside what is in force.

Power loss: a place is written only while nothing in the record names it, and named only after it was read back.
"""

from . import hw
from .errors import TransferError
from .specification import MAX_BYTES


def load(what: str, at: int) -> memoryview:
    """What lies in the place `at`, 0 or 1; empty when nothing can be read there."""
    buffer = memoryview(bytearray(MAX_BYTES))
    return buffer[: hw.load_blob(what + str(at), buffer)]


def save(what: str, at: int, data: bytes) -> None:
    """`data` lies in the place `at`, 0 or 1, and was read back. What the confirmed release names must not be there.

    Raises TransferError when NVS does not take it.
    """
    if load(what, at) == data:
        return
    # CUT: the place is empty or as it was, and nothing names it.
    hw.forget(what + str(at))  # NVS may not have room for three
    # CUT: the place is empty or holds it all, and nothing names it yet; the next try finds that.
    hw.keep(what + str(at), data)
    if load(what, at) != data:
        raise TransferError("NVS lost {}{}".format(what, at))
