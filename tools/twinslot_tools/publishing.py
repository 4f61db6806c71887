"""From the file of an image or a bundle, a specification or both to a release on the server."""

import asyncio
import base64
import json
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from twinslot_sim import image as esp_image
from twinslot_tools import manifests, shapes, signing
from twinslot_tools.client import api, call, session
from twinslot_tools.errors import BadFile, ServerRefused
from twinslot_tools.manifests import KeyChange
from twinslot_tools.signing import ImageFacts
from twinslot_tools.uploading import OnSent, append_part, opened

LARGEST_FILE_BYTES = 16 << 20
TRIES = 5
NOT_FOUND = 404
CONFLICT = 409


@dataclass(frozen=True)
class Release:
    """What is to be published: the image or the bundle at `path`, a specification (compact JSON), or both.

    `upgradable_from` is `None` for a release that every version may take; `filters` are ids.
    """

    path: Path | None
    specification: bytes | None
    app: str
    version: str
    strategy: str = "general"
    upgradable_from: list[str] | None = None
    filters: list[str] = field(default_factory=list)
    keys: KeyChange = manifests.NO_CHANGE


@dataclass(frozen=True)
class Signed:
    """A manifest that was signed elsewhere, and its signature."""

    manifest: bytes
    signature: bytes


async def publish(
    server: str,
    token: str,
    release: Release,
    signer: RSAPrivateKey | Signed | None,
    on_sent: OnSent = lambda size_bytes: None,
) -> dict[str, Any]:
    """The release is on the server, durably; returns what the server says of it.

    It is signed here with `signer`, or was signed elsewhere; None: the server signs. `on_sent` hears how many more
    bytes have left. Raises `BadFile` for an image that no chip would boot, or a bundle that no board takes, before
    anything is sent, and `ServerRefused`.
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
    facts = None if release.path is None else await asyncio.to_thread(checked, release.path)
    async with session(server, token) as http:
        if isinstance(signer, RSAPrivateKey):
            return await _publish_signed(http, url, about, release, facts, signer, on_sent)
        if signer is not None:
            about |= _encoded(signer)
        return await _upload(http, url, about, release, on_sent)


def checked(path: Path) -> ImageFacts:
    """What a manifest says of the image or the bundle at `path`; raises `BadFile` when a board would not take it."""
    try:
        size_bytes = path.stat().st_size
        if size_bytes > LARGEST_FILE_BYTES:
            raise BadFile(f"{path} is larger than any app image, or bundle: {size_bytes} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise BadFile(f"can't read {path}: {error.strerror}") from error
    return manifests.bundle_facts(path, data) if manifests.is_bundle(data) else _checked_image(path, data)


def _checked_image(path: Path, data: bytes) -> ImageFacts:
    facts = signing.image_facts(path, data)
    try:
        image = esp_image.parse(data)
    except esp_image.ImageError as error:
        raise BadFile(f"{path}: {error}. Build or copy it again") from error
    if image.length != facts.size_bytes:
        raise BadFile(
            f"{path} goes on for {facts.size_bytes - image.length} bytes after its image. "
            "Publish the build's `.app-bin`, unpadded"
        )
    return facts


def manifest(release: Release, facts: ImageFacts | None, sequence: int) -> bytes:
    """What is to be signed of the release, whose image or bundle has these facts."""
    return manifests.encoded(
        facts,
        release.specification,
        app=release.app,
        version=release.version,
        sequence=sequence,
        keys=release.keys,
    )


def _encoded(signed: Signed) -> dict[str, str]:
    return {name: base64.b64encode(data).decode() for name, data in vars(signed).items()}


async def _publish_signed(
    http: aiohttp.ClientSession,
    url: str,
    about: dict[str, Any],
    release: Release,
    facts: ImageFacts | None,
    key: RSAPrivateKey,
    on_sent: OnSent,
) -> dict[str, Any]:
    """The release is on the server; when somebody else's took the sequence meanwhile, it was signed again."""
    last = await _last_sequence(http, url)
    tries = TRIES
    while True:
        tries -= 1
        sequence = signing.next_sequence(last, int(time.time()))
        data = manifest(release, facts, sequence)
        signed = Signed(data, signing.sign(key, data))
        try:
            return await _upload(http, url, about | _encoded(signed), release, on_sent)
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
    """The multipart request has been sent, the image or the bundle straight from its file, and answered."""
    with ExitStack() as open_files, aiohttp.MultipartWriter("form-data") as body:
        append_part(body, "release", json.dumps(about), "application/json")
        if release.specification is not None:
            append_part(body, "specification", release.specification, "application/json")
        if release.path is not None:
            file = open_files.enter_context(opened(release.path, on_sent))
            append_part(body, "image", file, "application/octet-stream", release.path.name)
        answer: dict[str, Any] = await call(http, "POST", f"{url}/releases", shapes.RELEASE, data=body)
        return answer
