"""The management API of the server, as the commands call it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from twinslot_tools.errors import ServerRefused
from twinslot_tools.options import bearer_token, run

SILENCE_S = 120
PAGE = 100


@asynccontextmanager
async def session(server: str, token: str) -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP session that sends the bearer token; what goes wrong on the network becomes `ServerRefused`."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=SILENCE_S)
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with aiohttp.ClientSession(timeout=timeout, headers=headers) as http:
            yield http
    except aiohttp.InvalidURL as error:
        raise ServerRefused(f"{server!r} is no address of a server; one looks like http://127.0.0.1:8080") from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise unreachable(server, error) from error


def unreachable(server: str, error: BaseException) -> ServerRefused:
    """What to say when there was no answer."""
    return ServerRefused(
        f"no answer from {server} ({str(error) or type(error).__name__}). Is `twinslot serve` running there? "
        "Give another address with --server or TWINSLOT_SERVER."
    )


async def call(http: aiohttp.ClientSession, method: str, url: str, **arguments: Any) -> Any:
    """The JSON of the answer; raises `ServerRefused` with the server's reason when it is an error."""
    async with http.request(method, url, **arguments) as answer:
        return await document(answer)


async def document(answer: aiohttp.ClientResponse) -> Any:
    """The answer's JSON; raises `ServerRefused` when it is a problem (RFC 9457), or is no JSON at all."""
    try:
        body = await answer.json(content_type=None)
    except ValueError:
        body = None
    if answer.status < 400 and body is not None:
        return body
    said = body.get("detail") or body.get("title") if isinstance(body, dict) else None
    if said is None:
        said = f"{answer.url.origin()} answered {answer.status} {answer.reason}, not as a Twinslot server does"
    if answer.status == 401:
        said = f"{said}. `twinslot token --data DIR` on the server's machine makes a new TWINSLOT_TOKEN"
    raise ServerRefused(str(said), answer.status)


def request(server: str, method: str, path: str, json: object = None) -> Any:
    """The server's answer to one request for `path` under /api/v1."""

    async def work() -> Any:
        async with session(server, bearer_token()) as http:
            return await call(http, method, api(server, path), json=json)

    return run(work())


def everything(server: str, path: str) -> dict[str, Any]:
    """All pages of a list: {"items": [...], "total": n}."""

    async def work() -> dict[str, Any]:
        async with session(server, bearer_token()) as http:
            items = await pages(http, api(server, path))
            return {"items": items, "total": len(items)}

    return run(work())


async def pages(http: aiohttp.ClientSession, url: str) -> list[dict[str, Any]]:
    """The items of all pages of a list."""
    items: list[dict[str, Any]] = []
    while True:
        where: Mapping[str, int] = {"offset": len(items), "limit": PAGE}
        page = await call(http, "GET", url, params=where)
        items += page["items"]
        if not page["items"] or len(items) >= page["total"]:
            return items


def api(server: str, path: str) -> str:
    """The address of `path` on the server's management API."""
    return f"{server.rstrip('/')}/api/v1{path}"
