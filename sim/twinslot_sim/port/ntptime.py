"""`ntptime`, which a chip's firmware brings (extmod's bundle-networking): a time server, when the simulator has one."""

import _chip


def time():
    return int.from_bytes(_chip.call(22)[1], "little")
