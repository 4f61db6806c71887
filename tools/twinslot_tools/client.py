"""The management API of the server, as the commands call it."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from twinslot_tools import shapes
from twinslot_tools.errors import ServerRefused
from twinslot_tools.options import bearer_token, run

SILENCE_S = 120
PAGE = 100
_DIGITS = re.compile("[0-9]{1,9}")
EVERYTHING: Mapping[str, str] = {}


@asynccontextmanager
async def session(server: str, token: str) -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP session that sends the bearer token; what goes wrong on the network becomes `ServerRefused`."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=SILENCE_S)
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with aiohttp.ClientSession(timeout=timeout, headers=headers) as http:
            yield http
    except aiohttp.InvalidURL as error:
        raise ServerRefused(f"{server!r} leads to no address of a server: {error}") from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise unreachable(server, error) from error


def unreachable(server: str, error: BaseException) -> ServerRefused:
    """What to say when there was no answer."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return ServerRefused(
            f"the certificate of {server} can't be verified ({error.certificate_error}). `provision --ca FILE` "
            "names the certificates to trust, as PEM, the environment's SSL_CERT_FILE does for the other commands: the "
            "server's own, or that of whoever signed it"
        )
    return ServerRefused(
        f"no answer from {server} ({str(error) or type(error).__name__}). Is `twinslot serve` running there? "
        "Give another address with --server or TWINSLOT_SERVER."
    )


async def call(http: aiohttp.ClientSession, method: str, url: str, shape: object, **arguments: Any) -> Any:
    """The JSON of the answer, which has the shape (see `shapes`); raises `ServerRefused` with the server's reason when
    it is an error, or when it is no Twinslot server's answer."""
    async with http.request(method, url, **arguments) as answer:
        return await document(answer, shape)


async def document(answer: aiohttp.ClientResponse, shape: object) -> Any:
    """The answer's JSON; raises `ServerRefused` when it is a problem (RFC 9457) or a message, or not of the shape.

    An answer without a body is `None`.
    """
    try:
        body = await answer.json(content_type=None)
    except (ValueError, RecursionError):
        body = None
    if 200 <= answer.status < 300 and shapes.fits(body, shape):
        return body
    told = body if answer.status >= 400 and isinstance(body, dict) else {}
    said = told.get("detail") or told.get("message") or told.get("title")
    if not isinstance(said, str):
        said = (
            f"{answer.url.origin()} answered {answer.status} {answer.reason}, and not as a Twinslot server does. "
            "Is the address right?"
        )
    if answer.status == 401:
        said = (
            f"{said}. `twinslot token --data DIR` on the server's machine makes a new one, for `twinslot login` or "
            "TWINSLOT_TOKEN"
        )
    retry_after = answer.headers.get("Retry-After", "")  # may be a date instead, which no Twinslot server sends
    raise ServerRefused(said, answer.status, int(retry_after) if _DIGITS.fullmatch(retry_after) else 0)


async def check_token(server: str, token: str) -> None:
    """The server knows the token, whatever it allows. Raises `ServerRefused`."""
    async with session(server, token) as http, http.get(api(server, "/groups"), params={"limit": 1}) as answer:
        if answer.status != 403 or answer.content_type != "application/problem+json":  # not for listing groups
            await document(answer, shapes.page(shapes.GROUP))


def request(server: str, method: str, path: str, shape: object, json: object = None) -> Any:
    """The server's answer, of that shape, to one request for `path` under /api/v1."""
    return request_at(server, method, api("", path), shape, json=json)


def request_at(server: str, method: str, path: str, shape: object, **arguments: Any) -> Any:
    """The server's answer, of that shape, to one request for `path`, on whatever surface that is."""

    async def work() -> Any:
        async with session(server, bearer_token(server)) as http:
            return await call(http, method, server.rstrip("/") + path, shape, **arguments)

    return run(work())


def everything(server: str, path: str, item: object, where: Mapping[str, str] = EVERYTHING) -> dict[str, Any]:
    """All pages of a list of items of that shape, of which `where` holds: {"items": [...], "total": n}."""

    async def work() -> dict[str, Any]:
        async with session(server, bearer_token(server)) as http:
            items = await pages(http, api(server, path), item, where)
            return {"items": items, "total": len(items)}

    return run(work())


async def pages(
    http: aiohttp.ClientSession, url: str, item: object, where: Mapping[str, str] = EVERYTHING, at_once: int = PAGE
) -> list[dict[str, Any]]:
    """The items, of that shape, of all pages of a list, of which `where` holds; the server gives `at_once` a page."""
    items: list[dict[str, Any]] = []
    while True:
        part = {**where, "offset": len(items), "limit": at_once}
        page = await call(http, "GET", url, shapes.page(item), params=part)
        items += page["items"]
        if not page["items"] or len(items) >= page["total"]:
            return items


def api(server: str, path: str) -> str:
    """The address of `path` on the server's management API."""
    return f"{server.rstrip('/')}/api/v1{path}"
