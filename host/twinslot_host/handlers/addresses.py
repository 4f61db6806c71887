"""Absolute addresses of this server, as its clients know it."""

import re

from aiohttp import web

from twinslot_host.errors import Invalid

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?", re.ASCII)


def origin(request: web.Request) -> str:
    """The scheme, host and port with which the client reached the server. Raises Invalid when its Host is none."""
    if _HOST.fullmatch(request.host) is None:
        raise Invalid("Host: it is not a host's name or address, with or without a port")
    return f"{request.scheme}://{request.host}"
