"""The application: its routes, its life from start to end."""

import asyncio
import logging
import signal
from pathlib import Path

from aiohttp import web

from twinslot_host import datadir
from twinslot_host.config import SHUTDOWN_S
from twinslot_host.errors import CannotListen
from twinslot_host.handlers import api, device, device_auth, health, problems, transfers, uploads
from twinslot_host.services import SERVICES, Services, opened


def make_app(services: Services) -> web.Application:
    """The application over the services, which the caller opens and closes."""
    middlewares = [problems.measured, problems.problems, device_auth.authenticated, problems.problems]
    app = web.Application(middlewares=middlewares)
    app[SERVICES] = services
    app.on_response_prepare.append(transfers.tag_artifact)
    app.add_routes(
        [
            web.post("/device/v1/check", device.check),
            web.post("/device/v1/report", device.report),
            web.get("/device/v1/keys", device.keys),
            web.get("/device/v1/transfers/{sha256}", transfers.transfer),
            web.post("/api/v1/groups", api.create_group),
            web.get("/api/v1/groups", api.list_groups),
            web.get("/api/v1/devices", api.list_devices),
            web.get("/api/v1/devices/{id}", api.show_device),
            web.get("/api/v1/devices/{id}/explain", api.explain_device),
            web.get("/api/v1/applications/{app}", api.show_application),
            web.post("/api/v1/applications/{app}/releases", uploads.create_release),
            web.get("/healthz", health.healthz),
            web.get("/metrics", health.metrics),
        ]
    )
    return app


def serve(data: Path, host: str, port: int) -> None:
    """The server has run until SIGTERM or SIGINT; it said where it listens once it accepted. Port 0: a free one.

    Raises DataDirInUse, NotADataDir or CannotListen when it can't start.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    with datadir.held(data):
        asyncio.run(_serve(data, host, port))


async def _serve(data: Path, host: str, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with opened(data) as services:
        runner = web.AppRunner(make_app(services), access_log=None, shutdown_timeout=SHUTDOWN_S)
        await runner.setup()
        try:
            bound = await _listen(runner, host, port)
            shown = f"[{host}]" if ":" in host else host
            print(f"listening on http://{shown}:{bound}", flush=True)
            await stop.wait()
        finally:
            await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> int:
    site = web.TCPSite(runner, host, port)
    try:
        await site.start()
    except (OSError, OverflowError) as error:
        raise CannotListen(f"can't listen on {host} port {port}: {error}") from error
    return int(runner.addresses[0][1])
