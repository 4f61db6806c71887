"""A server that knows the group's token and means harm: it signs its answers, and puts into them what a test says."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import ssl
import struct
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from ..vectors import transfer_file
from .lab import Bench

GROUP = {"id": "5e1b76bc4315b70eb242567a", "token": "a-token-of-the-tests-own", "app": "kettle"}


def manifest(image: bytes, specification: bytes | None = None, **fields: Any) -> bytes:
    """The manifest of an image, a specification or both, with some fields as the test wants them."""
    f = {"app": "kettle", "version": "1.1.0", "sequence": 100, "security": 0, "kind": 0, "chip": 0, "size": len(image)}
    f["sha256"] = hashlib.sha256(image).digest()
    tail = b""
    if specification is not None:
        f |= {"kind": 2} if image else {"kind": 1, "chip": 0xFFFF, "sha256": bytes(32)}
        tail = struct.pack("<H32s", len(specification), hashlib.sha256(specification).digest())
    f |= fields
    numbers = f["kind"], f["chip"], f["sequence"], f["security"], f["size"]
    head = struct.pack("<4sBBHIII32s", b"TWSM", 1, *numbers, f["sha256"])
    return head + b"".join(bytes([len(text)]) + text.encode() for text in (f["app"], f["version"])) + tail


def sign(key: rsa.RSAPrivateKey, data: bytes) -> bytes:
    return key.sign(data, padding.PKCS1v15(), hashes.SHA256())


def ranged(request: web.Request, content: bytes) -> web.Response:
    """The content, or the range of it that was asked for."""
    if request.http_range.start is None:
        return web.Response(body=content)
    part = content[request.http_range]
    first = request.http_range.start
    said = f"bytes {first}-{first + len(part) - 1}/{len(content)}"
    return web.Response(status=206, body=part, headers={"Content-Range": said})


class Impostor:
    """Set `offer` (manifest, signature), `extras` (fields that come into the offer, or with None stay out of it),
    `base` (what the image's transfer is made against), `transfer` and `raw` (handlers of it and of the image itself),
    `order` (which operation a check-in of that body is answered with, None for none), `files` (contents by their path
    below /files/); look at `reports`. Its clock is `ahead_s` ahead; with `silent_in_trial` a device in a trial gets
    nothing. Serves on 127.0.0.1."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.offer: tuple[bytes, bytes] | None = None
        self.extras: dict[str, Any] = {}
        self.image = b""
        self.base = b""
        self.transfer: Any = None
        self.raw: Any = None
        self.order: Callable[[dict[str, Any]], dict[str, Any] | None] = lambda check: None
        self.files: dict[str, bytes] = {}
        self.reports: list[dict[str, Any]] = []
        self.checks: list[dict[str, Any]] = []
        self.forge_mac = False
        self.ahead_s = 0
        self.silent_in_trial = False

    async def __aenter__(self) -> Impostor:
        app = web.Application()
        app.router.add_post("/device/v1/check", self._check)
        app.router.add_post("/device/v1/report", self._report)
        app.router.add_post("/device/v1/operation", self._operation)
        app.router.add_get("/files/{path:.+}", self._file)
        app.router.add_get("/device/v1/transfers/it", self._transfer)
        app.router.add_get("/device/v1/transfers/image", self._image)
        self._runner = web.AppRunner(app, shutdown_timeout=0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls).start()
        scheme, host = ("https", "localhost") if self._tls else ("http", "127.0.0.1")
        self.address = f"{scheme}://{host}:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _check(self, request: web.Request) -> web.Response:
        self.checks.append(await request.json())
        if self.silent_in_trial and self.checks[-1]["state"] == "trial":
            return web.Response(status=503)
        if order := self.order(self.checks[-1]):
            return await self._signed(request, 200, json.dumps({"operation": order}).encode())
        if self.offer is None or self.checks[-1]["state"] == "trial" or self._has_confirmed(self.checks[-1]):
            return await self._signed(request, 204, b"")
        data, signature = (base64.b64encode(part).decode() for part in self.offer)
        runs = self.checks[-1]["image"] or ""
        paths = {"transfer": f"/device/v1/transfers/it?runs={runs}", "image": "/device/v1/transfers/image"}
        offer = {"manifest": data, "signature": signature, **paths, **self.extras}
        offer = {name: value for name, value in offer.items() if value is not None}
        return await self._signed(request, 200, json.dumps({"offer": offer}).encode())

    async def hears(self, bench: Bench, version: str) -> None:
        """Waits until the board keeps `version`, its report has come, and the check-in that it makes right after it."""
        await bench.confirmed(version)
        await bench.until(lambda: self.checks[-1]["confirmed_version"] == version)

    def _has_confirmed(self, check: dict[str, Any]) -> bool:
        """Whether the device is done with the very release that is on offer."""
        return self.offer is not None and self.offer[0][8:12] == struct.pack("<I", check["sequence"])

    async def _report(self, request: web.Request) -> web.Response:
        self.reports.append(await request.json())
        return await self._signed(request, 204, b"")

    async def _operation(self, request: web.Request) -> web.Response:
        return await self._signed(request, 200, json.dumps({"stop": False}).encode())

    async def _file(self, request: web.Request) -> web.Response:
        return web.Response(body=self.files[request.match_info["path"]])

    async def _transfer(self, request: web.Request) -> web.StreamResponse:
        if self.transfer:
            answer: web.StreamResponse = await self.transfer(request)
            return answer
        return ranged(request, transfer_file.transfer(self.image, self.base))

    async def _image(self, request: web.Request) -> web.Response:
        if self.raw:
            answer: web.StreamResponse = await self.raw(request)
            return answer
        return ranged(request, self.image)

    async def _signed(self, request: web.Request, status: int, body: bytes) -> web.Response:
        sent = dict(re.findall(r'(\w+)="([^"]*)"', request.headers["Authorization"]))
        key = hmac.digest(GROUP["token"].encode(), sent["device"].encode(), "sha256")
        now = str(int(time.time()) + self.ahead_s)
        lines = (str(status), sent["mac"], "aa.bb", now, "1", hashlib.sha256(body).hexdigest())
        mac = hmac.digest(key, "\n".join(("twinslot-response-1", *lines)).encode(), "sha256").hex()
        if self.forge_mac:
            mac = "0" * 64
        info = f'nonce="aa.bb", time="{now}", poll="1", mac="{mac}"'
        return web.Response(status=status, body=body, headers={"Authentication-Info": info})
