"""multipart/form-data (RFC 7578), part by part, as it comes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from twinslot_host.config import FORM_LIMIT_BYTES, IMAGE_LIMIT_BYTES, UPLOAD_CHUNK_BYTES, UPLOAD_SILENCE_S
from twinslot_host.errors import Invalid, TooLarge, TooSlow, WrongType

_MALFORMED = (ValueError, AssertionError, HttpProcessingError)  # what aiohttp's reader raises for bad input


class Parts:
    """The parts of a request's body, each read to its end before the next. Each method raises Invalid for a malformed
    body and TooSlow after a minute of silence."""

    def __init__(self, reader: MultipartReader) -> None:
        self._reader = reader

    @classmethod
    async def of(cls, request: web.Request) -> "Parts":
        """The request's parts. Raises WrongType when its body is something else, and TooLarge, before anything of it
        is read, when its length tells that its file is over 16 MiB."""
        if request.content_type != "multipart/form-data":
            raise WrongType("the body must be multipart/form-data")
        if (request.content_length or 0) > FORM_LIMIT_BYTES:
            raise TooLarge(f"the upload's file is larger than {IMAGE_LIMIT_BYTES} bytes")
        try:
            return cls(await request.multipart())
        except ValueError:
            raise Invalid("the multipart body has no usable boundary") from None

    async def next(self) -> BodyPartReader | None:
        """The next part, None at the end."""
        async with _told():
            part = await self._reader.next()
        if part is not None and not isinstance(part, BodyPartReader):
            raise Invalid("a part of the multipart body is itself multipart")
        return part


async def text(part: BodyPartReader, limit_bytes: int) -> bytes:
    """The whole part. Raises TooLarge over the limit, and what Parts raises."""
    content = bytearray()
    async for chunk in chunks(part):
        content += chunk
        if len(content) > limit_bytes:
            raise TooLarge(f"the part {part.name!r} is larger than {limit_bytes} bytes")
    return bytes(content)


async def chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    """The part's content, piece by piece."""
    while True:
        async with _told():
            chunk = await part.read_chunk(UPLOAD_CHUNK_BYTES)
        if not chunk:
            return
        yield chunk


@asynccontextmanager
async def _told() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(UPLOAD_SILENCE_S):
            yield
    except TimeoutError:
        raise TooSlow(f"nothing more of the upload came for {UPLOAD_SILENCE_S:g} s") from None
    except _MALFORMED:
        raise Invalid("the multipart body is malformed") from None
