"""The management APIs' description, for whoever asks: an OpenAPI document for programs, a page for people."""

import json
import re
from collections.abc import Iterable

import aiohttp_jinja2
from aiohttp import hdrs, web
from markupsafe import Markup, escape
from pydantic import RootModel

from twinslot_host.description import openapi, reference
from twinslot_host.handlers.addresses import origin
from twinslot_host.handlers.routes import JSON, Call, Routes

ROUTES = Routes("Server", "/api/v1")

DOCUMENT = web.AppKey("document", dict)
PAGE = web.AppKey("page", reference.Page)

_PAGE_RULES = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


class OpenApi(RootModel[dict[str, object]]):
    """An OpenAPI 3.1 document."""


def set_up(app: web.Application, described: Iterable[Routes]) -> None:
    """The application serves the description of these routes, made this once."""
    app[DOCUMENT] = openapi.document(described)
    app[PAGE] = reference.page(app[DOCUMENT])
    aiohttp_jinja2.get_env(app).filters["code"] = _code
    app.router.add_get("/api/v1/reference", page)


@ROUTES.add("GET", "/openapi.json", scope=None, answers={200: OpenApi}, errors=(400,))
async def document(call: Call) -> web.Response:
    """This description, as an OpenAPI 3.1 document."""
    made = openapi.served_at(call.request.app[DOCUMENT], origin(call.request))
    return web.Response(body=json.dumps(made, ensure_ascii=False).encode(), content_type=JSON)


async def page(request: web.Request) -> web.Response:
    """The same as a page."""
    response = aiohttp_jinja2.render_template("reference.html", request, {"page": request.app[PAGE]})
    response.headers[hdrs.CONTENT_SECURITY_POLICY] = _PAGE_RULES
    return response


def _code(text: str) -> Markup:
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
