"""`time` as on a chip, whose clock is its own."""

import _chip
import utime
from utime import *  # noqa: F403


def time():
    return int.from_bytes(_chip.call(20)[1], "little")


def gmtime(seconds=None):
    """Of a time that a chip's takes: none before its epoch, and 31 bits from 2000 on (extmod/modtime.c: a word with its
    sign in 1.25, one without by now)."""
    seconds = time() if seconds is None else seconds
    if not 0 <= seconds < 946684800 + (1 << 31):
        raise OverflowError("overflow converting long int to machine word")
    return utime.gmtime(seconds)


localtime = gmtime
