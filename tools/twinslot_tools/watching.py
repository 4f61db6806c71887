"""Watching something on the server until it is over, through a server that is busy or starts anew, and Ctrl-C."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import aiohttp

from twinslot_tools.errors import ServerRefused
from twinslot_tools.output import say

T = TypeVar("T")

AGAIN_S = 0.5
AWAY_S = 60
"""How long a server may be away; a restart takes some seconds."""
LONGEST_WAIT_S = 600
BUSY = 503
NO_SERVER_BEHIND = (502, 504)  # a proxy says so while the server starts anew
GONE = 404


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """What `ask` returns, which is called again while the server answers 503, as late as that says, and for `AWAY_S`
    while there is no answer of its own. Raises what `ask` raises otherwise."""
    last_answer = time.monotonic()
    while True:
        try:
            return await ask()
        except ServerRefused as refused:
            if refused.status in NO_SERVER_BEHIND and time.monotonic() - last_answer <= AWAY_S:
                wait_s = AGAIN_S
            elif refused.status == BUSY:
                last_answer = time.monotonic()
                wait_s = min(refused.retry_after_s or AGAIN_S, LONGEST_WAIT_S)
            else:
                raise
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError):
            if time.monotonic() - last_answer > AWAY_S:
                raise
            wait_s = AGAIN_S
        await asyncio.sleep(wait_s)


@contextmanager
def goes_on(what: str) -> Iterator[None]:
    """Whoever ends the waiting inside, or no longer reaches the server, has been told that `what` goes on."""
    try:
        yield
    except (KeyboardInterrupt, ServerRefused) as ended:
        if not isinstance(ended, ServerRefused) or ended.status != GONE:
            say(f"{what} goes on", sys.stderr)
        raise
