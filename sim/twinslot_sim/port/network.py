"""`network.WLAN` for a station whose access point comes and goes as the simulator says."""

import _chip
from micropython import const

STA_IF = const(0)
AP_IF = const(1)
STAT_IDLE = const(1000)
STAT_CONNECTING = const(1001)
STAT_GOT_IP = const(1010)
STAT_NO_AP_FOUND = const(201)


class WLAN:
    IF_STA = STA_IF
    IF_AP = AP_IF

    def __init__(self, interface=STA_IF):
        self._interface = interface

    def active(self, up=None):
        if up is not None:
            _chip.call(18, 1 if up else 2)
        return bool(_chip.call(18)[0] & 1)

    def connect(self, ssid=None, key=None, *, bssid=None):
        if not _chip.call(18)[0] & 1:
            raise OSError("Wifi Not Started")
        _chip.call(18, 3)

    def disconnect(self):
        _chip.call(18, 4)

    def isconnected(self):
        return bool(_chip.call(18)[0] & 2)

    def status(self):
        return STAT_GOT_IP if self.isconnected() else STAT_NO_AP_FOUND

    def ifconfig(self):
        return ("127.0.0.1", "255.0.0.0", "127.0.0.1", "127.0.0.1")
