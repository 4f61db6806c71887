"""application/x-www-form-urlencoded bodies."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from aiohttp import web

from twinslot_host.config import API_BODY_LIMIT_BYTES
from twinslot_host.errors import Invalid, WrongType
from twinslot_host.handlers.bodies import read_limited
from twinslot_host.handlers.routes import FORM

_FIELDS_LIMIT = 20


async def form_of(request: web.Request) -> Mapping[str, str]:
    """The body's fields, without those that are empty.

    Raises Invalid for a field that comes twice and for what is no form in UTF-8, WrongType, TooLarge, TooSlow.
    """
    if request.content_type != FORM:
        raise WrongType(f"the body must be {FORM}")
    body = await read_limited(request, API_BODY_LIMIT_BYTES)
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_FIELDS_LIMIT)
    except ValueError:
        raise Invalid(f"the body is no form in UTF-8 of at most {_FIELDS_LIMIT} fields") from None
    if len({name for name, _ in pairs}) < len(pairs):
        raise Invalid("a field is given more than once")
    return {name: value for name, value in pairs if value}
