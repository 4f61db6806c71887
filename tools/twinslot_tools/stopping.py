"""When a command that runs boards has to end: at SIGTERM, at Ctrl-C, when its time is up."""

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from twinslot_tools.errors import Interrupted, NotConfirmed

T = TypeVar("T")


class Stop(asyncio.Event):
    """Set when it is time to end; `interrupted` when that was Ctrl-C."""

    interrupted = False

    def interrupt(self) -> None:
        """Ctrl-C was pressed."""
        self.interrupted = True
        self.set()


@contextmanager
def on_signals(timeout_s: float | None) -> Iterator[Stop]:
    """What SIGTERM, SIGINT (Ctrl-C) and the end of `timeout_s` set. After Ctrl-C the block ends with `Interrupted`."""
    stop = Stop()
    loop = asyncio.get_running_loop()
    handlers = {signal.SIGTERM: stop.set, signal.SIGINT: stop.interrupt}
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    timer = None if timeout_s is None else loop.call_later(timeout_s, stop.set)
    try:
        yield stop
        if stop.interrupted:
            raise Interrupted
    finally:
        if timer:
            timer.cancel()
        for number in handlers:
            loop.remove_signal_handler(number)


async def before(stop: Stop, work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns. Raises `Interrupted` or `NotConfirmed` when `stop` is set first."""
    working = asyncio.ensure_future(work)
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
    finally:
        stopped.cancel()
        working.cancel()
        await asyncio.wait({working})
    if stop.interrupted:
        raise Interrupted
    raise NotConfirmed("stopped, or out of time, before every board was provisioned")


async def together(works: list[Coroutine[Any, Any, T]]) -> list[T]:
    """What they return, after running at once; when one fails the others are cancelled, and its error is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in works]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]
