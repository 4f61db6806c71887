"""Operations of devices, watched until they are over."""

import asyncio
import sys
from functools import partial
from typing import Any
from urllib.parse import quote

import aiohttp

from twinslot_tools import shapes
from twinslot_tools.client import api, call, session
from twinslot_tools.output import say
from twinslot_tools.watching import AGAIN_S, patiently

OVER = ("succeeded", "failed", "timed out", "cancelled")


async def watched(server: str, token: str, operation: str) -> dict[str, Any]:
    """The operation, when it is over; what it is at meanwhile is told on standard error. Raises `ServerRefused`."""
    told = ""
    async with session(server, token) as http:
        while True:
            now = await patiently(partial(_of, http, server, operation))
            line = stage(now)
            if line != told:
                say(line, sys.stderr)
                told = line
            if now["state"] in OVER:
                return now
            await asyncio.sleep(AGAIN_S)


def stage(operation: dict[str, Any]) -> str:
    """In a few words, what the operation is at, or how it ended."""
    words = str(operation["state"])
    if operation["state"] == "running" and operation["progress"] is not None:
        words += f", {operation['progress']} %"
    return f"{words}: {operation['reason']}" if operation["reason"] else words


async def _of(http: aiohttp.ClientSession, server: str, operation: str) -> dict[str, Any]:
    found: dict[str, Any] = await call(
        http, "GET", api(server, f"/operations/{quote(operation, safe='')}"), shapes.OPERATION
    )
    return found
