"""Parts of files on the server, over one connection for as long as that holds, then over the next."""

import asyncio

from micropython import const

from .errors import TransferError, Unreachable

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from .http import Answer, Client, Stream

_GRACE_S = const(15)
_SLOWEST_BYTES_PER_S = const(2048)


async def in_time(step: "Awaitable[None]", size: int, more_s: int = 0) -> None:
    """`step`, which brings `size` bytes, is done. Raises TransferError when it takes longer than a slow connection
    needs, and `more_s`."""
    try:
        await asyncio.wait_for(step, _GRACE_S + size // _SLOWEST_BYTES_PER_S + more_s)
    except asyncio.TimeoutError:
        raise TransferError("slower than {} bytes a second".format(_SLOWEST_BYTES_PER_S))


async def fill(source: "Any", buffer: memoryview) -> None:
    """The buffer is full of what `source` has next. Raises TransferError when that is less, and what `source` does."""
    while len(buffer):
        n = await source.readinto(buffer)
        if not n:
            raise TransferError("too short")
        buffer = buffer[n:]


class Ranges:
    """`readinto` goes on from where `seek` went. `total` is the length of the file that was asked for last.

    A connection that breaks is made anew, from where it was, when it has brought anything. How often that may be is for
    `in_time` to bound.
    """

    def __init__(self, client: "Client", spare: memoryview) -> None:
        """`spare` takes what is read only to get past it."""
        self._client = client
        self._spare = spare
        self._stream: "Stream | None" = None
        self._answer: "Answer | None" = None
        self._came = 0  # bytes, since a connection broke
        self._path = ""
        self._at = self._past = 0  # what comes next, and where what was asked for ends
        self.total = 0

    async def read(self, path: str, first: int, past: int) -> bytearray:
        """The bytes from `first` to before `past` of the file `path`. Raises as `seek` does."""
        data = bytearray(past - first)
        await self._go(path, first, past, past, 0)
        await fill(self, memoryview(data))
        return data

    async def seek(
        self, path: str, number: int, wanted: bytearray, place: "Callable[[int], tuple[int, int]]", total: int = 0
    ) -> int:
        """The next byte is the first of part `number` of the file `path`; returns how many that part has. Part n is
        from `place(n)[0]` to before `place(n)[1]`. What is asked for, when it does not come already, goes on for as
        long as parts that are marked alike in `wanted` follow with nothing else between them. `total` is the length
        of the file when it is known, other than from an answer.

        Raises Unreachable; TransferError for an answer that is neither that range nor the file from its beginning.
        """
        first, end = place(number)
        past = end
        for after in range(number + 1, len(wanted)):
            begins, ends = place(after)
            if wanted[after] == wanted[number]:
                past = ends
            elif begins != ends:
                break
        if first != end:
            await self._go(path, first, end, past, total)
        return end - first

    async def _go(self, path: str, first: int, end: int, past: int, total: int) -> None:
        if path != self._path:
            self.total = total
        if path != self._path or not self._at <= first <= end <= self._past:
            answer, self._answer = self._answer, None
            if answer and (self._at < self._past or answer.headers.get("connection", "").lower() == "close"):
                await self.close()
            self._path, self._at, self._past = path, first, past
            await self.readinto(self._spare[:0])
        while self._at < first:
            await self.readinto(self._spare[: first - self._at])

    async def readinto(self, buffer: memoryview) -> int:
        """How many bytes have come into `buffer`; 0 at the end of what was asked for. Raises as `seek` does."""
        while True:
            try:
                answer = self._answer = self._answer or await self._ask()
                n = await answer.readinto(buffer)
            except BaseException as error:  # how far that was, nobody knows
                await self.close()
                if not (self._came and isinstance(error, Unreachable)):
                    raise
                self._came = 0
            else:
                self._at += n
                self._came += n
                return n

    async def _ask(self) -> "Answer":
        """The answer that has what is to come next."""
        asked = "{}-{}".format(self._at, self._past - 1)
        stream, self._stream = self._stream, None
        headers = {"Range": "bytes=" + asked}
        self._stream, answer = await self._client.open("GET", self._path, headers, stream=stream, keep=True)
        status, length, told = answer.status, answer.length, answer.headers.get("content-range", "")
        if status == 200:  # from somebody who knows no ranges
            total = length
        elif status == 206:
            said, _, all_of_it = told.partition("/")
            if said != "bytes " + asked or length != self._past - self._at or not all_of_it.isdigit():
                raise TransferError("asked for {}, was given {}, {} bytes".format(asked, told, length))
            total = int(all_of_it)
        else:
            raise TransferError("the server answered {}".format(status))
        if total < self._past or self.total and total != self.total:
            raise TransferError("a file of {} bytes instead of {}".format(total, self.total or self._past))
        self.total = total
        if status == 200:
            self._past = total
            for at in range(0, self._at, len(self._spare)):
                await fill(answer, self._spare[: self._at - at])
        return answer

    async def close(self) -> None:
        """There is no connection; the next read makes one."""
        self._answer = None
        stream, self._stream = self._stream, None
        if stream:
            await stream.wait_closed()
