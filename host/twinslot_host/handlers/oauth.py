"""/oauth/token: OAuth 2.0 client credentials (RFC 6749 section 4.4)."""

import base64
import binascii
from collections.abc import Mapping
from typing import Literal
from urllib.parse import unquote_plus

from aiohttp import hdrs, web
from pydantic import BaseModel

from twinslot_host.config import TOKEN_LIFE_S
from twinslot_host.errors import TwinslotError, Unauthorized
from twinslot_host.flows import clients, credentials
from twinslot_host.handlers.forms import form_of
from twinslot_host.handlers.routes import FORM, NO_STORE, Call, Routes, answer
from twinslot_host.handlers.surfaces import OAUTH
from twinslot_host.handlers.views import BearerToken
from twinslot_host.store.clients import Client
from twinslot_host.tokens import scope_text

ROUTES = Routes("Tokens", "/oauth/token", OAUTH)

_CHALLENGE = 'Basic realm="twinslot", charset="UTF-8"'


class TokenForm(BaseModel):
    """A request for a token. The id and the secret may come by HTTP Basic instead."""

    grant_type: Literal["client_credentials"]
    scope: str | None = None
    client_id: str | None = None
    client_secret: str | None = None


class Refused(TwinslotError):
    """No token, for the reason that `code` names (RFC 6749 section 5.2)."""

    status = 400

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.title = code


class InvalidClient(Unauthorized):
    """Nobody has this id with this secret."""

    title = "invalid_client"

    def __init__(self, message: str) -> None:
        super().__init__(message, _CHALLENGE)


@ROUTES.add("POST", "", scope=None, body=TokenForm, media=FORM, answers={200: BearerToken}, errors=(401,))
async def create(call: Call) -> web.Response:
    """A token for an hour, for a client that proves its secret; `scope` asks for less than all of its scopes."""
    form = await form_of(call.request)
    _check_grant(form, call)
    client = await _client(call, form)
    scopes = _narrowed(client, form.get("scope", ""))
    token = credentials.client_token(call.services, client, scopes)
    shown = BearerToken(access_token=token, token_type="Bearer", expires_in=TOKEN_LIFE_S, scope=scope_text(scopes))
    return answer(shown, headers=NO_STORE)


def _check_grant(form: Mapping[str, str], call: Call) -> None:
    if "grant_type" not in form:
        raise Refused("invalid_request", "grant_type is missing; it is client_credentials")
    if form["grant_type"] != "client_credentials":
        raise Refused("unsupported_grant_type", "the only grant_type here is client_credentials")
    if call.services.issuer is not None:
        url = call.services.issuer.trusted.url
        raise Refused("unauthorized_client", f"this server takes the tokens of {url}; get one there")


async def _client(call: Call, form: Mapping[str, str]) -> Client:
    """The client that the request proves to come from. Raises Refused, InvalidClient."""
    given = call.request.headers.getall(hdrs.AUTHORIZATION, [])
    if len(given) > 1:
        raise Refused("invalid_request", "there is more than one Authorization header")
    if given:
        name, secret = _basic(given[0])
        if "client_secret" in form or form.get("client_id", name) != name:
            raise Refused("invalid_request", "the client is to prove itself once: by HTTP Basic, or in the form")
    elif "client_id" in form and "client_secret" in form:
        name, secret = form["client_id"], form["client_secret"]
    else:
        raise InvalidClient("the client proves itself by HTTP Basic, or by client_id and client_secret in the form")
    client = await clients.proven(call.services.database.reader, name, secret)
    if client is None:
        raise InvalidClient("the client's id or its secret is wrong")
    return client


def _basic(header: str) -> tuple[str, str]:
    """Id and secret, each form-decoded (section 2.3.1). Raises InvalidClient."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() == "basic":
        try:
            name, colon, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
            if colon:
                return unquote_plus(name, errors="strict"), unquote_plus(secret, errors="strict")
        except (ValueError, binascii.Error):
            pass
    raise InvalidClient("the Authorization header is no good HTTP Basic one")


def _narrowed(client: Client, scope: str) -> frozenset[str]:
    wanted = frozenset(scope.split())
    if unknown := sorted(wanted - frozenset(client.scopes)):
        raise Refused("invalid_scope", f"the client has no scope {unknown[0][:80]!r}")
    return wanted or frozenset(client.scopes)
