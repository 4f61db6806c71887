"""Files from any origin, for packages."""

import gc

from micropython import const

from .errors import Unreachable
from .http import Client
from .uris import redirected, split

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from .http import Answer, Stream

_REDIRECTS = (301, 302, 303, 307, 308)
_REDIRECTS_MAX = const(3)


class Fetcher:
    """Requests to whatever an address names; one for each operation, since it remembers that one's credentials.

    `server` is the base of addresses that are paths, "http://host[:port]" or "https://…"; `ca` the path of a PEM file
    with the certificates to trust, for https, whatever the origin.
    """

    def __init__(self, server: str, ca: "str | None") -> None:
        self._server = server
        self._ca = ca
        self._base = server
        self._client: "Client | None" = Client(server, ca)
        self._head = self._client.head  # 2 KiB of the heap in one piece, which may not be there again
        self._logins: "dict[str, str]" = {}  # by origin

    async def open(self, uri: str, method: str = "GET") -> "tuple[Stream, Answer]":
        """The stream, which the caller closes, and the answer, redirects followed, its body still to be read.

        A user name and a password in an address go to its origin, for this and later requests, and to no other.
        Raises Unreachable; PackageError for an address that can't be used.
        """
        for _ in range(_REDIRECTS_MAX + 1):
            base, path, login = split(uri if uri[:1] != "/" else self._server + uri)
            if login:
                self._logins[base] = "Basic " + login
            headers = {"Authorization": self._logins[base]} if base in self._logins else {}
            stream, answer = await self._client_of(base).open(method, path, headers)
            if answer.status not in _REDIRECTS or "location" not in answer.headers:
                return stream, answer
            await stream.wait_closed()
            uri = redirected(base + path, answer.headers["location"])
        raise Unreachable("more than {} redirects".format(_REDIRECTS_MAX))

    def _client_of(self, base: str) -> Client:
        if self._client is None or base != self._base:
            self._client = None
            gc.collect()
            self._base, self._client = base, Client(base, self._ca, self._head)
        return self._client
