"""`machine`: reset and its causes (ports/esp32/modmachine.c), the watchdog, deep sleep, the RTC."""

import time

import _chip
import _rom
from micropython import const

PWRON_RESET = const(1)
HARD_RESET = const(2)
WDT_RESET = const(3)
DEEPSLEEP_RESET = const(4)
SOFT_RESET = const(5)


def reset_cause():
    return _rom.reset_cause


def unique_id():
    return _rom.unique_id


def reset():
    _chip.call(14)


def soft_reset():
    raise SystemExit


def deepsleep(time_ms=0):
    _chip.call(14, 1, time_ms)


def idle():
    time.sleep_ms(1)


class WDT:
    def __init__(self, id=0, timeout=5000):
        if id != 0 or timeout <= 0:
            raise ValueError
        _chip.call(15, timeout)

    def feed(self):
        _chip.call(15)


class RTC:
    def datetime(self, value=None):
        if value is None:
            y, mo, d, h, mi, s, wd = time.gmtime()[:7]
            return y, mo, d, wd, h, mi, s, 0
        y, mo, d, _, h, mi, s = value[:7]
        _chip.call(20, 1, time.mktime((y, mo, d, h, mi, s, 0, 0)))

    def memory(self, value=None):
        if value is None:
            return bytes(_chip.call(17)[1])
        if len(value) > 2048:
            raise ValueError("buffer too long")
        _chip.call(16, payload=value)
