"""The clock that certificates are valid by, and what it is never behind. A chip without a battery starts in 2000.

The floor lies in NVS: two u32 of Unix seconds, the `clock_s` of the configuration that it belongs to (so that a board
which is provisioned again begins anew), and the floor.

Power loss: NVS has the old floor or the new one.
"""

import struct

from micropython import const

from . import hw
from .errors import TransferError

_FLOOR = "clock"
_FORM = "<II"
_DAY_S = const(86400)
_STEP_S = const(7 * 86400)
_END_S = const(3000000000)  # 2065: a chip's `gmtime` takes 31 bits from 2000 on, and raises OverflowError


class Clock:
    """Never behind the time of provisioning, `provisioned_s`, nor behind what was learned since then; 0 for a board
    without https, which keeps nothing of it. All times are Unix seconds."""

    def __init__(self, provisioned_s: int) -> None:
        stored = bytearray(8)
        hw.load_blob(_FLOOR, stored)
        since_s, floor_s = struct.unpack(_FORM, stored)
        self._provisioned_s = provisioned_s
        self._floor_s: int = floor_s if since_s == provisioned_s else provisioned_s
        self._set(hw.clock_s())

    def _set(self, unix_s: int) -> int:
        """What the clock shows from now on: `unix_s`, or the floor where that is behind it or no time of a chip's."""
        unix_s = max(unix_s if unix_s < _END_S else 0, self._floor_s)
        hw.set_clock(unix_s)
        return unix_s

    def told(self, unix_s: int, shown_s: int) -> None:
        """The clock shows `unix_s`, which a server has signed; and that is what it is not behind at later starts, give
        or take a day.

        The server's certificate was valid at `shown_s`. More than a week beyond that nothing is kept, so that a server
        whose clock is wrong takes the floor to a week after its certificate's end at most: there no certificate could
        put it right.
        """
        floor_s = min(self._set(unix_s), shown_s + _STEP_S)
        if self._provisioned_s and floor_s - self._floor_s >= _DAY_S:
            try:
                # CUT: the floor is the old one or the new one.
                hw.keep(_FLOOR, struct.pack(_FORM, self._provisioned_s, floor_s))
                self._floor_s = floor_s
            except TransferError:
                pass  # NVS is full; the older one will do

    def doubt(self) -> None:
        """A certificate is not valid by the clock: it shows what a time server tells, the floor when none does, or none
        that can be."""
        self._set(hw.network_time_s())
