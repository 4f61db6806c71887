"""Attributes and tags in bodies: what an owner says of a device, and what a filter asks for."""

from typing import Annotated

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema

from twinslot_host.config import (
    API_BODY_LIMIT_BYTES,
    ATTRIBUTE_NAME_LIMIT,
    ATTRIBUTE_TEXT_LIMIT,
    ATTRIBUTES_LIMIT,
    TAGS_LIMIT,
)
from twinslot_host.domain import json_values
from twinslot_host.domain.filters import Attribute
from twinslot_host.domain.names import checked_name

_VALUE_FORM = f"a value is a string of at most {ATTRIBUTE_TEXT_LIMIT} characters, a number, true or false"


def _name(name: str) -> str:
    if not name.isprintable():
        raise ValueError("a name of an attribute is of printable characters")
    return name


def _value(value: object) -> object:
    if (isinstance(value, str) and len(value) <= ATTRIBUTE_TEXT_LIMIT) or isinstance(value, bool | int | float):
        return value
    raise ValueError(_VALUE_FORM)


def _all(attributes: dict[str, Attribute]) -> dict[str, Attribute]:
    json_values.checked("attributes", attributes, API_BODY_LIMIT_BYTES)
    return attributes


_VALUE = {
    "anyOf": [
        {"type": "string", "maxLength": ATTRIBUTE_TEXT_LIMIT, "pattern": "^[^\\u0000]*$"},
        {"type": "number"},
        {"type": "boolean"},
    ]
}

AttributeName = Annotated[str, Field(min_length=1, max_length=ATTRIBUTE_NAME_LIMIT), AfterValidator(_name)]
AttributeValue = Annotated[Attribute, PlainValidator(_value), WithJsonSchema(_VALUE)]
Attributes = Annotated[dict[AttributeName, AttributeValue], Field(max_length=ATTRIBUTES_LIMIT), AfterValidator(_all)]
Tags = Annotated[list[str], Field(max_length=TAGS_LIMIT)]


def checked_tags(what: str, tags: list[str]) -> list[str]:
    """The tags by name, each once. Raises Invalid naming `what` for one that is no name."""
    return sorted({checked_name(what, tag) for tag in tags})
