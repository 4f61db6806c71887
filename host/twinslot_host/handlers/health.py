"""For whoever watches the server: neither route needs a token."""

from aiohttp import web

from twinslot_host.services import SERVICES
from twinslot_host.store import devices


async def healthz(request: web.Request) -> web.Response:
    """200 when the store answers."""
    await devices.count_seen(request.app[SERVICES].database.reader)
    return web.json_response({"status": "ok"})


async def metrics(request: web.Request) -> web.Response:
    """What the server counts."""
    services = request.app[SERVICES]
    services.metrics.devices_seen.set(await devices.count_seen(services.database.reader))
    return web.Response(body=services.metrics.text(), headers={"Content-Type": "text/plain; version=0.0.4"})
