"""The application: its routes, its life from start to end."""

import asyncio
import logging
import signal
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from twinslot_host import datadir
from twinslot_host.handlers import api, device, device_auth, group_tokens, health, problems, transfers, uploads
from twinslot_host.listening import Runner, listen
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
            web.post("/api/v1/groups/{id}/tokens", group_tokens.create),
            web.get("/api/v1/groups/{id}/tokens", group_tokens.list_all),
            web.delete("/api/v1/groups/{id}/tokens/{token_id}", group_tokens.revoke),
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


def _announce(address: str) -> None:
    print(f"listening on {address}", flush=True)


def serve(data: Path, host: str, port: int, announce: Callable[[str], None] = _announce) -> None:
    """The server has run until SIGTERM or SIGINT; it gave `announce` its address once it accepted. Port 0: a free one.

    Raises DataDirInUse, NotADataDir or CannotListen when it can't start.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    with datadir.held(data):
        asyncio.run(_serve(data, host, port, announce))


async def _serve(data: Path, host: str, port: int, announce: Callable[[str], None]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with opened(data) as services:
        runner = Runner(make_app(services))
        await runner.setup()
        try:
            bound = await listen(runner, host, port)
            shown = f"[{host}]" if ":" in host else host
            announce(f"http://{shown}:{bound}")
            await stop.wait()
        finally:
            await runner.cleanup()
