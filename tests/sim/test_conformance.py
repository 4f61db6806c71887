"""The simulated board is held to what real ones did (`seen.py`)."""

from __future__ import annotations

import asyncio
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from twinslot_sim import factory, image, partitions
from twinslot_sim.partitions import MICROPYTHON_4MIB_OTA, Partition

from ..e2e.certificates import Authority
from ..e2e.lab import Bench
from .seen import HELPERS, ONE_APP, ONE_SLOT, ROWS, Row

NVS, OTADATA, PHY, OTA_0, OTA_1, VFS = MICROPYTHON_4MIB_OTA
APP = Partition(partitions.APP, partitions.FACTORY, OTA_0.offset, OTA_0.size, "factory")
TABLES = {ONE_APP: (NVS, PHY, APP, VFS), ONE_SLOT: (NVS, OTADATA, PHY, OTA_0, VFS)}
IMAGE = image.build("kettle", "1.0.0", {}, size_bytes=30_000)
CTRL_D = b"\x04"
STEPS = """
ctrl_d = False
turn = len([name for name in os.listdir("/") if name.startswith("done")])
open("/done" + str(turn), "w").close()
execfile("/step" + str(turn) + ".py")
if "step" + str(turn + 1) + ".py" not in os.listdir("/"):
    print("THE END")
elif not ctrl_d:
    machine.reset()
"""


def lay(row: Row, path: Path, files: dict[str, bytes]) -> Path:
    """A flash that runs the row's steps, each in its boot."""
    steps = {f"/step{n}.py": code.encode() for n, code in enumerate(row.steps)}
    factory.make_flash(path, IMAGE, {"/main.py": (HELPERS + STEPS).encode(), **steps, **files})
    with path.open("r+b") as file:
        file.seek(OTA_1.offset)
        file.write(IMAGE)
        if row.table in TABLES:
            file.seek(partitions.TABLE_OFFSET)
            file.write(partitions.build(TABLES[row.table]))
    return path


async def run(flash: Path) -> list[Any]:
    """What the steps saw. Power comes back whenever they switch it off."""
    log = ""
    while "THE END" not in log:
        async with Bench(flash, like_chip=True) as bench:
            await bench.says("THE END|POWER OFF|Traceback|>>> ")
            if ">>> " in bench.log and "THE END" not in bench.log:
                with open(bench.board.port, "wb", buffering=0) as port:  # noqa: ASYNC230, PTH123 - at once
                    port.write(CTRL_D)
                await bench.says("THE END|Traceback")
        assert "Traceback" not in bench.log, bench.log
        log += bench.log
    return [json.loads(line) for line in re.findall(r"^SEEN (.*)$", log, re.MULTILINE)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.says)
async def test_simulated_board_does_what_was_seen_on_real_ones(row: Row, tmp_path: Path) -> None:
    if not row.with_tls:
        assert await run(lay(row, tmp_path / "board.bin", {})) == row.seen
        return
    authority = Authority(tmp_path)
    context = await asyncio.to_thread(authority.context)
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    now = time.gmtime()
    clock = (*now[:3], now.tm_wday, *now[3:6], 0)
    port = str(server.sockets[0].getsockname()[1])
    files = {"/ca.pem": authority.pem, "/port": port.encode(), "/now": json.dumps(clock).encode()}
    assert await run(lay(row, tmp_path / "board.bin", files)) == row.seen
    server.close()
