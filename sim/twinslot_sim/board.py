"""A simulated ESP32 board: what happens between power on and power off.

The processor is a MicroPython process that runs the device's own code; everything else of the chip is here, at the
other end of the wire that `link.py` describes. Killing this process is a power cut: the processor dies with it, and
what is left is the flash file.
"""

from __future__ import annotations

import asyncio
import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twinslot_sim import bootloader
from twinslot_sim.chip import Chip, Reply, Reset
from twinslot_sim.console import Console
from twinslot_sim.nor import Nor, PowerCut, Probe
from twinslot_sim.processor import Processor
from twinslot_sim.serial_port import SerialPort


class Board:
    """A board with its flash file, its serial port and its access point.

    `time_server` tells Unix seconds when it is asked over the network; there is none at first.
    `on_output` is given everything that the board prints. `cut_at_op`, `keep_bytes`, `like_chip` and `probe` are the
    Nor's; power that is cut returns at once.
    """

    def __init__(
        self,
        flash: Path,
        *,
        interpreter: list[str],
        heap_bytes: int = 128 * 1024,
        cut_at_op: int | None = None,
        keep_bytes: int = 0,
        like_chip: bool = False,
        probe: Probe | None = None,
        on_output: Callable[[bytes], None] | None = None,
    ) -> None:
        self.boots = 0
        self.access_point = True
        self.time_server: Callable[[], int] | None = None
        self._flash = flash
        self._interpreter = interpreter
        self._heap_bytes = heap_bytes
        self._on_output = on_output or (lambda data: None)
        self._like_chip = like_chip
        self._probe = probe
        self._nor = Nor(flash, cut_at_op=cut_at_op, keep_bytes=keep_bytes, like_chip=like_chip, probe=probe)
        self._ops_before = 0
        self._busy_us_before = 0
        self._serial = SerialPort(lambda data: self._console.feed(data))
        self._console = self._new_console()
        self._chip: Chip | None = None
        self._processor: Processor
        self._off = asyncio.Event()

    @property
    def port(self) -> str:
        """The path of the board's serial port."""
        return self._serial.path

    @property
    def nor(self) -> Nor:
        """The flash, since the last power cut."""
        return self._nor

    @property
    def flash_ops(self) -> int:
        """Flash operations since the board was made."""
        return self._ops_before + self._nor.ops

    @property
    def flash_busy_ms(self) -> int:
        """The virtual time that these operations took, in ms."""
        return (self._busy_us_before + self._nor.busy_us) // 1000

    def record(self) -> dict[str, object] | None:
        """The device's own record of updates, as its last commit to NVS left it; None when it has none yet."""
        if self._chip is None or not self._chip.update_record:
            return None
        record: dict[str, object] = json.loads(self._chip.update_record)
        return record

    def power_off(self) -> None:
        """Power is gone at once, as if the cable had been pulled; `run` returns."""
        self._off.set()

    async def run(self) -> None:
        """The board has run until `power_off`; resets and power cuts have happened inside.

        Raises NoBootableImage when the bootloader finds none, NorViolation when the device's code programs bits that
        are not erased.
        """
        try:
            reset = Reset.POWER_ON
            rtc_memory = b""
            while not self._off.is_set():
                try:
                    reset, rtc_memory = await self._boot(reset, rtc_memory)
                except PowerCut:
                    self._power_returns()
                    reset, rtc_memory = Reset.POWER_ON, b""
        finally:
            self._serial.close()
            self._nor.close()

    async def _boot(self, cause: Reset, rtc_memory: bytes) -> tuple[Reset, bytes]:
        """One run of the bootloader and what it started; returns why it ended, and the RTC's memory."""
        self.boots += 1
        booted = bootloader.boot(self._nor)
        for line in booted.log:
            self._say(line.encode() + b"\r\n")
        self._console = self._new_console()
        chip = self._chip = Chip(self._nor, booted, cause, rtc_memory, lambda: self.access_point, self._network_time)
        self._run_main = True
        try:
            while True:
                run_main, self._run_main = self._run_main, True
                end = await self._run_processor(chip, run_main)
                if end is not Reset.SOFT:
                    return end, chip.rtc_memory
                chip.restarted()
        finally:
            chip.close()

    async def _run_processor(self, chip: Chip, run_main: bool) -> Reset:
        """The processor has run until the chip, or the end of power, stopped it."""
        self._processor = Processor(chip, self._console, self._interpreter, self._flash, self._heap_bytes, run_main)
        off = asyncio.ensure_future(self._off.wait())
        ends: set[asyncio.Future[Any]] = {off, chip.ended}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            return chip.ended.result() if chip.ended.done() else Reset.POWER_ON
        finally:
            off.cancel()
            self._processor.kill()

    def _network_time(self) -> Reply:
        if self.time_server is None:
            return -errno.ETIMEDOUT, b""
        return 0, self.time_server().to_bytes(4, "little")

    def _power_returns(self) -> None:
        self._ops_before += self._nor.ops
        self._busy_us_before += self._nor.busy_us
        self._nor.close()
        self._nor = Nor(self._flash, like_chip=self._like_chip, probe=self._probe)

    def _new_console(self) -> Console:
        return Console(
            write=self._say,
            run=lambda code, mode: self._processor.execute(code, mode),
            interrupt=lambda: self._processor.interrupt(),
            interruptible=lambda: self._processor.interruptible(),
            stdin=lambda data: self._processor.stdin(data),
            soft_reset=self._soft_reset,
        )

    def _soft_reset(self, run_main: bool) -> None:
        assert self._chip
        self._run_main = run_main
        self._chip.end(Reset.SOFT)

    def _say(self, data: bytes) -> None:
        self._serial.write(data)
        self._on_output(data)
