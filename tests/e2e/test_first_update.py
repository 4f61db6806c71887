"""From a board as it comes from the shop to its first update, as somebody does it who has the `twinslot` command."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from twinslot_sim import applications, factory
from twinslot_tools.board_port import BoardPort

from .conftest import Site
from .lab import Bench, own_image


async def twinslot(site: Site, *words: str) -> str:
    """What the command printed; it has ended well."""
    environment = {"TWINSLOT_SERVER": site.address, "TWINSLOT_GROUP_TOKEN": site.group["token"]}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "twinslot_tools", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=os.environ | environment | {"TWINSLOT_WIFI_PASSWORD": "laboratory"},
    )
    out, _ = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, out.decode()
    return out.decode()


async def test_board_from_the_shop_is_provisioned_and_runs_the_first_release(site: Site, tmp_path: Path) -> None:
    flash = tmp_path / "flash"
    factory.make_flash(flash, applications.micropython(), None)
    async with Bench(flash) as bench:
        await bench.says(">>> ")
        give = ("--group", site.group["id"], "--wifi", "lab", "--device", "kettle-7")
        said = await twinslot(site, "provision", "--port", bench.board.port, *give)
        assert "kettle-7 is online, running 1.25.0\nnext: twinslot publish FILE --app kettle" in said
        source = "import asyncio, twinslot\ndef main():\n    print('first release')\n"
        site.publish(own_image("1.26.0", source + "    asyncio.run(twinslot.Agent().run())\n"), "1.26.0")
        await BoardPort(bench.board.port).reset()  # and so it asks at once
        await bench.confirmed("1.26.0")
        assert "first release" in bench.log.partition("trial of 1.26.0")[0]
        said = await twinslot(site, "doctor", "--port", bench.board.port)
        assert "✓ application    frozen in the image" in said
    assert site.device()["confirmed_version"] == "1.26.0"
