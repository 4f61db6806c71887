"""The ops of the wire between the simulated processor (a MicroPython process) and the rest of the chip."""

import struct
from enum import IntEnum

REQUEST = struct.Struct("<BBHIIII")
REPLY = struct.Struct("<HHiI")


class Op(IntEnum):
    """What the processor can ask for; a and b are the request's arguments.

    The processor reads flash where it lies; the third argument is how many bytes it has read since the last request.
    """

    HELLO = 1  # → payload: `START` below
    READ = 2  # a address, b length, of what was read in one go; has no reply
    PROGRAM = 3  # a address; payload: bytes
    ERASE = 4  # a address, b length
    BOOT_PARTITION = 5  # → status: index of the partition
    NEXT_UPDATE = 6  # a index of the partition to start from → status: index
    SET_BOOT = 7  # a index of the partition
    MARK_VALID = 8
    NVS_SET_I32 = 9  # a value; payload: namespace NUL key
    NVS_GET_I32 = 10  # payload: namespace NUL key → payload: i32
    NVS_SET_BLOB = 11  # payload: namespace NUL key NUL bytes
    NVS_GET_BLOB = 12  # payload: namespace NUL key → bytes
    NVS_ERASE = 13  # payload: namespace NUL key
    RESET = 14  # a 1: deep sleep for b ms first
    WDT = 15  # a timeout in ms starts it; 0 feeds it
    RTC_SET = 16  # payload: RTC memory
    RTC_GET = 17  # → RTC memory
    WLAN = 18  # a 0: state, 1: up, 2: down, 3: connect, 4: disconnect → status: bit 0 active, bit 1 connected
    IDLE = 19  # a 1 when a program ended, 2 after code from the prompt (payload: its error)
    #            → payload: code to run, status 0 as a file, 1 as an interactive line
    CLOCK = 20  # a 0: read, 1: set to b seconds since 1970 → payload: u32 seconds since 1970
    PROGRAM_STARTS = 21  # boot.py is next, and Ctrl-C will stop it
    NETWORK_TIME = 22  # → payload: u32 seconds since 1970, by a time server on the network


START = struct.Struct("<IIBBBB6sxx")
"""Offset and length in flash of the running slot's frozen modules, reset cause, index of the running partition,
whether main.py runs, 0, unique id."""
