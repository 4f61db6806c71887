"""The wire from the chip's processor to the rest of the chip: a socket, whose descriptor comes first in the argument.

A request is `<BBHIIII`: op, unused, call number, three arguments, payload length; then the payload. A reply is
`<HHiI`: call number, unused, status, payload length; then the payload. A negative status is an error whose payload
is its name (or nothing). `link.py` on the other side lists the ops.
"""

import struct
import sys

from micropython import const

_REQUEST = const("<BBHIIII")
_REPLY = const("<HHiI")
_REPLY_LEN = const(12)

_link = open(int(sys.argv[1].split()[0]), "r+b")
_head = bytearray(20)
_reply = bytearray(_REPLY_LEN)
_number = 0
_TOLD = const(512)  # shorter stretches of what is read are only counted
_bytes_read = 0  # bytes of flash since the last request
_from = _to = 0  # the last stretch of them


def _read(view):
    got = 0
    interrupted = False
    while got < len(view):
        try:
            n = _link.readinto(view[got:])
        except KeyboardInterrupt:
            interrupted = True  # finish the reply first, or the next call would read it
            continue
        if not n:
            raise SystemExit  # the chip lost its power
        got += n
    return interrupted


def was_read(address, length):
    """The rest of the chip will hear of it."""
    global _bytes_read, _from, _to
    if address != _to:
        _tell()
        _from = address
    _to = address + length
    _bytes_read += length


def _tell():
    """The rest of the chip knows which stretch was read last."""
    global _from
    if _to - _from >= _TOLD:
        _send(2, _from, _to - _from, b"")
    _from = _to


def _send(op, a, b, payload):
    global _number, _bytes_read
    _number = (_number + 1) & 0xFFFF
    struct.pack_into(_REQUEST, _head, 0, op, 0, _number, a, b, _bytes_read, len(payload))
    _bytes_read = 0
    _link.write(_head)
    if len(payload):
        _link.write(payload)


def call(op, a=0, b=0, payload=b""):
    """The rest of the chip has carried out `op`; returns (status, reply payload).

    Raises OSError with the chip's code and name.
    """
    _tell()
    _send(op, a, b, payload)
    interrupted = False
    while True:
        interrupted |= _read(memoryview(_reply))
        number, _, status, length = struct.unpack(_REPLY, _reply)
        data = bytearray(length)
        interrupted |= _read(memoryview(data))
        if number == _number:  # else: the reply to a call that Ctrl-C cut off
            break
    if interrupted:
        raise KeyboardInterrupt
    if status < 0:
        if data:
            raise OSError(status, data.decode())
        raise OSError(-status)
    return status, data
