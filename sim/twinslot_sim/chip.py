"""What the processor sees of its chip: flash through `esp32.Partition`, NVS, resets, watchdog, RTC, Wi-Fi."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from enum import IntEnum

from twinslot_sim import bootloader, partitions
from twinslot_sim.bootloader import BootResult
from twinslot_sim.errors import EspError
from twinslot_sim.link import START, Op
from twinslot_sim.nor import Nor
from twinslot_sim.nvs import Nvs
from twinslot_sim.partitions import Partition

Reply = tuple[int, bytes]
UPDATE_RECORD = ("twinslot", "state")
"""Where in NVS the device package keeps its record: namespace and key."""


class Reset(IntEnum):
    """Why the processor started, as `machine.reset_cause()` counts (ports/esp32/modmachine.c)."""

    POWER_ON = 1
    HARD = 2
    WATCHDOG = 3
    DEEP_SLEEP = 4
    SOFT = 5


class Chip:
    """The chip between two resets.

    `ended` is done when the processor must stop, with the reason of the next start. `update_record` is the device
    package's record as NVS holds it, empty when there is none; to look at it costs the board nothing.
    """

    def __init__(
        self,
        nor: Nor,
        booted: BootResult,
        cause: Reset,
        rtc_memory: bytes,
        access_point: Callable[[], bool],
        network_time: Callable[[], Reply],
    ) -> None:
        self.cause = cause
        self.rtc_memory = rtc_memory
        self.ended: asyncio.Future[Reset] = asyncio.get_running_loop().create_future()
        self._nor = nor
        self._table = partitions.read(nor)
        self._running = booted.slot
        self._romfs = booted.image.romfs or (0, 0)
        self._access_point = access_point
        self._station_up = False
        self._station_joined = False
        self._clock_offset_s = 946_684_800 - time.time()  # a chip without a battery starts in 2000
        self._watchdog: asyncio.TimerHandle | None = None
        self._watchdog_ms = 0
        nvs = bootloader.nvs_partition(nor)
        self._nvs = Nvs(nor, nvs.offset, nvs.size)
        self.update_record = self._stored_record()
        self._ops: dict[Op, Callable[[int, int, bytes], Reply | None]] = {
            Op.PROGRAM: self._program,
            Op.ERASE: self._erase,
            Op.BOOT_PARTITION: lambda a, b, data: (self._index(bootloader.boot_partition(self._nor)), b""),
            Op.NEXT_UPDATE: lambda a, b, data: (self._index(bootloader.next_update(self._nor, self._table[a])), b""),
            Op.SET_BOOT: self._set_boot,
            Op.MARK_VALID: self._mark_valid,
            Op.NVS_SET_I32: self._nvs_set_i32,
            Op.NVS_GET_I32: lambda a, b, data: (0, self._nvs.get_i32(*_names(data)).to_bytes(4, "little", signed=True)),
            Op.NVS_SET_BLOB: self._nvs_set_blob,
            Op.NVS_GET_BLOB: lambda a, b, data: (0, self._nvs.get_blob(*_names(data))),
            Op.NVS_ERASE: self._nvs_erase,
            Op.RESET: self._reset,
            Op.WDT: self._feed,
            Op.RTC_SET: self._rtc_set,
            Op.RTC_GET: lambda a, b, data: (0, self.rtc_memory),
            Op.WLAN: self._wlan,
            Op.CLOCK: self._clock,
            Op.NETWORK_TIME: lambda a, b, data: network_time(),
        }

    def start_block(self, run_main: bool) -> bytes:
        """The answer to HELLO: where the frozen modules lie, and how the processor came to start."""
        offset, length = self._romfs
        running = self._index(self._running)
        unique_id = bytes.fromhex("2462abfe") + hashlib.sha256(str(self._nor.path).encode()).digest()[:2]
        return START.pack(self._running.offset + offset, length, self.cause, running, run_main, 0, unique_id)

    def handle(self, op: Op, a: int, b: int, payload: bytes) -> Reply | None:
        """The reply to `op`, or None when the processor gets none because it is about to stop."""
        try:
            return self._ops[op](a, b, payload)
        except EspError as error:
            return error.code, error.name.encode()

    def flash_was_read(self, length: int) -> None:
        """The processor has read so many bytes of flash where they lie."""
        self._nor.was_read(length)

    def stretch_was_read(self, address: int, length: int) -> None:
        """Of those that were read, these lie together."""
        self._nor.probe.was_read(address, length)

    def end(self, reset: Reset) -> None:
        """The processor has been told to stop."""
        if not self.ended.done():
            self.ended.set_result(reset)

    def restarted(self) -> None:
        """The processor has begun again after a soft reset, on a chip that went on."""
        self.cause = Reset.SOFT
        self.ended = asyncio.get_running_loop().create_future()

    def close(self) -> None:
        """The watchdog is off, as the power is."""
        if self._watchdog:
            self._watchdog.cancel()

    def _stored_record(self) -> bytes:
        try:
            return self._nvs.get_blob(*UPDATE_RECORD)
        except EspError:
            return b""

    def _index(self, partition: Partition) -> int:
        return self._table.index(partition)

    def _guard_running(self, address: int, length: int) -> None:
        """Writing to the running slot crashes the chip (seen on the real builds)."""
        slot = self._running
        if address < slot.offset + slot.size and address + length > slot.offset:
            self.end(Reset.HARD)

    def _program(self, address: int, _: int, data: bytes) -> Reply | None:
        self._guard_running(address, len(data))
        if self.ended.done():
            return None
        self._nor.program(address, data)
        return 0, b""

    def _erase(self, address: int, length: int, _: bytes) -> Reply | None:
        self._guard_running(address, length)
        if self.ended.done():
            return None
        self._nor.erase(address, length)
        return 0, b""

    def _set_boot(self, index: int, _: int, __: bytes) -> Reply:
        bootloader.set_boot(self._nor, self._table[index])
        return 0, b""

    def _mark_valid(self, _: int, __: int, ___: bytes) -> Reply:
        bootloader.mark_valid(self._nor)
        return 0, b""

    def _nvs_set_i32(self, value: int, _: int, data: bytes) -> Reply:
        self._nvs.set_i32(*_names(data), value - (value >> 31 << 32))
        return 0, b""

    def _nvs_set_blob(self, _: int, __: int, data: bytes) -> Reply:
        namespace, key, value = data.split(b"\0", 2)
        self._nvs.set_blob(namespace.decode(), key.decode(), value)
        if (namespace.decode(), key.decode()) == UPDATE_RECORD:
            self.update_record = value
        return 0, b""

    def _nvs_erase(self, _: int, __: int, data: bytes) -> Reply:
        self._nvs.erase_key(*_names(data))
        return 0, b""

    def _reset(self, sleeps: int, ms: int, _: bytes) -> None:
        if not sleeps:
            self.end(Reset.HARD)
        elif ms:
            asyncio.get_running_loop().call_later(ms / 1000, self.end, Reset.DEEP_SLEEP)

    def _feed(self, timeout_ms: int, _: int, __: bytes) -> Reply:
        self.close()
        self._watchdog_ms = timeout_ms or self._watchdog_ms
        self._watchdog = asyncio.get_running_loop().call_later(self._watchdog_ms / 1000, self.end, Reset.WATCHDOG)
        return 0, b""

    def _rtc_set(self, _: int, __: int, data: bytes) -> Reply:
        self.rtc_memory = data
        return 0, b""

    def _wlan(self, action: int, _: int, __: bytes) -> Reply:
        if action in (1, 2):
            self._station_up = action == 1
        if action in (2, 4):
            self._station_joined = False
        self._station_joined |= action == 3
        return self._station_up | (self._station_joined and self._access_point()) << 1, b""

    def _clock(self, sets: int, seconds: int, _: bytes) -> Reply:
        if sets:
            self._clock_offset_s = seconds - time.time()
        return 0, int(time.time() + self._clock_offset_s).to_bytes(4, "little")


def _names(data: bytes) -> tuple[str, str]:
    namespace, key = data.split(b"\0")
    return namespace.decode(), key.decode()
