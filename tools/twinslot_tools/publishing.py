"""From an image's file, a specification or both to a release on the server."""

import asyncio
import base64
import io
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from twinslot_sim import image as esp_image
from twinslot_tools import shapes, signing
from twinslot_tools.client import api, call, session
from twinslot_tools.errors import BadFile, ServerRefused
from twinslot_tools.output import printable

OnSent = Callable[[int], None]

LARGEST_IMAGE_BYTES = 16 << 20
TRIES = 5
NOT_FOUND = 404
CONFLICT = 409


@dataclass(frozen=True)
class Release:
    """What is to be published: the image at `path`, a specification (compact JSON), or both.

    `upgradable_from` is `None` for a release that every version may take; `filters` are ids.
    """

    path: Path | None
    specification: bytes | None
    app: str
    version: str
    strategy: str = "general"
    upgradable_from: list[str] | None = None
    filters: list[str] = field(default_factory=list)


async def publish(
    server: str, token: str, release: Release, key: RSAPrivateKey | None, on_sent: OnSent = lambda size_bytes: None
) -> dict[str, Any]:
    """The release is on the server, durably; returns what the server says of it.

    With `key` it is signed here, else by the server. `on_sent` hears how many more bytes have left. Raises `BadFile`
    for an image that no chip would boot, before anything is sent, and `ServerRefused`.
    """
    url = api(server, f"/applications/{quote(release.app, safe='')}")
    about: dict[str, Any] = {
        "version": release.version,
        "strategy": release.strategy,
        "upgradable_from": release.upgradable_from,
        "filters": [{"filter": each} for each in release.filters],
        "manifest": None,
        "signature": None,
    }
    facts = None if release.path is None else await asyncio.to_thread(checked_image, release.path)
    async with session(server, token) as http:
        if key is None:
            return await _upload(http, url, about, release, on_sent)
        return await _publish_signed(http, url, about, release, facts, key, on_sent)


def checked_image(path: Path) -> signing.ImageFacts:
    """What a manifest says of the image at `path`; raises `BadFile` when a chip would not boot it."""
    facts = signing.image_facts(path)
    if facts.size_bytes > LARGEST_IMAGE_BYTES:
        raise BadFile(f"{path} is larger than any app image: {facts.size_bytes} bytes")
    try:
        image = esp_image.parse(path.read_bytes())
    except OSError as error:
        raise BadFile(f"can't read {path}: {error.strerror}") from error
    except esp_image.ImageError as error:
        raise BadFile(f"{path}: {error}. Build or copy it again") from error
    if image.length != facts.size_bytes:
        raise BadFile(
            f"{path} goes on for {facts.size_bytes - image.length} bytes after its image. "
            "Publish the build's `.app-bin`, unpadded"
        )
    return facts


async def _publish_signed(
    http: aiohttp.ClientSession,
    url: str,
    about: dict[str, Any],
    release: Release,
    facts: signing.ImageFacts | None,
    key: RSAPrivateKey,
    on_sent: OnSent,
) -> dict[str, Any]:
    """The release is on the server; when somebody else's took the sequence meanwhile, it was signed again."""
    last = await _last_sequence(http, url)
    tries = TRIES
    while True:
        tries -= 1
        sequence = signing.next_sequence(last, int(time.time()))
        data = signing.manifest(
            facts, release.specification, app=release.app, version=release.version, sequence=sequence
        )
        signature = signing.sign(key, data)
        signed = {
            **about,
            "manifest": base64.b64encode(data).decode(),
            "signature": base64.b64encode(signature).decode(),
        }
        try:
            return await _upload(http, url, signed, release, on_sent)
        except ServerRefused as error:
            if error.status != CONFLICT or not tries:
                raise
            last = await _last_sequence(http, url)
            if last < sequence:  # it was another conflict
                raise


async def _last_sequence(http: aiohttp.ClientSession, url: str) -> int:
    """The highest sequence of the application, 0 when the server does not know it yet."""
    try:
        return int((await call(http, "GET", url, shapes.APPLICATION))["last_sequence"])
    except ServerRefused as error:
        if error.status == NOT_FOUND:
            return 0
        raise


async def _upload(
    http: aiohttp.ClientSession, url: str, about: dict[str, Any], release: Release, on_sent: OnSent
) -> dict[str, Any]:
    """The multipart request has been sent, the image straight from its file, and answered."""
    with ExitStack() as open_files, aiohttp.MultipartWriter("form-data") as body:
        _append(body, "release", json.dumps(about), "application/json")
        if release.specification is not None:
            _append(body, "specification", release.specification, "application/json")
        if release.path is not None:
            file = open_files.enter_context(_opened(release.path, on_sent))
            _append(body, "image", file, "application/octet-stream", release.path.name)
        answer: dict[str, Any] = await call(http, "POST", f"{url}/releases", shapes.RELEASE, data=body)
        return answer


def _append(
    body: aiohttp.MultipartWriter, name: str, content: str | bytes | io.BufferedReader, media: str, file_name: str = ""
) -> None:
    names = {"name": name, "filename": file_name} if file_name else {"name": name}
    body.append(content, {"Content-Type": media}).set_content_disposition("form-data", quote_fields=True, **names)


def _opened(path: Path, on_sent: OnSent) -> "_Watched":
    try:
        return _Watched(io.FileIO(path), on_sent)
    except OSError as error:
        raise BadFile(f"can't read {path}: {error.strerror}") from error


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
def progress_bar(path: Path | None, *, shown: bool) -> Iterator[OnSent]:
    """A bar on standard error while a file is sent, when there is one and somebody looks."""
    if path is None:
        yield lambda size_bytes: None
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    errors = Console(stderr=True)
    with Progress(*columns, console=errors, transient=True, disable=not (shown and errors.is_terminal)) as progress:
        task = progress.add_task(f"uploading {printable(path.name)}", total=path.stat().st_size)
        yield lambda size_bytes: progress.advance(task, size_bytes)
