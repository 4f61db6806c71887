"""`ntptime`, which a chip's firmware brings (extmod's bundle-networking): a time server, when the simulator has one."""

import _chip

_FROM_1900_S = 2208988800
_IN_2024_S = 3913056000


def time():
    """Unix seconds by the protocol's 32 bits from 1900 on. As in micropython-lib, what lies before 2024 is taken to be
    beyond their end, in 2036."""
    told = int.from_bytes(_chip.call(22)[1], "little") + _FROM_1900_S & 0xFFFFFFFF
    return told + (0x100000000 if told < _IN_2024_S else 0) - _FROM_1900_S
