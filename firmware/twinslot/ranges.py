"""Parts of files on the server, over one connection for as long as that holds."""

from micropython import const

from .errors import TransferError

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from .http import Answer, Client, Stream


class Ranges:
    """`readinto` goes on from where `seek` went. `total` is the length of the file that was asked for last."""

    def __init__(self, client: "Client", spare: memoryview) -> None:
        """`spare` takes what is read only to get past it."""
        self._client = client
        self._spare = spare
        self._stream: "Stream | None" = None
        self._answer: "Answer | None" = None
        self._path = ""
        self._at = self._past = 0
        self.total = 0

    async def seek(self, path: str, first: int, end: int, past: int, total: int) -> None:
        """The next byte is the one at `first` of the file `path`, which has `total` bytes (0: not known), and those up
        to `end` follow. What is asked for, when it does not come already, goes on to `past`.

        Raises Unreachable; TransferError for an answer that is neither that range nor the file from its beginning.
        """
        if path != self._path or not self._at <= first <= end <= self._past:
            await self._ask(path, first, past, total)
        while self._at < first:
            await self.readinto(self._spare[: first - self._at])

    async def _ask(self, path: str, first: int, past: int, total: int) -> None:
        if self._answer and (self._at < self._past or self._answer.headers.get("connection", "").lower() == "close"):
            await self.close()
        stream, self._stream = self._stream, None
        headers = {"Range": "bytes={}-{}".format(first, past - 1)}
        self._stream, answer = await self._client.open("GET", path, headers, stream=stream, keep=True)
        status, length, told = answer.status, answer.length, answer.headers.get("content-range", "")
        self._answer, self._path, self._at, self._past = answer, path, 0, length
        if status == 200:  # from somebody who knows no ranges
            self.total = length
        elif status == 206:
            said, _, all_of_it = told.partition("/")
            self._at, self._past = first, past
            if said != "bytes {}-{}".format(first, past - 1) or length != past - first or not all_of_it.isdigit():
                raise TransferError("asked for {}-{}, was given {}, {} bytes".format(first, past - 1, told, length))
            self.total = int(all_of_it)
        else:
            raise TransferError("the server answered {}".format(status))
        if self.total < past or total and self.total != total:
            raise TransferError("a file of {} bytes instead of {}".format(self.total, total or past))

    async def readinto(self, buffer: memoryview) -> int:
        """How many bytes have come into `buffer`; 0 at the end of what was asked for. Raises Unreachable."""
        n = await self._answer.readinto(buffer) if self._answer else 0
        self._at += n
        return n

    async def close(self) -> None:
        """There is no connection; the next `seek` makes one."""
        self._path = ""
        self._answer = None
        stream, self._stream = self._stream, None
        if stream:
            await stream.wait_closed()
