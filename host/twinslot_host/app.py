"""The application: its routes, its life from start to end."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import aiohttp_jinja2
from aiohttp import web
from jinja2 import PackageLoader

from twinslot_host import datadir
from twinslot_host.config import LINK_LIFE_S
from twinslot_host.flows import rounds
from twinslot_host.flows.setup import renew_first
from twinslot_host.handlers import device, device_auth, packages, problems, reference, setup, transfers
from twinslot_host.handlers.described import DESCRIBED, description
from twinslot_host.issuer import Trusted
from twinslot_host.listening import Runner, listen
from twinslot_host.services import SERVICES, Services, opened


def make_app(services: Services) -> web.Application:
    """The application over the services, which the caller opens and closes."""
    middlewares = [problems.measured, problems.problems, device_auth.authenticated, problems.problems]
    app = web.Application(middlewares=middlewares)
    app[SERVICES] = services
    app.on_response_prepare.append(transfers.tag_artifact)
    app.on_shutdown.append(_answer_held)
    app.cleanup_ctx.append(_rounds)
    app.add_routes(
        [
            web.post("/device/v1/check", device.check),
            web.post("/device/v1/report", device.report),
            web.post("/device/v1/operation", device.operation),
            web.post("/device/v1/inventory", device.inventory),
            web.get("/device/v1/keys", device.keys),
            web.get("/device/v1/transfers/{sha256}", transfers.transfer),
            web.get("/device/v1/packages/{id}", packages.package_json),
            web.get("/setup", setup.page),
            web.post("/setup", setup.submit),
        ]
    )
    app.add_routes(
        [web.route(each.method, each.path, each.serve) for routes in DESCRIBED for each in routes.all],
    )
    aiohttp_jinja2.setup(app, loader=PackageLoader("twinslot_host", "web"), autoescape=True)
    reference.set_up(app, *description())
    return app


async def _answer_held(app: web.Application) -> None:
    app[SERVICES].held.stop()


async def _rounds(app: web.Application) -> AsyncIterator[None]:
    endless = (rounds.watch, rounds.sweep, rounds.prune, rounds.complete, rounds.make_deltas)
    tasks = [asyncio.create_task(each(app[SERVICES])) for each in endless]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def _announce(address: str, setup_link: str | None) -> None:
    print(f"listening on {address}", flush=True)
    if setup_link is not None:
        print(f"set up the account: {setup_link}", flush=True)


def serve(
    data: Path,
    host: str,
    port: int,
    announce: Callable[[str, str | None], None] = _announce,
    *,
    link_life_s: int = LINK_LIFE_S,
    issuer: Trusted | None = None,
) -> None:
    """The server has run until SIGTERM or SIGINT. Port 0: a free one.

    It gave `announce` its address once it accepted, and the first account's set-up link, or None when there is no need
    of one. `link_life_s` and `issuer` are as `opened` takes them.

    Raises DataDirInUse, NotADataDir or CannotListen when it can't start.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    with datadir.held(data):
        asyncio.run(_serve(opened(data, link_life_s=link_life_s, issuer=issuer), host, port, announce))


async def _serve(
    opening: AbstractAsyncContextManager[Services], host: str, port: int, announce: Callable[[str, str | None], None]
) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with opening as services:
        runner = Runner(make_app(services))
        await runner.setup()
        try:
            bound = await listen(runner, host, port)
            address = f"http://[{host}]:{bound}" if ":" in host else f"http://{host}:{bound}"
            link = await renew_first(services)
            announce(address, None if link is None else address + link)
            await stop.wait()
        finally:
            await runner.cleanup()
