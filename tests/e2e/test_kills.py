"""Power that fails and servers that die, at random moments: some, with TWINSLOT_EVERY_CUT many. Each run prints the
seed that repeats it."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .conftest import Site
from .lab import Bench, Flash, app_image, cut_off_in_trial

SEED = int(os.environ.get("TWINSLOT_SEED", str(random.SystemRandom().randrange(1 << 32))))
PARTS = range(2)
KILLS_A_PART = 10 if os.environ.get("TWINSLOT_EVERY_CUT") else 3
TWINSLOT = Path(sys.executable).with_name("twinslot")


def _random(what: str) -> random.Random:
    print(f"TWINSLOT_SEED={SEED} repeats this run")
    return random.Random(f"{SEED} {what}")


def _sim(site: Site, flash: Path, until: str) -> list[str]:
    return [
        *(str(TWINSLOT), "sim", "--server", site.address, "--group", site.group["id"]),
        *("--token", site.group["token"], "--device", "kettle-7", "--flash", str(flash)),
        *("--until", until, "--timeout", "80"),
    ]


def _kill_during(command: list[str], after_s: float) -> None:
    """The command, and what it started, has been killed `after_s` after it said its first word."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()
    time.sleep(after_s)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize("part", PARTS)
def test_board_killed_at_random_moments_of_an_update_ends_on_the_new_version(
    part: int, site: Site, tmp_path: Path
) -> None:
    dice = _random(f"board {part}")
    image = app_image("1.1.0", size_bytes=400_000)
    site.publish(image, "1.1.0")
    fresh = site.flash()
    flash = tmp_path / "victim.bin"
    shutil.copy(fresh, flash)
    started = time.monotonic()
    subprocess.run(_sim(site, flash, "1.1.0"), check=True, stdout=subprocess.DEVNULL)
    update_s = time.monotonic() - started
    for _ in range(KILLS_A_PART):
        shutil.copy(fresh, flash)
        _kill_during(_sim(site, flash, "1.1.0"), dice.uniform(0, update_s))
        assert Flash(flash).slots["ota_0"] == Flash(fresh).slots["ota_0"]
        done = subprocess.run(_sim(site, flash, "1.1.0"), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        look = Flash(flash)
        assert look.holds("ota_1", image)
        assert (look.boot, look.states["ota_1"]) == ("ota_1", "VALID")


@pytest.mark.parametrize("part", PARTS)
async def test_power_cut_at_random_operations_ends_on_the_new_version(site: Site, part: int) -> None:
    dice = _random(f"operation {part}")
    image = app_image("1.1.0", size_bytes=40_000)
    site.publish(image, "1.1.0")
    whole = site.flash()
    async with Bench(whole) as bench:
        await bench.confirmed("1.1.0")
        operations = bench.board.flash_ops
    for number in range(KILLS_A_PART):
        flash = site.flash(f"cut-{part}-{number}")
        op, keep = dice.randint(1, operations), dice.choice([0, 1, 16, 128, 255, 4000])
        async with Bench(flash, cut_at_op=op, keep_bytes=keep) as bench:
            await bench.confirmed("1.1.0")
        look = Flash(flash)
        assert look.holds("ota_1", image), (op, keep)
        assert (look.boot, look.states["ota_1"]) == ("ota_1", "VALID"), (op, keep)


async def test_trial_that_power_cuts_end_is_armed_three_times_again_and_no_more(site: Site) -> None:
    flash = await cut_off_in_trial(site)
    for _ in range(3):
        async with Bench(flash) as bench:
            await bench.says("cut_short")
            await bench.says("trial of 1.1.0")
    async with Bench(flash) as bench:
        await bench.says("rolled back 1.1.0: power")
        assert bench.record["failed"] == bench.record["report"]["sequence"]
    assert Flash(flash).boot == "ota_0"


async def test_trial_that_a_power_cut_ended_is_confirmed_without_a_new_download(site: Site) -> None:
    flash = await cut_off_in_trial(site)
    site.start()
    async with Bench(flash) as bench:
        await bench.confirmed("1.1.0")
    assert "cut_short" in bench.log
    assert "downloading" not in bench.log


@pytest.mark.parametrize("part", PARTS)
def test_server_killed_at_random_moments_of_a_publish_keeps_what_it_acknowledged(
    part: int, site: Site, tmp_path: Path
) -> None:
    dice = _random(f"server {part}")
    file = tmp_path / "image.bin"
    file.write_bytes(app_image("1.0.1", size_bytes=1_400_000))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    environment = {**os.environ, "TWINSLOT_SERVER": site.address, "TWINSLOT_TOKEN": site.server.token()}
    publish = [str(TWINSLOT), "publish", str(file), "--app", "kettle", "--json", "--version"]
    started = time.monotonic()
    subprocess.run([*publish, "1.0.1"], check=True, env=environment, stdout=subprocess.DEVNULL)
    publish_s = time.monotonic() - started
    for number in range(KILLS_A_PART):
        version = f"1.1.{number}"
        process = subprocess.Popen([*publish, version], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(dice.uniform(publish_s / 2, publish_s * 1.1))
        site.kill()
        acknowledged = process.wait() == 0
        process.communicate()
        site.start()
        known = {r["version"]: r["sha256"] for r in site.server.api("GET", "/applications/kettle").json["releases"]}
        assert known.get(version) in ((digest,) if acknowledged else (digest, None))
        assert list((site.data / "incoming").iterdir()) == []
        if version not in known:
            subprocess.run([*publish, version], check=True, env=environment, stdout=subprocess.DEVNULL)
    stored = {path.name: path.read_bytes() for path in (site.data / "artifacts").rglob("*") if path.is_file()}
    assert {name: hashlib.sha256(content).hexdigest() for name, content in stored.items()} == {n: n for n in stored}
    transfers = [name for name, content in stored.items() if content.startswith(b"TWTR")]
    assert (len(transfers), set(stored) - {*transfers}) == (1, {digest})
