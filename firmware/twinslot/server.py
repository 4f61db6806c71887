"""The server as the device sees it: check in, report, nothing else (docs/protocol.md)."""

import json
import os

from .auth import Session
from .errors import Rejected, Unreachable
from .http import Client

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .config import Config

_BASE = "/device/v1"


class Server:
    """`poll_s` and `time_s` are what the last answer said; `client` also fetches transfers."""

    def __init__(self, config: "Config") -> None:
        self.client = Client(config.server, config.ca)
        self.poll_s = 30
        self.time_s = 0
        self._session = Session(config.group, config.device, config.key)

    async def check(self, status: dict) -> dict:
        """What the server has for a device in that state, empty for nothing. Raises Unreachable or Rejected."""
        body = await self._post("/check", status, (200, 204))
        if not body:
            return {}
        try:
            answer = json.loads(body)
        except ValueError:
            raise Unreachable("the server's answer is not JSON")
        if not isinstance(answer, dict):
            raise Unreachable("the server's answer is not an object")
        return answer

    async def report(self, body: dict) -> None:
        """The server has the report, durably. Raises Unreachable, or Rejected when it is no use to try again."""
        await self._post("/report", body, (204,))

    async def _post(self, path: str, document: dict, expected: "tuple[int, ...]") -> bytes:
        body = json.dumps(document).encode()
        status, content = await self._authenticated("POST", _BASE + path, body)
        if status == 401:  # a fresh nonce has come with it
            status, content = await self._authenticated("POST", _BASE + path, body)
        if status in (400, 409, 413):
            raise Rejected("the server answered {}: {}".format(status, _detail(content)))
        if status not in expected:
            raise Unreachable("the server answered {}: {}".format(status, _detail(content)))
        return content

    async def _authenticated(self, method: str, path: str, body: bytes) -> "tuple[int, bytes]":
        """Status and body of an answer that the server has signed."""
        header, mac = self._session.sign(method, path, body, os.urandom(16))
        headers = {"Authorization": header, "Content-Type": "application/json"}
        answer, content = await self.client.request(method, path, headers, body)
        info = answer.headers.get("authentication-info")
        if info is None:
            if answer.status in (401, 403):
                raise Unreachable("the server does not accept this board's key: is its group's token still valid?")
            raise Unreachable("the server answered {}, unsigned".format(answer.status))
        self.time_s, self.poll_s = self._session.verify(mac, answer.status, info, content)
        return answer.status, content


def _detail(content: bytes) -> str:
    try:
        return str(json.loads(content)["detail"])[:120]
    except (ValueError, KeyError, TypeError):
        return ""
