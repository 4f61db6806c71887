"""POST /api/v1/setup, and /setup, the same for people: whoever has an account's set-up link makes its first user."""

import aiohttp_jinja2
from aiohttp import hdrs, web
from pydantic import BaseModel

from twinslot_host.errors import Conflict, Forbidden, Invalid, TooMany, TwinslotError
from twinslot_host.flows import setup as flow
from twinslot_host.handlers.addresses import origin
from twinslot_host.handlers.bodies import Body
from twinslot_host.handlers.clients import NewClient
from twinslot_host.handlers.forms import form_of
from twinslot_host.handlers.routes import NO_STORE, Call, Routes, answer
from twinslot_host.handlers.users import User
from twinslot_host.services import SERVICES

ROUTES = Routes("Set-up", "/api/v1/setup")

# The link's token must not leave with the page: to nobody else, into no cache, from no frame.
_PAGE_HEADERS = {
    **NO_STORE,
    hdrs.CONTENT_SECURITY_POLICY: "default-src 'none'; style-src 'unsafe-inline'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    hdrs.X_CONTENT_TYPE_OPTIONS: "nosniff",
}


class SetupBody(Body):
    """The token of the set-up link, and what the first user will log in with."""

    token: str
    name: str
    password: str


class SetUp(BaseModel):
    """The first user, and the first client as it is shown this once."""

    user: User
    client: NewClient


@ROUTES.add("POST", "", scope=None, body=SetupBody, answers={201: SetUp}, errors=(403, 409, 429))
async def create(call: Call) -> web.Response:
    """The account's first user and first API client, both with every scope; the link is used."""
    body = call.json(SetupBody)
    done = await flow.finish(call.services, body.token, body.name, body.password)
    shown = SetUp(user=User.of(done.user), client=NewClient.shown_once(done.client, done.secret))
    return answer(shown, 201, NO_STORE)


async def page(request: web.Request) -> web.Response:
    """The page that asks for a name and a password; 403 and what to do when the link is no good."""
    services, token = request.app[SERVICES], request.query.get("token", "")
    try:
        await flow.account_of(services, services.database.reader, token)
    except Forbidden as error:
        return _gone(request, error)
    return _page(request, "setup.html", 200, token=token, name="", message="")


async def submit(request: web.Request) -> web.Response:
    """The page that shows what was made; the first one again, saying why, when it was not."""
    form, here = await form_of(request), origin(request)
    token, name = form.get("token", ""), form.get("name", "")
    try:
        done = await flow.finish(request.app[SERVICES], token, name, form.get("password", ""))
    except Forbidden as error:
        return _gone(request, error)
    except (Invalid, Conflict, TooMany) as error:
        return _page(request, "setup.html", error.status, token=token, name=name, message=_sentence(error))
    return _page(request, "setup_done.html", 200, done=done, origin=here)


def _sentence(error: TwinslotError) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]


def _gone(request: web.Request, error: Forbidden) -> web.Response:
    issuer = request.app[SERVICES].issuer
    return _page(request, "setup_gone.html", error.status, login=None if issuer is None else issuer.trusted.url)


def _page(request: web.Request, template: str, status: int, **shown: object) -> web.Response:
    response = aiohttp_jinja2.render_template(template, request, shown, status=status)
    response.headers.update(_PAGE_HEADERS)
    return response
