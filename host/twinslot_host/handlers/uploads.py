"""POST /api/v1/applications/{app}/releases: multipart/form-data, `release` as JSON, then `image`, streamed."""

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from twinslot_host.artifacts import receive
from twinslot_host.config import API_BODY_LIMIT_BYTES, UPLOAD_CHUNK_BYTES, UPLOAD_SILENCE_S
from twinslot_host.domain.names import checked_name
from twinslot_host.domain.versions import checked_version
from twinslot_host.errors import Invalid, TooLarge, TooSlow
from twinslot_host.flows.publish import Draft, check_early, publish
from twinslot_host.handlers import views
from twinslot_host.handlers.bearer import account_of
from twinslot_host.handlers.bodies import Body, parsed
from twinslot_host.services import SERVICES

_MALFORMED = (ValueError, AssertionError, HttpProcessingError)  # what aiohttp's reader raises for bad input


class ReleaseBody(Body):
    """What the publisher says of the image."""

    version: str
    strategy: Literal["suspended", "targeted", "general"] = "general"
    upgradable_from: list[str] | None = None
    manifest: str | None = None
    signature: str | None = None


async def create_release(request: web.Request) -> web.Response:
    """201 with the release, which is on disk."""
    account = await account_of(request, "application:software:update")
    app = checked_name("application", request.match_info["app"])
    services = request.app[SERVICES]
    parts = await _multipart(request)
    draft = _draft(app, await _text(await _part(parts, "release")))
    await check_early(services, account, draft)
    image = await _part(parts, "image")
    with services.artifacts.temporary() as path:
        incoming = await receive(path, _chunks(image))
        if await _next(parts) is not None:
            raise Invalid("a part follows `image`, which is the last")
        release = await publish(services, account, draft, incoming)
    return web.json_response(views.release(app, release), status=201)


def _draft(app: str, text: bytes) -> Draft:
    body = parsed(ReleaseBody, text)
    if (body.manifest is None) != (body.signature is None):
        raise Invalid("manifest and signature belong together: send both, or neither for the server to sign")
    return Draft(
        app=app,
        version=checked_version("version", body.version),
        strategy=body.strategy,
        upgradable_from=None
        if body.upgradable_from is None
        else [checked_version("upgradable_from", each) for each in body.upgradable_from],
        manifest=_decoded("manifest", body.manifest),
        signature=_decoded("signature", body.signature),
    )


def _decoded(what: str, text: str | None) -> bytes | None:
    try:
        return None if text is None else base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid(f"{what}: not base64") from None


async def _multipart(request: web.Request) -> MultipartReader:
    if request.content_type != "multipart/form-data":
        raise Invalid("the body must be multipart/form-data with the parts `release` and `image`")
    try:
        return await request.multipart()
    except ValueError:
        raise Invalid("the multipart body has no usable boundary") from None


async def _part(parts: MultipartReader, name: str) -> BodyPartReader:
    part = await _next(parts)
    if not isinstance(part, BodyPartReader) or part.name != name:
        raise Invalid(f"the part {name!r} is missing: the parts are `release`, then `image`")
    return part


async def _next(parts: MultipartReader) -> MultipartReader | BodyPartReader | None:
    async with _told():
        return await parts.next()


async def _text(part: BodyPartReader) -> bytes:
    text = bytearray()
    async for chunk in _chunks(part):
        text += chunk
        if len(text) > API_BODY_LIMIT_BYTES:
            raise TooLarge(f"the part `release` is larger than {API_BODY_LIMIT_BYTES} bytes")
    return bytes(text)


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while True:
        async with _told():
            chunk = await part.read_chunk(UPLOAD_CHUNK_BYTES)
        if not chunk:
            return
        yield chunk


@asynccontextmanager
async def _told() -> AsyncIterator[None]:
    """What reading raises for bad input leaves the block as Invalid, and a minute of silence as TooSlow."""
    try:
        async with asyncio.timeout(UPLOAD_SILENCE_S):
            yield
    except TimeoutError:
        raise TooSlow(f"nothing more of the upload came for {UPLOAD_SILENCE_S:g} s") from None
    except _MALFORMED:
        raise Invalid("the multipart body is malformed") from None
