"""`twinslot publish --filter`: who gets the release is what the command was told."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from .conftest import Site
from .lab import Bench, Flash, app_image
from .test_kaa import checks_in


async def twinslot(site: Site, *arguments: str) -> Any:
    """The document that the command prints."""
    environment = os.environ | {"TWINSLOT_SERVER": site.address, "TWINSLOT_TOKEN": site.server.token()}
    command = [sys.executable, "-m", "twinslot_tools", *arguments, "--json"]
    done = await asyncio.to_thread(subprocess.run, command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def test_release_for_a_filter_reaches_the_board_that_it_matches_and_no_other(site: Site, tmp_path: Path) -> None:
    image = app_image("1.1.0")
    (tmp_path / "kettle.app-bin").write_bytes(image)
    async with Bench(site.flash("early")) as early, Bench(site.flash("late")) as late:
        await asyncio.gather(checks_in(site, early, "early"), checks_in(site, late, "late"))
        await twinslot(site, "device", "tag", "early", "pilot")
        pilots = await twinslot(site, "filter", "create", "pilots", "--tag", "pilot")
        what = ("publish", str(tmp_path / "kettle.app-bin"), "--app", "kettle", "--version", "1.1.0")
        await twinslot(site, *what, "--strategy", "targeted", "--filter", pilots["id"])
        await early.confirmed("1.1.0")
        await checks_in(site, late, "late")
        assert Flash(early.flash).holds("ota_1", image)
        assert Flash(late.flash).is_erased("ota_1")
    assert "pilots" in site.explain("late")["releases"][0]["reason"]
