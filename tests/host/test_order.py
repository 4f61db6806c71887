"""In the order in which things become durable lies what was promised: recorded as the real server does them."""

import os
import threading
from pathlib import Path

import aiohttp
import aiosqlite
import pytest

from twinslot_host.domain import image as images
from twinslot_host.services import opened

from .inside import Inside, inside
from .samples import make_image

IMAGE = make_image(size=5000)


async def publish(here: Inside) -> int:
    form = aiohttp.FormData()
    form.add_field("release", '{"version": "1.1.0"}')
    form.add_field("image", IMAGE, filename="image")
    return (await here.post("/api/v1/applications/kettle/releases", form, here.token()))[0]


@pytest.fixture
def done(monkeypatch, data) -> list[str]:
    """What was made durable, in order; each is done as ever."""
    recorded: list[str] = []
    fsync, rename, commit = os.fsync, os.rename, aiosqlite.Connection.commit

    def named(path: Path) -> str:
        parts = path.relative_to(data).parts
        return "/".join([*parts[:1], *("…" for _ in parts[1:])]) or "data"

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
    async with inside(data) as here:
        done.clear()
        assert await publish(here) == 201
    kept = [
        "fsync artifacts",  # the new folder's name
        "rename incoming/… artifacts/…/…",
        "fsync artifacts/…",
    ]
    assert done == [*["fsync incoming/…"] * 2, *kept * 2, "commit"]  # the image and its transfer


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
    async with inside(data) as here:
        assert await publish(here) == 201
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()
