"""The least that could serve devices: no proof, no decision. `bound.py held` only waits; `bound.py commit DIR` makes
one durable commit a request, as the real server must."""

import asyncio
import sys
from pathlib import Path

import aiosqlite
from aiohttp import web


async def _held(request: web.Request) -> web.Response:
    await request.read()
    await asyncio.Event().wait()
    raise AssertionError("nothing sets the event")


async def _with_commit(folder: Path) -> web.Application:
    db = await aiosqlite.connect(folder / "bound.db", isolation_level=None)
    await db.execute("PRAGMA journal_mode=WAL")
    await db.execute("PRAGMA synchronous=FULL")
    await db.execute("CREATE TABLE devices (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT) STRICT")
    writing = asyncio.Lock()

    async def commit(request: web.Request) -> web.Response:
        body = await request.text()
        async with writing:
            await db.execute("BEGIN IMMEDIATE")
            await db.execute("INSERT INTO devices (body) VALUES (?)", (body,))
            await db.commit()
        return web.Response(status=204)

    app = web.Application()
    app.add_routes([web.post("/device/v1/check", commit)])
    return app


async def _main(kind: str, *folder: str) -> None:
    if kind == "held":
        app = web.Application()
        app.add_routes([web.post("/device/v1/check", _held)])
    else:
        app = await _with_commit(Path(*folder))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=8192).start()
    print(f"listening on http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


asyncio.run(_main(*sys.argv[1:]))
