"""The management APIs' description, for whoever asks: an OpenAPI document for programs, a page for people."""

import json
import re

import aiohttp_jinja2
from aiohttp import hdrs, web
from markupsafe import Markup, escape
from pydantic import RootModel

from twinslot_host.description import openapi
from twinslot_host.description.reference import Page
from twinslot_host.handlers.addresses import origin
from twinslot_host.handlers.routes import JSON, Call, Routes

ROUTES = Routes("Server", "/api/v1")

DOCUMENT = web.AppKey("document", dict)
PAGE = web.AppKey("page", Page)

_PAGE_RULES = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


class OpenApi(RootModel[dict[str, object]]):
    """An OpenAPI 3.1 document."""


def set_up(app: web.Application, document: openapi.Document, page_of_it: Page) -> None:
    """The application serves this description of its routes."""
    app[DOCUMENT], app[PAGE] = document, page_of_it
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
