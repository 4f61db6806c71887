"""For whoever watches the server: neither route needs a token."""

from typing import Literal

from aiohttp import web
from pydantic import BaseModel, RootModel

from twinslot_host.domain import queue
from twinslot_host.handlers.routes import Call, Routes, answer
from twinslot_host.store import devices, operations

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
async def figures(call: Call) -> web.Response:
    """What the server counts."""
    services, db = call.services, call.services.database.reader
    metrics, out = services.metrics, await operations.count_out(db)
    metrics.devices_seen.set(await devices.count_seen(db))
    metrics.held.set(len(services.held))
    metrics.requests.set(services.pacing.in_progress)
    for state in queue.GOING:
        metrics.operations.labels(state).set(out.get(state, 0))
    return web.Response(body=metrics.text(), headers={"Content-Type": "text/plain; version=0.0.4"})
