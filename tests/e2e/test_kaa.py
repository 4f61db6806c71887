"""What is made through Kaa's routes reaches the boards that it is for, and no others."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from ..host.clients import Answer
from ..host.kaa import Kaa, message
from .conftest import Site
from .lab import Bench, Flash, app_image, own_image

CONFIGURED = """
import asyncio, twinslot
def configure(specification):
    print("told", specification["interval"], specification.get("link"))
def main():
    asyncio.run(twinslot.Agent(configure=configure).run())
"""


def kaa_of(site: Site) -> Kaa:
    return Kaa(site.server, "kettle")


def done(answer: Answer) -> None:
    assert answer.status in (201, 204), answer.body


def release(site: Site, version: str, **fields: Any) -> bytes:
    """A version with an image of its own, which is given."""
    image = app_image(version)
    done(kaa_of(site).post(version, **fields))
    done(kaa_of(site).upload(version, image))
    return image


def new_filter(site: Site, **predicate: object) -> str:
    answer = site.server.api("POST", "/filters", {"name": f"filter {time.monotonic_ns()}", "predicate": predicate})
    assert answer.status == 201, answer.body
    made: str = answer.json["id"]
    return made


def tag(site: Site, device: str, *tags: str) -> None:
    answer = site.server.api("PATCH", f"/devices/{device}", {"tags": tags})
    assert answer.status == 200, answer.body


async def checks_in(site: Site, bench: Bench, device: str, times: int = 2) -> None:
    """Waits for that many check-ins more, each of which the server could have answered with an offer."""
    await bench.until(lambda: "id" in site.device(device))
    for _ in range(times):
        seen = site.device(device)["last_seen_at"]
        await bench.until(lambda seen=seen: site.device(device)["last_seen_at"] != seen)  # type: ignore[misc]


async def stays(site: Site, bench: Bench, device: str = "kettle-7") -> None:
    """The board has been told of nothing, and nothing was written into its other slot."""
    await checks_in(site, bench, device)
    assert "downloading" not in bench.log
    assert Flash(bench.flash).is_erased("ota_1")


def confirmations(site: Site, device: str = "kettle-7") -> list[str]:
    return [version for event, version, _ in site.events(device) if event == "confirmed"]


async def test_board_goes_along_the_graph_hop_by_hop(site: Site) -> None:
    last = b""
    for version, before in (("1.1.0", ["1.0.0"]), ("1.2.0", ["1.1.0"]), ("1.3.0", ["1.1.0", "1.2.0"]), ("2.0.0", [])):
        image = release(site, version, upgradableFrom=before)
        last = image if version == "1.3.0" else last
    async with Bench(site.flash()) as bench:
        await bench.confirmed("1.3.0")
        await checks_in(site, bench, "kettle-7")
    assert confirmations(site) == ["1.1.0", "1.3.0"]
    assert Flash(bench.flash).holds("ota_0", last)
    assert kaa_of(site).current("kettle-7").json["version"] == "1.3.0"


async def test_board_that_no_edge_of_the_graph_begins_at_gets_nothing(site: Site) -> None:
    release(site, "1.1.0", upgradableFrom=["1.0.0"])
    aside = site.flash("aside", start=app_image("1.0.5"), version="1.0.5")
    async with Bench(aside) as off, Bench(site.flash()) as bench:
        await bench.confirmed("1.1.0")
        await stays(site, off, "aside")
    assert Flash(bench.flash).boot == "ota_1"


async def test_suspended_version_reaches_nobody_until_it_is_general(site: Site) -> None:
    release(site, "1.1.0", rolloutStrategy="suspended")
    async with Bench(site.flash()) as bench:
        await stays(site, bench)
        done(kaa_of(site).put("1.1.0", rolloutStrategy="general"))
        await bench.confirmed("1.1.0")
    assert Flash(bench.flash).boot == "ota_1"


async def test_targeted_version_reaches_whom_a_filter_matches(site: Site) -> None:
    pilots = new_filter(site, tags=["pilot"])
    release(site, "1.1.0", rolloutStrategy="targeted", filters=[{"filterId": pilots}])
    async with Bench(site.flash("other")) as other, Bench(site.flash()) as bench:
        await checks_in(site, bench, "kettle-7")
        tag(site, "kettle-7", "pilot")
        await bench.confirmed("1.1.0")
        await stays(site, other, "other")


async def test_targeted_version_without_a_filter_reaches_nobody(site: Site) -> None:
    release(site, "1.1.0", rolloutStrategy="targeted")
    async with Bench(site.flash()) as bench:
        await stays(site, bench)


async def test_filter_counts_from_its_date_on(site: Site) -> None:
    everyone = new_filter(site)
    day = {"filterId": everyone, "rolloutDate": "2999-01-01T00:00:00Z"}
    release(site, "1.1.0", rolloutStrategy="targeted", filters=[day])
    async with Bench(site.flash()) as bench:
        await stays(site, bench)
        soon = (datetime.now(UTC) + timedelta(seconds=4)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        done(kaa_of(site).put("1.1.0", rolloutStrategy="targeted", filters=[day | {"rolloutDate": soon}]))
        await bench.confirmed("1.1.0")
    events = site.device()["events"]
    assert min(each["at"] for each in events if each["version"] == "1.1.0") >= soon


async def test_version_that_waits_for_its_file_reaches_nobody_before(site: Site) -> None:
    done(kaa_of(site).post("1.1.0", skipDispatchingToEndpoint=True))
    image = app_image("1.1.0")
    async with Bench(site.flash()) as bench:
        await stays(site, bench)
        done(kaa_of(site).upload("1.1.0", image))
        await bench.confirmed("1.1.0")
    assert Flash(bench.flash).holds("ota_1", image)


async def test_specification_alone_changes_the_configuration_and_no_slot(site: Site) -> None:
    flash = site.flash(start=own_image("1.0.0", CONFIGURED))
    done(kaa_of(site).post("1.1.0", specification={"interval": 30}))
    async with Bench(flash) as bench:
        await bench.confirmed("1.1.0")
        await bench.says("told 30 None")
    look = Flash(flash)
    assert (look.boot, look.is_erased("ota_1")) == ("ota_0", True)
    assert kaa_of(site).current("kettle-7").json["specification"] == {"interval": 30}


async def test_file_and_specification_arrive_together(site: Site) -> None:
    image = own_image("1.1.0", CONFIGURED)
    done(kaa_of(site).post("1.1.0", specification={"interval": 30}, skipDispatchingToEndpoint=True))
    done(kaa_of(site).upload("1.1.0", image))
    async with Bench(site.flash()) as bench:
        await bench.says("told 30 http://")
        await bench.confirmed("1.1.0")
    look = Flash(bench.flash)
    assert (look.boot, look.holds("ota_1", image)) == ("ota_1", True)


async def test_file_that_is_no_image_reaches_the_application_as_a_link(site: Site) -> None:
    model = b"weights" * 1000
    done(kaa_of(site).post("1.1.0", specification={"interval": 30}))
    done(kaa_of(site).upload("1.1.0", model, "model.tflite"))
    async with Bench(site.flash(start=own_image("1.0.0", CONFIGURED))) as bench:
        await bench.confirmed("1.1.0")
    link = re.search(r"told 30 (http://\S+)", bench.log)
    assert link is not None, bench.log
    parts = urlsplit(link[1])
    assert f"{parts.scheme}://{parts.netloc}" == site.address
    assert site.server.request("GET", f"{parts.path}?{parts.query}").body == model


async def test_version_is_not_deleted_while_a_board_has_it(site: Site) -> None:
    image = release(site, "1.1.0")
    async with Bench(site.flash()) as bench:
        await bench.confirmed("1.1.0")
        assert "kettle-7" in message(kaa_of(site).delete("1.1.0"), 400)
        release(site, "1.2.0")
        await bench.confirmed("1.2.0")
        await checks_in(site, bench, "kettle-7")
    done(kaa_of(site).delete("1.1.0"))
    assert message(kaa_of(site).get("1.1.0"), 404)
    assert Flash(bench.flash).holds("ota_1", image)


@pytest.mark.parametrize("strategy", ["general", "targeted"])
async def test_server_killed_between_any_two_calls_loses_nothing(site: Site, strategy: str) -> None:
    image = app_image("1.1.0")
    everyone = new_filter(site)
    calls: list[Callable[[Kaa], Answer]] = [
        lambda kaa: kaa.post("1.1.0", rolloutStrategy="suspended", skipDispatchingToEndpoint=True),
        lambda kaa: kaa.upload("1.1.0", app_image("1.1.0", size_bytes=90_000), "first.bin"),
        lambda kaa: kaa.delete_file("1.1.0", "first.bin"),
        lambda kaa: kaa.upload("1.1.0", image, "second.bin"),
        lambda kaa: kaa.post("1.2.0"),
        lambda kaa: kaa.delete("1.2.0"),
        lambda kaa: kaa.put("1.1.0", rolloutStrategy=strategy, filters=[{"filterId": everyone}]),
    ]
    async with Bench(site.flash()) as bench:
        for call in calls:
            done(call(kaa_of(site)))
            before = kaa_of(site).all().json
            site.kill()
            site.start()
            assert kaa_of(site).all().json == before
        await bench.confirmed("1.1.0")
    assert Flash(bench.flash).holds("ota_1", image)
    assert [each["filename"] for each in kaa_of(site).all().json] == ["second.bin"]
