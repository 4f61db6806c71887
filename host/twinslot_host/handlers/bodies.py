"""Bodies and queries, bounded and checked before anything is done."""

import asyncio
from typing import Annotated, Any, TypeVar

from aiohttp import web
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from twinslot_host.config import BODY_S, PAGE_DEFAULT, PAGE_LIMIT, SOUGHT_LIMIT
from twinslot_host.domain import dates
from twinslot_host.errors import Invalid, TooLarge, TooSlow

_OFFSET_LIMIT = 1 << 31

Model = TypeVar("Model", bound=BaseModel)


class Body(BaseModel):
    """A JSON body: types as they are, no field unknown."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def may_be_left_out() -> Any:
    """For a field of a change: left out, it is not to change; null is a value only where its type says so.

    Read it by `model_dump(exclude_unset=True)`.
    """
    return Field(default=None, json_schema_extra=_without_default)


def _without_default(schema: JsonDict) -> None:
    schema.pop("default", None)


def checked_date(text: str) -> str:
    """The text, which is a date that `dates.at_ms` takes; for the type of a field."""
    try:
        dates.at_ms(text)
    except ValueError:
        raise PydanticCustomError("date", "not a date such as 2027-01-31T08:00:00Z") from None
    return text


GivenDate = Annotated[
    str,
    Field(json_schema_extra={"format": "date-time", "pattern": f"^{dates.PATTERN.pattern}$"}),
    AfterValidator(checked_date),
]


class Query(BaseModel):
    """A query: each parameter at most once, none unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Sought = Annotated[str, Field(max_length=SOUGHT_LIMIT, pattern=r"^[^\x00]*$")]  # what a list is searched for


class Page(Query):
    """Which part of a list is wanted."""

    offset: Annotated[int, Field(ge=0, le=_OFFSET_LIMIT)] = 0
    limit: Annotated[int, Field(ge=1, le=PAGE_LIMIT)] = PAGE_DEFAULT


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
        raise _invalid(error, "field") from None


def parsed_query(model: type[Model], request: web.Request) -> Model:
    """The query's parameters. Raises Invalid naming the first one that is wrong."""
    given = request.query
    counted = model.model_fields if model.model_config.get("extra") == "ignore" else given
    twice = next((name for name in counted if len(given.getall(name, ())) > 1), None)
    if twice is not None:
        raise Invalid(f"{twice[:100]}: it is given more than once")
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        raise _invalid(error, "parameter") from None


def _invalid(error: ValidationError, what: str) -> Invalid:
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"])[:100]
    if first["type"] == "extra_forbidden":
        return Invalid(f"unknown {what} {field!r}")
    return Invalid(f"{field}: {first['msg']}" if field else first["msg"])
