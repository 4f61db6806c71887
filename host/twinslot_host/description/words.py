"""JSON schemas in a few words, with links to the models that they name."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from twinslot_host.description.schemas import PREFIX, Schema

_WORDS = {"string": "text", "integer": "integer", "number": "number", "boolean": "true or false", "null": "null"}
_FORMATS = {"date-time": "date", "binary": "file", "uuid": "UUID"}


@dataclass(frozen=True)
class Piece:
    """A word, or the name of a model that the page has a table of."""

    text: str
    model: bool = False


def name_of(schema: Schema) -> str:
    """The name of the model that the schema refers to; empty when it is no reference."""
    reference: str = schema.get("$ref", "")
    return reference.removeprefix(PREFIX)


def pieces(schema: Schema) -> list[Piece]:
    """What kind of value the schema describes."""
    if "$ref" in schema:
        return [Piece(name_of(schema), model=True)]
    if "const" in schema:
        return [Piece(json.dumps(schema["const"]))]
    if "enum" in schema:
        return _either([Piece(json.dumps(each))] for each in schema["enum"])
    if "anyOf" in schema or "oneOf" in schema:
        return _either(pieces(each) for each in schema.get("anyOf") or schema["oneOf"])
    return _plain(schema)


def _plain(schema: Schema) -> list[Piece]:
    kind = schema.get("type")
    if kind == "array":
        return [Piece("list of "), *pieces(schema.get("items", {}))]
    if kind == "object":
        return _object(schema)
    word = _FORMATS.get(schema.get("format", ""), _WORDS.get(str(kind), "any JSON"))
    return [Piece(word)]


def _object(schema: Schema) -> list[Piece]:
    values = schema.get("additionalProperties")
    return [Piece("object of "), *pieces(values)] if isinstance(values, dict) and values else [Piece("object")]


def _either(choices: Iterable[list[Piece]]) -> list[Piece]:
    told: list[Piece] = []
    for each in choices:
        told += [Piece(" or "), *each] if told else each
    return told


def limits(schema: Schema) -> str:
    """The bounds of the value in words; empty when there are none."""
    told = [
        _range(schema, "minimum", "maximum", ""),
        _range(schema, "minLength", "maxLength", " characters"),
        _range(schema, "minItems", "maxItems", " items"),
        f"pattern `{schema['pattern']}`" if "pattern" in schema else "",
    ]
    nested = [limits(each) for each in schema.get("anyOf", [])]
    return ", ".join(each for each in [*told, *nested] if each)


def _range(schema: Schema, least: str, most: str, unit: str) -> str:
    low, high = schema.get(least), schema.get(most)
    if low is not None and high is not None:
        return f"{low} to {high}{unit}"
    if low is not None:
        return f"at least {low}{unit}"
    return "" if high is None else f"at most {high}{unit}"
