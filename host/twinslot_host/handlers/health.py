"""For whoever watches the server: neither route needs a token."""

from typing import Literal

from aiohttp import web
from pydantic import BaseModel, RootModel

from twinslot_host.handlers.routes import Call, Routes, answer
from twinslot_host.store import devices

ROUTES = Routes("Server", "")


class Health(BaseModel):
    """The server is well."""

    status: Literal["ok"]


class Figures(RootModel[str]):
    """Figures in Prometheus' text format."""


@ROUTES.add("GET", "/healthz", scope=None, answers={200: Health})
async def healthz(call: Call) -> web.Response:
    """Whether the store answers."""
    await devices.count_seen(call.services.database.reader)
    return answer(Health(status="ok"))


@ROUTES.add("GET", "/metrics", scope=None, answers={200: Figures}, answer_media="text/plain")
async def metrics(call: Call) -> web.Response:
    """What the server counts."""
    services = call.services
    services.metrics.devices_seen.set(await devices.count_seen(services.database.reader))
    return web.Response(body=services.metrics.text(), headers={"Content-Type": "text/plain; version=0.0.4"})
