"""A release's way to a board, and back when it does not prove itself: the real server, the real device code."""

import asyncio

from .conftest import Site
from .lab import Bench, Flash, app_image, late_image, own_image

PROGRESS = """
import asyncio, twinslot
ticks = 0
async def tick():
    global ticks
    while True:
        await asyncio.sleep_ms(10)
        ticks += 1
begun = None
def progress(done, size):
    global begun
    if begun is None:
        begun = ticks
    if done == size:
        print("progress", done, size, "ticks", ticks > begun)
asked = 0
async def consent(version):
    global asked
    asked += 1
    print("consent", version, asked)
    return asked == 3
async def run():
    task = asyncio.create_task(tick())
    await twinslot.Agent(on_progress=progress, consent=consent).run()
def main():
    asyncio.run(run())
"""
SELF_TEST = """
import asyncio, twinslot
def self_test():
    print("self-test")
    {verdict}
def main():
    asyncio.run(twinslot.Agent(self_test=self_test).run())
"""
NO_ASYNCIO = """
import time, twinslot
def main():
    while True:
        print("reached", twinslot.update_now())
        time.sleep(1)
"""


async def test_signed_release_is_installed_proven_and_confirmed(site: Site) -> None:
    image = app_image("1.1.0")
    flash = site.flash()
    release = site.publish(image, "1.1.0")
    async with Bench(flash) as bench:
        await bench.confirmed("1.1.0")
    look = Flash(flash)
    assert look.holds("ota_1", image)
    assert (look.boot, look.states) == ("ota_1", {"ota_0": "VALID", "ota_1": "VALID"})
    seen = site.device()
    assert (seen["version"], seen["confirmed_version"], seen["image"]) == ("1.1.0", "1.1.0", release["sha256"])
    assert seen["last_result"]["event"] == "confirmed"
    assert [event for event, _, _ in site.events()][-3:] == ["version_changed", "trial", "confirmed"]


async def test_confirmed_release_stays_over_two_more_power_cycles(site: Site) -> None:
    flash = site.flash()
    site.publish(app_image("1.1.0"), "1.1.0")
    async with Bench(flash) as bench:
        await bench.confirmed("1.1.0")
    for _ in range(2):
        async with Bench(flash) as bench:
            await bench.says("1.1.0, settled")
    assert Flash(flash).boot == "ota_1"


async def test_two_updates_in_a_row_use_the_slots_in_turn(site: Site) -> None:
    flash = site.flash()
    site.publish(app_image("1.1.0"), "1.1.0")
    second = app_image("1.2.0", size_bytes=90_000)
    async with Bench(flash) as bench:
        await bench.confirmed("1.1.0")
        site.publish(second, "1.2.0")
        await bench.confirmed("1.2.0")
    look = Flash(flash)
    assert look.boot == "ota_0"
    assert look.holds("ota_0", second)


async def test_crashing_release_is_rolled_back_reported_and_not_tried_again(site: Site) -> None:
    flash = site.flash()
    site.publish(app_image("1.1.0", "crashing"), "1.1.0")
    async with Bench(flash) as bench:
        await bench.says("rolled back 1.1.0: crash")
        await bench.until(lambda: not bench.record["report"])
        checked_in = site.device()["last_seen_at"]
        await bench.until(lambda: site.device()["last_seen_at"] > checked_in)
        downloads = bench.log.count("downloading 1.1.0,")
    assert downloads == 1
    assert ("rolled_back", "1.1.0", "crash") in site.events()
    assert site.explain()["offer"] is None
    assert "failed on this device" in site.explain()["releases"][0]["reason"]
    look = Flash(flash)
    assert (look.boot, look.states["ota_1"]) == ("ota_0", "ABORTED")


async def test_hanging_release_is_ended_by_the_watchdog(site: Site) -> None:
    flash = site.flash(trial_s=1)
    site.publish(app_image("1.1.0", "hanging"), "1.1.0")
    async with Bench(flash) as bench:
        await bench.says("rolled back 1.1.0: watchdog")
        await bench.until(lambda: not bench.record["report"])
    assert ("rolled_back", "1.1.0", "watchdog") in site.events()
    assert Flash(flash).boot == "ota_0"


async def test_release_that_cannot_reach_the_server_is_rolled_back(site: Site) -> None:
    flash = site.flash(trial_s=4)
    site.publish(late_image("1.1.0"), "1.1.0")
    async with Bench(flash) as bench:
        await bench.says("restarting into 1.1.0")
        site.kill()
        await bench.says("rolled back 1.1.0: expired")
        site.start()
        await bench.until(lambda: not bench.record["report"])
    assert site.events()[-1] == ("rolled_back", "1.1.0", "expired")
    assert Flash(flash).boot == "ota_0"


async def test_release_whose_self_test_raises_is_rolled_back(site: Site) -> None:
    flash = site.flash(trial_s=3)
    site.publish(own_image("1.1.0", SELF_TEST.format(verdict="raise OSError(5)")), "1.1.0")
    async with Bench(flash) as bench:
        await bench.says("rolled back 1.1.0: self_test")
    assert "self-test: OSError" in bench.log


async def test_release_whose_self_test_says_yes_is_confirmed(site: Site) -> None:
    flash = site.flash()
    site.publish(own_image("1.1.0", SELF_TEST.format(verdict="return True")), "1.1.0")
    async with Bench(flash) as bench:
        await bench.confirmed("1.1.0")
    assert Flash(flash).boot == "ota_1"


async def test_application_that_says_not_now_is_asked_again(site: Site) -> None:
    flash = site.flash(start=own_image("1.0.0", PROGRESS))
    image = app_image("1.1.0", size_bytes=400_000)
    site.publish(image, "1.1.0")
    async with Bench(flash) as bench:
        await bench.confirmed("1.1.0")
    assert [line for line in bench.log.splitlines() if line.startswith("consent")] == [
        "consent 1.1.0 1",
        "consent 1.1.0 2",
        "consent 1.1.0 3",
    ]
    assert f"progress {len(image)} {len(image)} ticks True" in bench.log
    assert [event for event, _, _ in site.events()].count("deferred") == 2


async def test_application_without_asyncio_updates_with_update_now(site: Site) -> None:
    flash = site.flash(start=own_image("1.0.0", NO_ASYNCIO))
    async with Bench(flash) as bench:
        await bench.says("reached True")
        site.publish(own_image("1.1.0", NO_ASYNCIO), "1.1.0")
        await bench.confirmed("1.1.0")
        await bench.says("restarting, to end the trial's watchdog")
        await bench.says("1.1.0, settled\nreached True")
    assert Flash(flash).states["ota_1"] == "VALID"


async def test_hook_that_fails_in_an_application_without_asyncio_ends_that_attempt_alone(site: Site) -> None:
    source = """
import time, twinslot
asked = []
def consent(version):
    asked.append(version)
    if len(asked) == 1:
        raise ValueError("not before tea")
    return True
def main():
    while True:
        try:
            print("reached", twinslot.update_now(consent=consent))
        except ValueError as error:
            print("said", error)
        time.sleep(1)
"""
    flash = site.flash(start=own_image("1.0.0", source))
    site.publish(own_image("1.1.0", NO_ASYNCIO), "1.1.0")
    async with Bench(flash) as bench:
        await bench.says("said not before tea")
        await bench.confirmed("1.1.0")
    assert [event for event, _, _ in site.events() if event in ("refused", "failed")] == []


async def test_board_without_wifi_waits_and_goes_on_when_it_comes(site: Site) -> None:
    flash = site.flash()
    site.publish(app_image("1.1.0"), "1.1.0")
    async with Bench(flash) as bench:
        bench.board.access_point = False
        await bench.says("no Wi-Fi")
        assert bench.board.boots == 1
        bench.board.access_point = True
        await bench.confirmed("1.1.0")


async def test_server_that_comes_back_finds_the_board_waiting(site: Site) -> None:
    flash = site.flash()
    site.kill()
    async with Bench(flash) as bench:
        await bench.says("ECONNREFUSED")
        site.start()
        site.publish(app_image("1.1.0"), "1.1.0")
        await bench.confirmed("1.1.0")
    assert bench.log.count("I boot: Loaded") == 2


async def test_boards_of_one_group_update_side_by_side(site: Site) -> None:
    benches = [Bench(site.flash(f"kettle-{n}")) for n in range(3)]
    async with benches[0], benches[1], benches[2]:
        site.publish(app_image("1.1.0"), "1.1.0")
        await asyncio.gather(*(bench.confirmed("1.1.0") for bench in benches))
    assert {site.device(f"kettle-{n}")["confirmed_version"] for n in range(3)} == {"1.1.0"}
