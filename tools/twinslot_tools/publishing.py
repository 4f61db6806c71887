"""From an image's file to a release on the server."""

import base64
import io
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from twinslot_tools import signing
from twinslot_tools.client import api, call, session
from twinslot_tools.errors import BadFile, ServerRefused

OnSent = Callable[[int], None]


@dataclass(frozen=True)
class Release:
    """What is to be published; `upgradable_from` is `None` for a release that every version may take."""

    path: Path
    app: str
    version: str
    strategy: str = "general"
    upgradable_from: list[str] | None = None


async def publish(
    server: str, token: str, release: Release, key: RSAPrivateKey | None, on_sent: OnSent = lambda size_bytes: None
) -> dict[str, Any]:
    """The release is on the server, durably; returns what the server says of it.

    With `key` it is signed here, else by the server. `on_sent` hears how many more bytes have left.
    """
    releases = f"/applications/{quote(release.app, safe='')}"
    async with session(server, token) as http:
        about: dict[str, Any] = {
            "version": release.version,
            "strategy": release.strategy,
            "upgradable_from": release.upgradable_from,
            "manifest": None,
            "signature": None,
        }
        if key is not None:
            sequence = signing.next_sequence(await _last_sequence(http, api(server, releases)), int(time.time()))
            facts = signing.image_facts(release.path)
            data = signing.manifest(facts, app=release.app, version=release.version, sequence=sequence)
            about["manifest"] = base64.b64encode(data).decode()
            about["signature"] = base64.b64encode(signing.sign(key, data)).decode()
        answer: dict[str, Any] = await _upload(http, api(server, f"{releases}/releases"), about, release.path, on_sent)
        return answer


async def _last_sequence(http: aiohttp.ClientSession, url: str) -> int:
    """The highest sequence of the application, 0 when the server does not know it yet."""
    try:
        return int((await call(http, "GET", url))["last_sequence"])
    except ServerRefused as error:
        if error.status == 404:
            return 0
        raise


async def _upload(
    http: aiohttp.ClientSession, url: str, about: dict[str, Any], path: Path, on_sent: OnSent
) -> dict[str, Any]:
    """The multipart request has been sent, the image straight from its file, and answered."""
    try:
        file = _Watched(io.FileIO(path), on_sent)
    except OSError as error:
        raise BadFile(f"can't read {path}: {error.strerror}") from error
    with file, aiohttp.MultipartWriter("form-data") as body:
        part = body.append(json.dumps(about), {"Content-Type": "application/json"})
        part.set_content_disposition("form-data", name="release")
        part = body.append(file, {"Content-Type": "application/octet-stream"})
        part.set_content_disposition("form-data", name="image", filename=path.name)
        answer: dict[str, Any] = await call(http, "POST", url, data=body)
        return answer


class _Watched(io.BufferedReader):
    """A file that tells how much of it has been read."""

    def __init__(self, raw: io.FileIO, on_read: OnSent) -> None:
        super().__init__(raw)
        self._on_read = on_read

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self._on_read(len(data))
        return data


@contextmanager
def progress_bar(path: Path, *, shown: bool) -> Iterator[OnSent]:
    """A bar on standard error while a file is sent, when somebody looks."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    errors = Console(stderr=True)
    with Progress(*columns, console=errors, transient=True, disable=not (shown and errors.is_terminal)) as progress:
        task = progress.add_task(f"uploading {path.name}", total=path.stat().st_size)
        yield lambda size_bytes: progress.advance(task, size_bytes)
