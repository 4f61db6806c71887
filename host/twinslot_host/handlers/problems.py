"""Errors as RFC 9457 problems, and the time that each answer took."""

import logging
import time
from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web

from twinslot_host.errors import TooMany, TwinslotError, Unauthorized
from twinslot_host.handlers.surfaces import OWN, Surface, surface_of
from twinslot_host.services import SERVICES

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_LOG = logging.getLogger("twinslot")
_METHODS = hdrs.METH_ALL


@web.middleware
async def measured(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every answer is counted by its route's template, never by what a client made up."""
    start = time.perf_counter()
    response = await handler(request)
    method = request.method if request.method in _METHODS else "other"
    request.app[SERVICES].metrics.request_seconds.labels(method, _route(request), str(response.status)).observe(
        time.perf_counter() - start
    )
    return response


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever goes wrong is answered with a problem, never with a traceback."""
    try:
        return await handler(request)
    except Exception as error:  # noqa: BLE001 - the one place that answers for whatever went wrong
        return problem_of(request, error)


def problem_of(request: web.Request, error: Exception) -> web.Response:
    """The answer that tells of the error, in its surface's form; the server's own fault is logged, without any
    credential."""
    surface = surface_of(request.path)
    if isinstance(error, TwinslotError):
        response = problem(surface.status_of(error), error.title, str(error), surface)
        if isinstance(error, Unauthorized):
            response.headers[hdrs.WWW_AUTHENTICATE] = error.challenge
        if isinstance(error, TooMany):
            response.headers[hdrs.RETRY_AFTER] = str(error.wait_s)
    elif isinstance(error, web.HTTPException):
        response = problem(error.status, error.reason, "", surface)
        for name in (hdrs.ALLOW, hdrs.LOCATION):
            if name in error.headers:
                response.headers[name] = error.headers[name]
    elif isinstance(error, web.RequestPayloadError | ConnectionError):
        response = problem(400, "Bad request", "the body broke off, or its encoding is wrong", surface)
    else:
        title = surface.faults.get(request.method, "Internal server error")
        response = problem(500, title, "the server has a fault; its log tells more", surface)
    if response.status == 500:
        _LOG.error("%s %s failed", request.method, _route(request), exc_info=error)
    return response


def problem(status: int, title: str, detail: str, surface: Surface = OWN) -> web.Response:
    """An answer that tells what went wrong, in the surface's form."""
    body = surface.told(status, title, detail).model_dump_json().encode()
    return web.Response(status=status, body=body, content_type=surface.media_type)


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return "unmatched" if resource is None else resource.canonical
