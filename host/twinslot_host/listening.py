"""How connections are taken: with a deadline for each request's head, and with nothing of it in the log.

aiohttp quotes a line that it can't parse, in its log and in its answer; that line may be an Authorization header.
"""

import asyncio
import errno
import logging
from collections.abc import Callable
from traceback import format_tb
from typing import Any

from aiohttp import web

from twinslot_host.config import HEAD_S, LINGER_S, OUT_OF_FILES_TOLD_S, REQUEST_LINE_LIMIT_BYTES, SHUTDOWN_S
from twinslot_host.errors import CannotListen
from twinslot_host.handlers.problems import problem

_LOG = logging.getLogger("twinslot")
_OPTIONS: dict[str, Any] = {
    "access_log": None,
    "keepalive_timeout": HEAD_S,
    "lingering_time": LINGER_S,
    "max_line_size": REQUEST_LINE_LIMIT_BYTES,
}
_OUT_OF_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Runner(web.AppRunner):
    """Runs the application on connections of this module's kind.

    `keepalive_timeout` counts from the connection, and from each answer, to the next complete head; aiohttp closes
    the connection then, however much of a head has come.
    """

    def __init__(self, app: web.Application) -> None:
        super().__init__(app, shutdown_timeout=SHUTDOWN_S)

    async def _make_server(self) -> web.Server:
        plain = await super()._make_server()
        return _Server(plain.request_handler, request_factory=plain.request_factory)


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=asyncio.get_running_loop(), **_OPTIONS)


class _Connection(web.RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what never reached the application, or broke after it; the log gets no text of a request."""
        if status != 400:
            self.log_exception("", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun, no other can be sent")
        title = "Bad request" if status == 400 else "Internal server error"
        detail = "this is no well-formed HTTP request" if status == 400 else "the server has a fault"
        response = problem(status, title, detail)
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """The log tells what failed and where, without the message, which may quote the request.

        What broke on the client's side was answered, or can't be; the log does without it.
        """
        error = kw.get("exc_info")
        if isinstance(error, web.RequestPayloadError | ConnectionError):
            return
        if isinstance(error, OSError):
            _LOG.error("an answer failed: %s", error.strerror)
        elif isinstance(error, BaseException):
            _LOG.error("an answer failed: %s\n%s", type(error).__name__, "".join(format_tb(error.__traceback__)))


async def listen(runner: web.AppRunner, host: str, port: int) -> int:
    """The port on which connections are taken from now on. Raises CannotListen."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_rarely_out_of_files())
    site = web.TCPSite(runner, host, port)
    try:
        await site.start()
    except (OSError, OverflowError) as error:
        raise CannotListen(f"can't listen on {host} port {port}: {error}") from error
    return int(runner.addresses[0][1])


def _rarely_out_of_files() -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]:
    """What to do with the loop's errors: as ever, but asyncio tells 128 times a second that accept() has no file."""
    quiet_until_s = 0.0

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal quiet_until_s
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in _OUT_OF_FILES:
            loop.default_exception_handler(context)
        elif loop.time() >= quiet_until_s:
            quiet_until_s = loop.time() + OUT_OF_FILES_TOLD_S
            _LOG.error("connections wait: %s; raise the limit on open files (ulimit -n)", error.strerror)

    return handle
