"""The applications of `examples/`, as they are, on simulated boards: frozen in an image, or copied by mpremote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from twinslot_sim import applications
from twinslot_tools.board_files import starter

from .conftest import Site
from .lab import Bench, Flash, own_image
from .test_serial import mpremote
from .working import done

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def source(name: str) -> str:
    return (EXAMPLES / name / "app.py").read_text()


async def test_release_is_kept_while_the_sensor_works_and_taken_back_when_it_fails(site: Site) -> None:
    broken = source("sensor").replace("20 + 5 *", "2000 + 5 *")
    async with Bench(site.flash(start=own_image("1.0.0", source("sensor")), trial_s=5)) as bench:
        await bench.says(r"\d\d\.\d °C\n")
        site.publish(own_image("1.1.0", source("sensor")), "1.1.0")
        await bench.confirmed("1.1.0")
        site.publish(own_image("1.2.0", broken), "1.2.0")
        await bench.says("rolled back 1.2.0: self_test")
    assert Flash(bench.flash).boot == "ota_1"


async def test_verb_that_mpremote_copied_to_the_board_does_its_job(site: Site) -> None:
    flash = site.flash(start=applications.micropython(), files={"/lib/app.py": starter()})
    async with Bench(flash) as bench:
        await bench.says("working")
        await mpremote(bench, "cp", str(EXAMPLES / "verb" / "app.py"), ":app.py", "+", "reset")
        await bench.until(lambda: site.server.api("GET", "/devices/kettle-7").status == 200)
        job = await done(site, bench, "heat 60")
        assert (job["state"], job["output"]) == ("succeeded", "20 °C\n40 °C\n60 °C reached\n")
        job = await done(site, bench, "heat 200")
        assert (job["state"], job["reason"]) == ("failed", "ValueError: heat takes 20 to 100 degrees")


async def test_sleeper_takes_a_release_and_its_sleep_from_the_server(site: Site) -> None:
    told = json.dumps({"sleep_s": 1}).encode()
    site.publish(own_image("1.1.0", source("sleeper")), "1.1.0", specification=told)
    async with Bench(site.flash(start=own_image("1.0.0", source("sleeper")))) as bench:
        await bench.confirmed("1.1.0")
        await bench.says("confirmed 1.1.0(.|\n)*sleeps 1 s(.|\n)*awake, as reset cause 4")


async def test_sleep_that_would_have_no_end_is_not_taken(site: Site) -> None:
    site.publish(None, "1.0.1", specification=json.dumps({"sleep_s": 10**9}).encode())
    async with Bench(site.flash(start=own_image("1.0.0", source("sleeper")))) as bench:
        await bench.says("rolled back 1.0.1: configure")
        await bench.says("sleeps 60 s")


async def test_kettle_takes_a_release_when_it_has_boiled_and_not_before(site: Site) -> None:
    site.publish(own_image("1.1.0", source("consent")), "1.1.0")
    async with Bench(site.flash(start=own_image("1.0.0", source("consent")))) as bench:
        await bench.says("boils(.|\n)*not now: 1.1.0")
        assert Flash(bench.flash).is_erased("ota_1")
        await bench.confirmed("1.1.0")
    assert bench.log.index("has boiled") < bench.log.index("downloading 1.1.0,")


@pytest.mark.parametrize("folder", sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir()))
def test_each_example_is_named_in_the_readme(folder: str) -> None:
    assert f"`{folder}/`" in (EXAMPLES / "README.md").read_text()
