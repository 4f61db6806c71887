"""The unmodified mpremote installs the device package from a checkout that a web server serves."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

import make_mip
from twinslot_sim import applications, factory, vfs
from twinslot_tools.board_files import board_files

from .lab import Bench
from .test_serial import mpremote

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The address of what `make mip` leaves."""
    make_mip.write(tmp_path)
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_package_json_names_the_files_of_the_device_package() -> None:
    assert (ROOT / "package.json").read_text() == make_mip.package(), "run `make mip`"


async def test_mip_puts_on_a_fresh_board_what_provisioning_does(served: str, tmp_path: Path) -> None:
    flash = tmp_path / "shop.flash"
    factory.make_flash(flash, applications.micropython(), None)
    wanted = {path: content for path, content in board_files().items() if path.startswith("/lib/")}
    async with Bench(flash) as bench:
        await bench.says(">>> ")
        await mpremote(bench, "mip", "install", f"{served}/package.json")
        imported = await mpremote(bench, "exec", "import twinslot; print(twinslot.__file__, twinslot.update_now)")
    assert imported.startswith("/lib/twinslot/__init__.mpy <function update_now")
    assert {path: vfs.read_file(flash, path) for path in wanted} == wanted
