"""Addresses of this server and of its files, as its clients know them."""

import re

from aiohttp import web

from twinslot_host import links
from twinslot_host.errors import Invalid
from twinslot_host.services import SERVICES

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?", re.ASCII)


def origin(request: web.Request) -> str:
    """The scheme, host and port with which the client reached the server. Raises Invalid when its Host is none."""
    if _HOST.fullmatch(request.host) is None:
        raise Invalid("Host: it is not a host's name or address, with or without a port")
    return f"{request.scheme}://{request.host}"


def file_path(request: web.Request, sha256: str) -> str:
    """The path and query under which whoever has them can fetch the content of that hex digest, for a while."""
    services = request.app[SERVICES]
    return links.path(services.link_key, sha256, services.now_s(), services.link_life_s)


def file_link(request: web.Request, sha256: str) -> str:
    """As `file_path`, and absolute. Raises Invalid as `origin` does."""
    return origin(request) + file_path(request, sha256)
