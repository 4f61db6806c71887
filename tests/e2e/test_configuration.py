"""A specification's way to a board alone, without an image, and back when the application does not cope with it: real
boards, and a server that signs what the test says. Each test ends by looking at what NVS and the slots hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from twinslot_tools.board_files import board_files

from .configuring import NEW, OLD, VALID, Kettle, app, in_force, in_nvs, said, with_habit
from .lab import Bench, Flash, own_image


async def test_specification_is_given_proven_confirmed_and_in_force_after_a_power_cycle(kettle: Kettle) -> None:
    flash = kettle.flash()
    kettle.offer(NEW)
    async with Bench(flash) as bench:
        await bench.confirmed("1.200.0")
        await bench.until(lambda: kettle.server.checks[-1]["state"] == "idle" and len(kettle.server.checks) > 3)
    new = NEW.decode()
    expected = ["at start null", f"at start {new}", f"configured {new}", "self-test"]
    assert said(bench, "at start", "configured", "self-test") == expected
    assert bench.board.boots == 2
    last = kettle.server.checks[-1]
    assert (last["version"], last["confirmed_version"], last["sequence"], last["image"]) == (
        *("1.200.0", "1.200.0"),
        *(200, None),
    )
    async with Bench(flash) as bench:
        await bench.says("configured")
    assert said(bench, "at start", "configured") == [f"at start {new}", f"configured {new}"]
    assert in_force(flash) == ("1.200.0", NEW)
    assert in_nvs(flash)["spec_state"] == VALID
    assert (Flash(flash).boot, Flash(flash).states) == ("ota_0", {"ota_0": "VALID"})
    assert Flash(flash).is_erased("ota_1")


async def test_next_specification_lies_in_the_other_place(kettle: Kettle) -> None:
    flash = await kettle.configured()
    kettle.offer(NEW)
    async with Bench(flash) as bench:
        await bench.confirmed("1.200.0")
    assert (in_nvs(flash)["spec0"], in_nvs(flash)["spec1"]) == (OLD, NEW)
    kettle.offer(b"[3]", 300)
    async with Bench(flash) as bench:
        await bench.confirmed("1.300.0")
    assert (in_nvs(flash)["spec0"], in_nvs(flash)["spec1"]) == (b"[3]", NEW)
    assert in_force(flash) == ("1.300.0", b"[3]")


@pytest.mark.parametrize(
    ("habit", "reason", "trial_s"),
    [
        ("crash", "crash", 8),
        ("hang", "watchdog", 1),
        ("raise", "configure", 300),  # at once: nobody waits for the deadline
        ("wait", "expired", 2),
    ],
)
async def test_specification_that_does_not_work_is_rolled_back_and_not_tried_again(
    habit: str, reason: str, trial_s: int, kettle: Kettle
) -> None:
    flash = await kettle.configured(trial_s=trial_s)
    kettle.offer(with_habit(habit))
    async with Bench(flash) as bench:
        await bench.says(f"rolled back 1.200.0: {reason}")
        await bench.until(lambda: kettle.reported("refused"))
    assert kettle.reported("rolled_back") == [("1.200.0", reason)]
    assert kettle.reported("refused")[0] == ("1.200.0", "failed_before")
    assert bench.board.boots == 3
    assert said(bench, "at start", "configured")[-2:] == [f"at start {OLD.decode()}", f"configured {OLD.decode()}"]
    assert "self-test" not in bench.log
    assert in_force(flash) == ("1.100.0", OLD)


async def test_specification_with_which_the_server_is_not_reached_is_rolled_back(kettle: Kettle) -> None:
    flash = await kettle.configured(trial_s=3)
    kettle.offer(NEW)
    async with Bench(flash) as bench:
        await bench.says("restarting into 1.200.0")
        kettle.server.forge_mac = True
        await bench.says("rolled back 1.200.0: expired")
    assert in_force(flash) == ("1.100.0", OLD)


async def test_specification_is_tried_again_after_a_power_cut_and_confirmed(kettle: Kettle) -> None:
    flash = await cut_off_in_trial(kettle)
    kettle.server.forge_mac = False
    async with Bench(flash) as bench:
        await bench.confirmed("1.200.0")
    assert said(bench, "at start") == [f"at start {OLD.decode()}", f"at start {NEW.decode()}"]
    assert "cut_short" in bench.log
    assert "downloading" not in bench.log
    assert in_force(flash) == ("1.200.0", NEW)


async def test_trial_that_power_cuts_end_is_armed_three_times_again_and_no_more(kettle: Kettle) -> None:
    flash = await cut_off_in_trial(kettle)
    for _ in range(3):
        async with Bench(flash) as bench:
            await bench.says("cut_short")
            await bench.says("trial of 1.200.0")
    async with Bench(flash) as bench:
        await bench.says("rolled back 1.200.0: power")
    assert in_force(flash) == ("1.100.0", OLD)


async def cut_off_in_trial(kettle: Kettle) -> Path:
    """The flash of a board whose power failed in its trial of NEW, while the server was not to be reached."""
    flash = await kettle.configured()
    kettle.offer(NEW)
    async with Bench(flash) as bench:
        await bench.says("restarting into 1.200.0")
        kettle.server.forge_mac = True
        await bench.says("trial of 1.200.0")
    return flash


async def test_soft_reset_does_not_end_the_trial_of_a_specification(kettle: Kettle) -> None:
    flash = kettle.flash()
    kettle.offer(with_habit("soft reset"))
    async with Bench(flash) as bench:
        await bench.confirmed("1.200.0")
    assert "soft reboot" in bench.log
    assert bench.board.boots == 2
    assert in_force(flash) == ("1.200.0", with_habit("soft reset"))


@pytest.mark.parametrize(
    ("specification", "in_trial"),
    [
        (b'{"a": 1}', {"a": 1, "link": "http://127.0.0.1/file"}),
        (b'{"link": "own"}', {"link": "http://127.0.0.1/file"}),
        (b"[1]", [1]),
    ],
)
async def test_link_is_seen_in_the_trial_and_gone_after_it(
    specification: bytes, in_trial: object, kettle: Kettle
) -> None:
    flash = kettle.flash()
    kettle.offer(specification, link="http://127.0.0.1/file")
    async with Bench(flash) as bench:
        await bench.confirmed("1.200.0")
    seen = [json.loads(line.split(" ", 1)[1]) for line in said(bench, "configured")]
    assert seen == [in_trial]
    async with Bench(flash) as bench:
        await bench.says("configured")
    seen = [json.loads(line.split(" ", 1)[1]) for line in said(bench, "configured")]
    assert seen == [json.loads(specification)]
    assert b"127.0.0.1" not in in_nvs(flash)["state"]


@pytest.mark.parametrize(("habit", "error"), [("raise later", "ValueError not so"), ("wait later", "TimeoutError")])
async def test_hook_that_fails_outside_a_trial_leaves_the_agent_running(habit: str, error: str, kettle: Kettle) -> None:
    flash = await kettle.configured(with_habit(habit), trial_s=8)
    async with Bench(flash) as bench:
        await bench.says(f"configure: {error}")
        kettle.offer(NEW)
        await bench.confirmed("1.200.0")
    assert in_force(flash) == ("1.200.0", NEW)


async def test_application_that_only_a_specification_mends_leaves_safe_mode_with_it(kettle: Kettle) -> None:
    flash = kettle.flash(start=app("1.0.0", "if at_start is None:\n    raise OSError('not configured')"))
    async with Bench(flash) as bench:
        await bench.says("safe mode")
        kettle.offer(NEW)
        await bench.confirmed("1.200.0")
        await bench.until(lambda: kettle.server.checks[-1]["state"] == "idle")
    assert bench.log.count("OSError: not configured") == 5
    assert in_force(flash) == ("1.200.0", NEW)


async def test_application_without_asyncio_is_configured_by_update_now(kettle: Kettle) -> None:
    source = """
import json, time, twinslot
def configure(specification):
    print("configured", json.dumps(specification))
def main():
    while True:
        print("reached", twinslot.update_now(configure=configure))
        time.sleep(1)
"""
    flash = kettle.flash(start=own_image("1.0.0", source))
    async with Bench(flash) as bench:
        await bench.says("reached True")
        kettle.offer(NEW)
        await bench.says("restarting into 1.200.0")
        kettle.server.offer = None
        await bench.confirmed("1.200.0")
        await bench.says("restarting, to end the trial's watchdog")
        await bench.says("1.200.0, settled\n(.*\n)*reached True")
    assert said(bench, "configured") == [f"configured {NEW.decode()}"] * 2
    assert in_force(flash) == ("1.200.0", NEW)


async def test_board_whose_boot_file_knows_no_specifications_gives_up_and_stays(kettle: Kettle) -> None:
    flash = kettle.flash(files={"/boot.py": b"\n"})
    kettle.offer(NEW)
    async with Bench(flash) as bench:
        await bench.says("rolled back 1.200.0")
        await bench.until(lambda: kettle.reported("refused"))
    assert bench.board.boots == 5
    assert set(said(bench, "at start")) == {"at start null"}
    assert in_force(flash) == ("1.0.0", None)


async def test_boot_file_whose_commit_fails_starts_the_trials_watchdog_all_the_same(kettle: Kettle) -> None:
    fails = b"""
import esp32
whole = esp32.NVS
class NVS(whole):
    def commit(self):
        raise OSError(-4353, "ESP_FAIL")
esp32.NVS = NVS
%s
esp32.NVS = whole
"""
    flash = await kettle.configured(trial_s=1, files={"/boot.py": fails % board_files()["/boot.py"]})
    kettle.offer(with_habit("hang"))
    async with Bench(flash) as bench:
        await bench.says("rolled back 1.200.0: watchdog")
    assert bench.log.count("boot.py: ") == 2
    assert bench.board.boots == 3
    assert in_force(flash) == ("1.100.0", OLD)
