"""Bodies and queries, bounded and checked before anything is done."""

import asyncio
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from twinslot_host.config import BODY_S, PAGE_DEFAULT, PAGE_LIMIT
from twinslot_host.errors import Invalid, TooLarge, TooSlow

_OFFSET_LIMIT = 1 << 31

Model = TypeVar("Model", bound="Body")


class Body(BaseModel):
    """A JSON body: types as they are, no field unknown."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


async def read_limited(request: web.Request, limit_bytes: int) -> bytes:
    """The whole body. Raises TooLarge as soon as it is known to be over the limit, TooSlow when it takes over 30 s."""
    try:
        async with asyncio.timeout(BODY_S):
            return await _read(request, limit_bytes)
    except TimeoutError:
        raise TooSlow(f"the body did not come within {BODY_S:g} s") from None


async def _read(request: web.Request, limit_bytes: int) -> bytes:
    if (request.content_length or 0) > limit_bytes:
        raise TooLarge(f"the body is larger than {limit_bytes} bytes")
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > limit_bytes:
            raise TooLarge(f"the body is larger than {limit_bytes} bytes")
    return bytes(body)


def parsed(model: type[Model], body: bytes) -> Model:
    """The body's fields. Raises Invalid naming the first one that is wrong."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"])[:100]
    if first["type"] == "extra_forbidden":
        raise Invalid(f"unknown field {field!r}")
    raise Invalid(f"{field}: {first['msg']}" if field else first["msg"])


def page_of(request: web.Request) -> tuple[int, int]:
    """Offset and limit of a list. Raises Invalid when one is no number in its range."""
    offset = _number(request, "offset", 0, 0, _OFFSET_LIMIT)
    return offset, _number(request, "limit", PAGE_DEFAULT, 1, PAGE_LIMIT)


def _number(request: web.Request, name: str, default: int, lowest: int, highest: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if text.isascii() and text.isdigit() and len(text) <= 10 and lowest <= int(text) <= highest:
        return int(text)
    raise Invalid(f"{name}: a number from {lowest} to {highest}")
