"""The simulated chip as device code sees it: the rows marked *seen* of the real builds, called on a board."""

from __future__ import annotations

import json
import re
from typing import Any

from .conftest import Site
from .lab import Bench, Flash, app_image, own_image

CALLS = """
import json, machine, os, sys
from esp32 import NVS, Partition
P = Partition
out = {}
def note(name, call):
    try:
        value = call()
        out[name] = value if not isinstance(value, (tuple, bytes)) else list(value)
    except OSError as error:
        out[name] = {"OSError": list(error.args)}
    except Exception as error:
        out[name] = type(error).__name__
running = P(P.RUNNING)
other = running.get_next_update()
sector = bytearray(4096)
note("find", lambda: [p.info()[4] for p in P.find()])
note("find data", lambda: [p.info() for p in P.find(P.TYPE_DATA)])
note("find nothing", lambda: P.find(P.TYPE_DATA, 77))
note("find by label", lambda: P.find(P.TYPE_DATA, label="vfs")[0].info())
note("unknown label", lambda: P("nope"))
note("running", lambda: running.info())
note("boot", lambda: P(P.BOOT).info())
note("other", lambda: other.info())
note("same slot, two objects", lambda: P("ota_0") == P("ota_0"))
note("two sectors", lambda: other.writeblocks(0, bytearray(8192)))
note("erased by a write", lambda: (other.writeblocks(0, b"\\x0f" * 4096), other.writeblocks(0, b"\\xf0" * 4096), other.readblocks(0, sector), sector[0])[3])
note("half a sector", lambda: other.writeblocks(0, bytearray(100)))
note("past the end", lambda: other.writeblocks(383, bytearray(8192)))
note("block -1", lambda: other.readblocks(-1, sector))
note("read past the end", lambda: other.readblocks(383, bytearray(8192)))
note("blocks", lambda: (other.ioctl(4, 0), other.ioctl(5, 0), other.ioctl(1, 0), other.ioctl(2, 0), other.ioctl(3, 0)))
note("erase", lambda: (other.ioctl(6, 0), other.readblocks(0, sector), sector[0]))
note("erase, small blocks", lambda: P("ota_1", 512).ioctl(6, 0))
note("block size 65536", lambda: P("ota_1", 65536).ioctl(5, 0))
note("write across a block's end", lambda: (other.writeblocks(0, b"\\x0f\\x0f", 4095), other.readblocks(1, sector), sector[0]))
note("bits are cleared, never set", lambda: (other.writeblocks(0, b"\\xf0", 4095), other.readblocks(0, sector), sector[4095]))
note("set_boot, no image", lambda: other.set_boot())
note("set_boot, data", lambda: P("vfs").set_boot())
note("boot unchanged", lambda: P(P.BOOT).info()[4])
note("mark valid", lambda: P.mark_app_valid_cancel_rollback())
note("reset cause", lambda: machine.reset_cause())
note("unique id", lambda: len(machine.unique_id()))
nvs = NVS("test")
note("nvs none", lambda: nvs.get_i32("k"))
note("nvs i32", lambda: (nvs.set_i32("k", -5), nvs.commit(), nvs.get_i32("k"))[2])
note("nvs blob", lambda: (nvs.set_blob("b", b"abc"), nvs.get_blob("b", sector), bytes(sector[:3]) == b"abc")[1:])
note("nvs erase", lambda: (nvs.erase_key("k"), nvs.get_i32("k")))
note("memory", lambda: machine.RTC().memory())
note("year", lambda: machine.RTC().datetime()[0])
def main():
    print("OUT", json.dumps(out))
"""
WORD_OF_APP = "def main():\n    import sys\n    print('this is', __name__, sys.modules['app'].WORD)\nWORD = '{}'\n"
VFS = [1, 129, 3211264, 983040, "vfs", False]


async def _out(bench: Bench) -> dict[str, Any]:
    await bench.says(r"OUT (.*)\n")
    found = re.search(r"OUT (.*)\n", bench.log)
    assert found
    answers: dict[str, Any] = json.loads(found[1])
    return answers


async def test_partition_and_nvs_answer_as_seen_on_the_real_builds(site: Site) -> None:
    async with Bench(site.flash(start=own_image("1.0.0", CALLS)), like_chip=True) as bench:
        out = await _out(bench)
    assert out == {
        "find": ["ota_0", "ota_1"],
        "find data": [
            [1, 2, 36864, 16384, "nvs", False],
            [1, 0, 53248, 8192, "otadata", False],
            [1, 1, 61440, 4096, "phy_init", False],
            VFS,
        ],
        "find nothing": [],
        "find by label": VFS,
        "unknown label": {"OSError": [2]},
        "running": [0, 16, 65536, 1572864, "ota_0", False],
        "boot": [0, 16, 65536, 1572864, "ota_0", False],
        "other": [0, 17, 1638400, 1572864, "ota_1", False],
        "same slot, two objects": False,
        "two sectors": None,
        "erased by a write": 0xF0,
        "half a sector": {"OSError": [-260, "ESP_ERR_INVALID_SIZE"]},
        "past the end": {"OSError": [-260, "ESP_ERR_INVALID_SIZE"]},
        "block -1": {"OSError": [-258, "ESP_ERR_INVALID_ARG"]},
        "read past the end": {"OSError": [-260, "ESP_ERR_INVALID_SIZE"]},
        "blocks": [384, 4096, 0, 0, 0],
        "erase": [0, None, 0xFF],
        "erase, small blocks": -22,
        "block size 65536": 0,
        "write across a block's end": [None, None, 0x00],
        "bits are cleared, never set": [None, None, 0x00],
        "set_boot, no image": {"OSError": [-5379, "ESP_ERR_OTA_VALIDATE_FAILED"]},
        "set_boot, data": {"OSError": [-5379, "ESP_ERR_OTA_VALIDATE_FAILED"]},
        "boot unchanged": "ota_0",
        "mark valid": None,
        "reset cause": 1,
        "unique id": 6,
        "nvs none": {"OSError": [-4354, "ESP_ERR_NVS_NOT_FOUND"]},
        "nvs i32": -5,
        "nvs blob": [3, True],
        "nvs erase": {"OSError": [-4354, "ESP_ERR_NVS_NOT_FOUND"]},
        "memory": [],
        "year": 2000,
    }


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
