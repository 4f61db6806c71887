"""The device's side of the protocol, for a provisioning tool that knows the group token (docs/protocol.md)."""

import hashlib
import hmac
import re
import secrets
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


async def get(server: str, path: str, *, group: str, token: str, device: str) -> dict[str, Any]:
    """The server's authenticated answer to a GET of `path` by the device.

    Raises `ServerRefused` when it knows no such group and token, when its answer proves nothing, or when there is none.
    """
    key = device_key(token, checked_device(device))
    url = server.rstrip("/") + path
    nonce = ""
    timeout = aiohttp.ClientTimeout(total=60)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as http:
            for _ in range(2):
                mac, header = _authorization(key, urlsplit(url).path, group, device, nonce)
                async with http.get(url, headers={"Authorization": header}) as answer:
                    body = await answer.read()
                    fields = dict(_FIELD.findall(answer.headers.get("Authentication-Info", "")))
                    proof = answer_mac(key, status=answer.status, request=mac, fields=fields, body=body)
                    proven = hmac.compare_digest(proof, fields.get("mac", ""))
                    if answer.status == 401 and proven and not nonce:
                        nonce = fields["nonce"]
                        continue
                    if answer.status == 401 and not proven:
                        raise ServerRefused(f"{server} does not know group {group} with this token", 401)
                    if not proven:
                        raise ServerRefused(f"what answers at {server} can't prove that it knows group {group}")
                    answered: dict[str, Any] = await document(answer, dict)
                    return answered
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise unreachable(server, error) from error
    raise ServerRefused(f"{server} did not accept its own nonce", 401)


def _authorization(key: bytes, path: str, group: str, device: str, nonce: str) -> tuple[str, str]:
    """The mac of a first GET under `nonce`, and the header that carries it."""
    cnonce = secrets.token_hex(16)
    mac = request_mac(key, method="GET", path=path, nonce=nonce, seq=1, cnonce=cnonce, body=b"")
    fields = {"group": group, "device": device, "nonce": nonce, "seq": 1, "cnonce": cnonce, "mac": mac}
    return mac, "Twinslot " + ", ".join(f'{name}="{value}"' for name, value in fields.items())


def _mac(key: bytes, *lines: str) -> str:
    return hmac.digest(key, "\n".join(lines).encode(), "sha256").hex()
