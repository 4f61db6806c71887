"""Ctrl-C at a board that is busy: its program ends, and the heap is what it was."""

from __future__ import annotations

from pathlib import Path

from twinslot_sim import applications, factory

from ..e2e.lab import Bench

ROUNDS = 8
COLLECTS_GARBAGE = b"""
import gc, time
kept = [[] for _ in range(2000)]
print("collecting")
while True:
    for _ in range(10):
        gc.collect()
    time.time()  # asks the chip
"""
LOOPS = b"""
print("looping")
while True:
    pass
"""


async def test_interrupt_never_strikes_while_garbage_is_collected(tmp_path: Path) -> None:
    flash = tmp_path / "board.bin"
    factory.make_flash(flash, applications.micropython(), {"/main.py": COLLECTS_GARBAGE})
    async with Bench(flash) as bench:
        with open(bench.board.port, "wb", buffering=0) as port:  # noqa: ASYNC230, PTH123 - at once
            for number in range(1, ROUNDS + 1):
                await bench.says(f"(?s)(collecting.*){{{number}}}")
                port.write(f"\x03print('alive', {number}, sum([1] * 300))\r".encode())
                await bench.says(f"alive {number} 300")
                port.write(b"\x04")
        assert "MemoryError" not in bench.log and bench.board.boots == 1


async def test_loop_that_waits_for_nothing_is_interrupted_all_the_same(tmp_path: Path) -> None:
    flash = tmp_path / "board.bin"
    factory.make_flash(flash, applications.micropython(), {"/main.py": LOOPS})
    async with Bench(flash) as bench:
        await bench.says("looping")
        with open(bench.board.port, "wb", buffering=0) as port:  # noqa: ASYNC230, PTH123 - at once
            port.write(b"\x03print('alive', 300)\r")
            await bench.says("alive 300")
