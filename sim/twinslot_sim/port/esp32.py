"""`esp32`, as ports/esp32/esp32_partition.c and esp32_nvs.c have it."""

import struct

import _chip
import _rom
from micropython import const

_EINVAL = const(22)
_ENOENT = const(2)
_SECTOR = const(4096)
_TABLE = const(0x8000)


def _partitions():
    """Yields (index, info) from the partition table in flash."""
    entry = bytearray(32)
    for index in range(95):
        _rom.read(_TABLE + 32 * index, entry)
        magic, type_, subtype, address, size, label, flags = struct.unpack("<HBBII16sI", entry)
        if magic != 0x50AA:
            return
        yield index, (type_, subtype, address, size, label.rstrip(b"\0").decode(), bool(flags & 1))


class Partition:
    BOOT = const(0)
    RUNNING = const(1)
    TYPE_APP = const(0)
    TYPE_DATA = const(1)

    def __init__(self, id, block_size=4096):
        if id == 0:
            index = _chip.call(5)[0]
        elif id == 1:
            index = _rom.running
        elif isinstance(id, int) and id >= 0x100:
            index = id - 0x100  # from this module only
        elif isinstance(id, str):
            index = -1
            for type_ in (0, 1):
                for i, info in _partitions():
                    if index < 0 and info[0] == type_ and info[4] == id:
                        index = i
            if index < 0:
                raise OSError(_ENOENT)
        else:
            raise ValueError
        self._index = index
        for i, info in _partitions():
            if i == index:
                self._info = info
        self._block = block_size & 0xFFFF

    @staticmethod
    def find(type=0, subtype=0xFF, label=None, block_size=4096):
        return [
            Partition(0x100 + i, block_size)
            for i, info in _partitions()
            if info[0] == type and subtype in (0xFF, info[1]) and label in (None, info[4])
        ]

    def info(self):
        return self._info

    def _at(self, block, offset, length):
        start = block * self._block + offset
        if start < 0 or start > self._info[3]:
            raise OSError(-258, "ESP_ERR_INVALID_ARG")
        if start + length > self._info[3]:
            raise OSError(-260, "ESP_ERR_INVALID_SIZE")
        return self._info[2] + start

    def readblocks(self, block, buf, offset=0):
        _rom.read(self._at(block, offset, len(buf)), buf)

    def writeblocks(self, block, buf, offset=None):
        address = self._at(block, offset or 0, len(buf))
        if offset is None:
            if len(buf) % _SECTOR:
                raise OSError(-260, "ESP_ERR_INVALID_SIZE")
            _chip.call(4, address, len(buf))
        _chip.call(3, address, payload=buf)

    def ioctl(self, op, arg):
        if op in (1, 2, 3):
            return 0
        if op == 4:
            return self._info[3] // self._block
        if op == 5:
            return self._block
        if op == 6:
            if self._block != _SECTOR:
                return -_EINVAL
            _chip.call(4, self._at(arg, 0, _SECTOR), _SECTOR)
            return 0

    def set_boot(self):
        _chip.call(7, self._index)

    def get_next_update(self):
        return Partition(0x100 + _chip.call(6, self._index)[0])

    @staticmethod
    def mark_app_valid_cancel_rollback():
        _chip.call(8)


class NVS:
    def __init__(self, namespace):
        self._namespace = namespace.encode()

    def _name(self, key):
        return self._namespace + b"\0" + key.encode()

    def set_i32(self, key, value):
        _chip.call(9, value & 0xFFFFFFFF, payload=self._name(key))

    def get_i32(self, key):
        return struct.unpack("<i", _chip.call(10, payload=self._name(key))[1])[0]

    def set_blob(self, key, value):
        _chip.call(11, payload=self._name(key) + b"\0" + bytes(value))

    def get_blob(self, key, buffer):
        data = _chip.call(12, payload=self._name(key))[1]
        if len(data) > len(buffer):
            raise OSError(-0x110C, "ESP_ERR_NVS_INVALID_LENGTH")
        buffer[: len(data)] = data
        return len(data)

    def erase_key(self, key):
        _chip.call(13, payload=self._name(key))

    def commit(self):
        pass
