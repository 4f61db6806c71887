"""The server as the device sees it: check in, report, nothing else (docs/protocol.md). One request at a time."""

import json
import os

from micropython import const

from .auth import Session
from .errors import Rejected, Unreachable
from .http import Client

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from .config import Config

_BASE = "/device/v1"
_RETRY_AFTER_MAX_S = const(900)


class Server:
    """`poll_s` and `time_s` are what the last answer said; `client` also fetches transfers."""

    def __init__(self, config: "Config") -> None:
        self.client = Client(config.server, config.ca)
        self.poll_s = 30
        self.time_s = 0
        self._session = Session(config.group, config.device, config.key)

    async def ask(self, path: str, document: dict) -> dict:
        """What the server has answered to the document, empty for nothing; it has taken it, durably. It may wait as
        long as a member `wait` says.

        Raises Unreachable, or Rejected when it is no use to try again.
        """
        body, wait_s = json.dumps(document).encode(), document.get("wait", 0)
        status, content = await self._authenticated("POST", _BASE + path, body, wait_s)
        if status == 401:  # a fresh nonce has come with it
            status, content = await self._authenticated("POST", _BASE + path, body, wait_s)
        if status in (400, 409, 413):
            raise Rejected("the server answered {}: {}".format(status, _detail(content)))
        if status not in (200, 204):
            raise Unreachable("the server answered {}: {}".format(status, _detail(content)))
        try:
            answer = json.loads(content) if content else {}
        except ValueError:
            raise Unreachable("the server's answer is not JSON")
        if not isinstance(answer, dict):
            raise Unreachable("the server's answer is not an object")
        return answer

    async def _authenticated(self, method: str, path: str, body: bytes, wait_s: int) -> "tuple[int, bytes]":
        """Status and body of an answer that the server has signed."""
        header, mac = self._session.sign(method, path, body, os.urandom(16))
        headers = {"Authorization": header, "Content-Type": "application/json"}
        answer, content = await self.client.request(method, path, headers, body, wait_s)
        info = answer.headers.get("authentication-info")
        if info is None:
            if answer.status in (401, 403):
                raise Unreachable("the server does not accept this board's key: is its group's token still valid?")
            error = Unreachable("the server answered {}, unsigned".format(answer.status))
            retry_after = answer.headers.get("retry-after", "")
            if retry_after.isdigit():  # nobody has signed it
                error.wait_s = min(_RETRY_AFTER_MAX_S, int(retry_after))
            raise error
        self.time_s, self.poll_s = self._session.verify(mac, answer.status, info, content)
        return answer.status, content


def _detail(content: bytes) -> str:
    try:
        return str(json.loads(content)["detail"])[:120]
    except (ValueError, KeyError, TypeError):
        return ""
