"""The simulated chip as an application on a board meets it. `tests/sim/seen.py` has it call by call."""

from __future__ import annotations

from .conftest import Site
from .lab import Bench, Flash, app_image, own_image

WORD_OF_APP = "def main():\n    import sys\n    print('this is', __name__, sys.modules['app'].WORD)\nWORD = '{}'\n"

RUNNING_SLOT = """
from esp32 import Partition
def main():
    import os
    if "tried" in os.listdir("/"):
        print("up again")
        return
    open("/tried", "w").close()
    Partition(Partition.RUNNING).ioctl(6, 0)
    print("never")
"""


async def test_erasing_the_running_slot_crashes_the_chip_and_changes_nothing(site: Site) -> None:
    image = own_image("1.0.0", RUNNING_SLOT)
    flash = site.flash(start=image)
    async with Bench(flash) as bench:
        await bench.says("up again")
    assert "never" not in bench.log
    assert bench.board.boots == 2
    assert Flash(flash).holds("ota_0", image)


async def test_file_in_the_root_wins_over_frozen_code_which_wins_over_lib(site: Site) -> None:
    frozen = own_image("1.0.0", WORD_OF_APP.format("frozen"))
    lib = {"/lib/app.py": WORD_OF_APP.format("lib").encode()}
    async with Bench(site.flash("a", start=frozen, files=lib)) as bench:
        await bench.says("this is app frozen")
    root = {"/app.py": WORD_OF_APP.format("root").encode(), **lib}
    async with Bench(site.flash("b", start=frozen, files=root)) as bench:
        await bench.says("this is app root")


SOFT = """
import machine, os
def main():
    n = len([f for f in os.listdir("/") if f.startswith("soft")])
    if "trial" in open("/role").read() and n < 2:
        open("/soft%d" % n, "w").close()
        machine.soft_reset()
    import asyncio, twinslot
    print("cause", machine.reset_cause())
    asyncio.run(twinslot.Agent().run())
"""


async def test_soft_reset_does_not_roll_back_a_trial(site: Site) -> None:
    start = own_image("1.0.0", SOFT.replace('open("/role").read()', '""'))
    flash = site.flash(start=start, files={"/role": b"trial"})
    site.publish(own_image("1.1.0", SOFT), "1.1.0")
    async with Bench(flash) as bench:
        await bench.confirmed("1.1.0")
    assert "cause 5" in bench.log
    assert bench.board.boots == 2
    assert Flash(flash).boot == "ota_1"


SLEEPER = """
import machine
rtc = machine.RTC()
def main():
    print("woke", machine.reset_cause(), len(rtc.memory()))
    rtc.memory(rtc.memory() + b"x")
    if len(rtc.memory()) < 3:
        machine.deepsleep(50)
"""


async def test_deep_sleep_keeps_rtc_memory_and_tells_its_cause(site: Site) -> None:
    async with Bench(site.flash(start=own_image("1.0.0", SLEEPER))) as bench:
        await bench.says("woke 4 2")
    assert [line for line in bench.log.splitlines() if line.startswith("woke")] == ["woke 1 0", "woke 4 1", "woke 4 2"]


async def test_erased_file_system_is_made_anew_and_the_frozen_application_runs(site: Site) -> None:
    flash = site.flash(start=own_image("1.0.0", "def main():\n    print('alive')\n"))
    data = bytearray(flash.read_bytes())
    data[3211264:] = b"\xff" * 983040
    flash.write_bytes(data)
    async with Bench(flash) as bench:
        await bench.says(">>> ")
    assert "Traceback" not in bench.log


async def test_clock_is_set_when_it_is_off_and_left_alone_when_it_is_not(site: Site) -> None:
    source = """
import machine, time
from twinslot import hw
def main():
    before = machine.RTC().datetime()[0]
    hw.set_clock(int(time.time()))
    print("clock", before, machine.RTC().datetime()[0])
    hw.set_clock(2_000_000_000)
    print("set", machine.RTC().datetime()[:6])
"""
    async with Bench(site.flash(start=own_image("1.0.0", source))) as bench:
        await bench.says(r"\nset ")
    assert "clock 2000 2000\nset (2033, 5, 18, 2, 3, 33)" in bench.log


async def test_clock_is_not_behind_the_configuration_before_the_first_connection(site: Site) -> None:
    source = """
import machine, twinslot
from twinslot.clock import Clock
def main():
    twinslot.Agent()
    print("made", machine.RTC().datetime()[:6])
    Clock(1)
    print("kept", machine.RTC().datetime()[:6])
"""
    async with Bench(site.flash(start=own_image("1.0.0", source), ca="/ca.pem", clock_s=2_000_000_000)) as bench:
        await bench.says(r"\nkept ")
    assert "made (2033, 5, 18, 2, 3, 33)\nkept (2033, 5, 18, 2, 3, 33)" in bench.log


async def test_heap_is_128_kib_without_what_the_stand_ins_take_and_words_have_four_bytes(site: Site) -> None:
    boot = b"import gc, sys\ngc.collect()\nprint('free', gc.mem_free(), sys.maxsize)\n"
    async with Bench(site.flash(files={"/boot.py": boot})) as bench:
        await bench.says(r"free 12[5-9]\d\d\d 2147483647")


async def test_update_works_with_the_application_in_128_kib(site: Site) -> None:
    flash = site.flash()
    site.publish(app_image("1.1.0", size_bytes=1_000_000), "1.1.0")
    async with Bench(flash, heap_bytes=128 * 1024) as bench:
        await bench.confirmed("1.1.0")
    assert "MemoryError" not in bench.log
    assert Flash(flash).boot == "ota_1"
