"""The device's side of the protocol, for a provisioning tool that knows the group token (docs/protocol.md)."""

import hashlib
import hmac
import re
import secrets
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from twinslot_tools.client import document, unreachable
from twinslot_tools.errors import ServerRefused
from twinslot_tools.options import checked_device

_FIELD = re.compile(r'(\w+)="([ !#-~]*)"', re.ASCII)


def device_key(group_token: str, device: str) -> bytes:
    """The 32 bytes that prove a device: HMAC-SHA256 of its id under the group's token."""
    return hmac.digest(group_token.encode(), device.encode(), "sha256")


def request_mac(key: bytes, *, method: str, path: str, nonce: str, seq: int, cnonce: str, body: bytes) -> str:
    """What proves a request, as hex."""
    digest = hashlib.sha256(body).hexdigest()
    return _mac(key, "twinslot-request-1", method, path, nonce, str(seq), cnonce, digest)


def answer_mac(key: bytes, *, status: int, request: str, fields: Mapping[str, str], body: bytes) -> str:
    """What proves an answer to the request whose mac is `request`, as hex."""
    digest = hashlib.sha256(body).hexdigest()
    said = (fields.get(name, "") for name in ("nonce", "time", "poll"))
    return _mac(key, "twinslot-response-1", str(status), request, *said, digest)


class Session:
    """Requests of one device, as whoever knows its group's token can make them.

    It keeps to the nonce that it was given first until the server accepts that no more, so that it does not void those
    of the board itself (docs/protocol.md, "Authenticating a request"). `tls` says whom to trust, by default those whom
    this machine trusts.
    """

    def __init__(self, server: str, group: str, token: str, device: str, tls: ssl.SSLContext | None = None) -> None:
        self.server = server
        self.group = group
        self.token = token
        self.device = checked_device(device)
        self._key = device_key(token, device)
        self._tls = tls
        self._nonce = ""
        self._seq = 0

    async def get(self, path: str) -> dict[str, Any]:
        """The server's authenticated answer to a GET of `path`.

        Raises `ServerRefused` when the server knows no such group and token, when its answer proves nothing, or when
        there is none.
        """
        url = self.server.rstrip("/") + path
        timeout = aiohttp.ClientTimeout(total=60)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as http:
                for _ in range(2):
                    mac, header = self._authorization(urlsplit(url).path)
                    async with http.get(url, headers={"Authorization": header}, ssl=self._tls or True) as answer:
                        if not await self._is_new_nonce(answer, mac):
                            answered: dict[str, Any] = await document(answer, dict)
                            return answered
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise unreachable(self.server, error) from error
        raise ServerRefused(f"{self.server} did not accept its own nonce", 401)

    async def _is_new_nonce(self, answer: aiohttp.ClientResponse, mac: str) -> bool:
        """Whether the answer, to the request of that mac, only brings a nonce, which is ours then; raises
        `ServerRefused` for one that is not proven."""
        body = await answer.read()
        fields = dict(_FIELD.findall(answer.headers.get("Authentication-Info", "")))
        proof = answer_mac(self._key, status=answer.status, request=mac, fields=fields, body=body)
        if not hmac.compare_digest(proof, fields.get("mac", "")):
            if answer.status == 401:
                raise ServerRefused(
                    f"{self.server} does not know group {self.group} with this token. `twinslot group list` shows the "
                    "groups, `twinslot group token ID` makes a further token of one",
                    401,
                )
            raise ServerRefused(
                f"what answers at {self.server} can't prove that it knows group {self.group}. Is the address right?"
            )
        if answer.status == 401:
            self._nonce, self._seq = fields["nonce"], 0
        return answer.status == 401

    def _authorization(self, path: str) -> tuple[str, str]:
        """The mac of the next GET, and the header that carries it."""
        self._seq += 1
        cnonce, nonce = secrets.token_hex(16), self._nonce
        mac = request_mac(self._key, method="GET", path=path, nonce=nonce, seq=self._seq, cnonce=cnonce, body=b"")
        fields = {"group": self.group, "device": self.device, "nonce": nonce, "seq": self._seq}
        fields |= {"cnonce": cnonce, "mac": mac}
        return mac, "Twinslot " + ", ".join(f'{name}="{value}"' for name, value in fields.items())


def _mac(key: bytes, *lines: str) -> str:
    return hmac.digest(key, "\n".join(lines).encode(), "sha256").hex()
