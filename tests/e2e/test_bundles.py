"""Bundles: a tree of files with the promises of an image."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import rsa

from .bundles import Bakery, files_of, numbers, tree
from .impostor import Impostor
from .lab import Bench


@pytest_asyncio.fixture
async def bakery(owner: rsa.RSAPrivateKey, tmp_path: Path) -> AsyncIterator[Bakery]:
    async with Impostor() as server:
        yield Bakery(server, owner, tmp_path)


async def test_bundle_runs_and_the_next_one_fetches_only_what_changed(bakery: Bakery) -> None:
    first = files_of("first", data__table_bin=bytes(range(256)) * 100, lib__tool_py=b"size = 5\n", empty_txt=b"")
    flash = bakery.flash()
    bakery.offer(first, 100)
    async with Bench(flash) as bench:
        await bench.confirmed("1.100.0")
        assert "app of /app_a first" in bench.log
        second = files_of("second", data__same_bin=first["data/table.bin"], lib__tool_py=b"size = 5\n", empty_txt=b"")
        bakery.offer(second, 200)
        await bench.confirmed("1.200.0")
        assert "app of /app_b second" in bench.log
    assert 0 < bakery.payload_bytes < len(second["app.py"])
    assert tree(flash, "/app_b") == {**second, "data/": b"", "lib/": b""}
    assert tree(flash, "/app_a") == {}
    assert numbers(flash)["tree"] == 2
    assert bakery.reported("confirmed") == [("1.100.0", ""), ("1.200.0", "")]
