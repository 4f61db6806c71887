"""In the order in which things become durable lies what was promised: recorded as the real server does them."""

import os
import threading
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import aiosqlite
import pytest
from aiohttp import web

from twinslot_host import app, tokens
from twinslot_host.domain import image as images
from twinslot_host.services import opened

from .samples import make_image

IMAGE = make_image(size=5000)


@asynccontextmanager
async def serving(data: Path):
    """The services, and the address of a server over them in this process."""
    async with opened(data) as services:
        runner = web.AppRunner(app.make_app(services), access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield services, f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


async def publish(data: Path, address: str, now_s: int) -> int:
    form = aiohttp.FormData()
    form.add_field("release", '{"version": "1.1.0"}')
    form.add_field("image", IMAGE, filename="image")
    headers = {"Authorization": f"Bearer {tokens.issue(data, None, 60, now_s)}"}
    async with (
        aiohttp.ClientSession(headers=headers) as client,
        client.post(f"{address}/api/v1/applications/kettle/releases", data=form) as answer,
    ):
        return answer.status


@pytest.fixture
def data(tmp_path, server_pem) -> Path:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    (folder / "signing.pem").write_bytes(server_pem)
    return folder


@pytest.fixture
def done(monkeypatch, data) -> list[str]:
    """What was made durable, in order; each is done as ever."""
    recorded: list[str] = []
    fsync, rename, commit = os.fsync, os.rename, aiosqlite.Connection.commit

    def named(path: Path) -> str:
        inside = path.relative_to(data)
        return "/".join([*inside.parts[:1], *("…" for _ in inside.parts[1:])]) or "data"

    def recording_fsync(file: int) -> None:
        fsync(file)
        recorded.append(f"fsync {named(Path(f'/proc/self/fd/{file}').readlink())}")

    def recording_rename(old: Path, new: Path) -> None:
        rename(old, new)
        recorded.append(f"rename {named(Path(old))} {named(Path(new))}")

    async def recording_commit(connection: aiosqlite.Connection) -> None:
        await commit(connection)
        recorded.append("commit")

    monkeypatch.setattr(os, "fsync", recording_fsync)
    monkeypatch.setattr(os, "rename", recording_rename)
    monkeypatch.setattr(aiosqlite.Connection, "commit", recording_commit)
    return recorded


async def test_upload_is_synced_named_and_only_then_committed(data, done):
    async with serving(data) as (services, address):
        done.clear()
        assert await publish(data, address, services.now_s()) == 201
    assert done == [
        "fsync incoming/…",
        "fsync artifacts",  # the new folder's name
        "rename incoming/… artifacts/…/…",
        "fsync artifacts/…",
        "commit",
    ]


async def test_first_start_is_over_only_when_all_that_is_kept_is_durable(data, done):
    async with opened(data):
        assert not (data / "first-start").exists()
    assert done[:2] == ["fsync first-start", "fsync data"]
    assert done[-2:] == ["commit", "fsync data"]


async def pragma(db: aiosqlite.Connection, name: str) -> object:
    async with db.execute(f"PRAGMA {name}") as cursor:
        row = await cursor.fetchone()
    assert row is not None
    return row[0]


async def test_connections_are_set_so_that_a_commit_is_durable(data):
    async with opened(data) as services:
        async with services.database.write() as db:
            names = ("synchronous", "foreign_keys", "journal_mode")
            assert [await pragma(db, name) for name in names] == [2, 1, "wal"]
        assert await pragma(services.database.reader, "query_only") == 1
        with pytest.raises(aiosqlite.OperationalError, match="readonly"):
            await services.database.reader.execute("DELETE FROM accounts")


async def test_image_is_parsed_beside_the_event_loop(data, monkeypatch):
    parse, threads = images.parse, []

    def recording_parse(content: bytes) -> images.Image:
        threads.append(threading.current_thread())
        return parse(content)

    monkeypatch.setattr(images, "parse", recording_parse)
    async with serving(data) as (services, address):
        assert await publish(data, address, services.now_s()) == 201
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()
