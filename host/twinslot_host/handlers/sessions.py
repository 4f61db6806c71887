"""/api/v1/sessions: a user's name and password for a token."""

from typing import Annotated

from aiohttp import web
from pydantic import Field

from twinslot_host.config import TOKEN_LIFE_S
from twinslot_host.errors import Forbidden, Unauthorized
from twinslot_host.flows import credentials
from twinslot_host.flows import users as flow
from twinslot_host.handlers.bodies import Body
from twinslot_host.handlers.routes import NO_STORE, Call, Routes, answer
from twinslot_host.handlers.views import BearerToken
from twinslot_host.tokens import scope_text

ROUTES = Routes("Users", "/api/v1/sessions")


class SessionBody(Body):
    """What a user logs in with."""

    name: Annotated[str, Field(max_length=64)]
    password: Annotated[str, Field(max_length=1024)]


@ROUTES.add("POST", "", scope=None, body=SessionBody, answers={201: BearerToken}, errors=(401, 403, 429))
async def create(call: Call) -> web.Response:
    """A token for an hour, with the user's scopes. After several wrong passwords in a row a name has to wait: 429."""
    body, issuer = call.json(SessionBody), call.services.issuer
    if issuer is not None:
        raise Forbidden(f"this server takes the tokens of {issuer.trusted.url}; get one there")
    user = await flow.proven(call.services, body.name, body.password)
    if user is None:
        raise Unauthorized("the name or the password is wrong", "Bearer")
    token = credentials.user_token(call.services, user)
    shown = BearerToken(access_token=token, token_type="Bearer", expires_in=TOKEN_LIFE_S, scope=scope_text(user.scopes))
    return answer(shown, 201, NO_STORE)
