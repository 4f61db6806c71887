"""What the reference page shows, made of the OpenAPI document."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from twinslot_host.description.curl import curl
from twinslot_host.description.openapi import Document
from twinslot_host.description.schemas import Schema
from twinslot_host.description.words import Piece, limits, name_of, pieces

_METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Field:
    """A row of a table: a parameter, or a field of a body or an answer."""

    name: str
    type: list[Piece]
    required: bool
    notes: str


@dataclass(frozen=True)
class Body:
    """What is sent or answered; without fields it is no object, and `type` tells what it is."""

    media: str
    text: list[str]
    type: list[Piece]
    fields: list[Field]


@dataclass(frozen=True)
class Answer:
    """An answer; an error's form is its surface's, and told once."""

    status: str
    text: str
    body: Body | None


@dataclass(frozen=True)
class Operation:
    """A route."""

    id: str
    method: str
    path: str
    summary: str
    text: list[str]
    scope: str | None  # None: no token is needed
    parameters: list[Field]
    body: Body | None
    answers: list[Answer]
    errors: list[Answer]
    curl: str


@dataclass(frozen=True)
class Page:
    """The whole page: operations by surface and tag, then the models that they name."""

    title: str
    version: str
    text: list[str]
    surfaces: dict[str, dict[str, list[Operation]]]
    models: dict[str, Body]
    scopes: dict[str, str]


def page(document: Document) -> Page:
    """What the page shows of the document."""
    info, components = document["info"], document["components"]
    operations = list(_operations(document))
    surfaces = {
        group["name"]: {tag: [made for its, made in operations if its == tag] for tag in group["tags"]}
        for group in document["x-tagGroups"]
    }
    return Page(
        title=info["title"],
        version=info["version"],
        text=_paragraphs(info["description"]),
        surfaces=surfaces,
        models={name: _body("", schema, {}) for name, schema in components["schemas"].items()},
        scopes=components["securitySchemes"]["oauth2"]["flows"]["clientCredentials"]["scopes"],
    )


def _operations(document: Document) -> Iterator[tuple[str, Operation]]:
    schemas = document["components"]["schemas"]
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield methods[method]["tags"][0], _operation(path, method.upper(), methods[method], schemas)


def _operation(path: str, method: str, told: Document, schemas: Mapping[str, Schema]) -> Operation:
    answers = [_answer(status, each, schemas) for status, each in told["responses"].items()]
    return Operation(
        id=told["operationId"],
        method=method,
        path=path,
        summary=told["summary"],
        text=_paragraphs(told.get("description", "")),
        scope=next((scope for each in told["security"] for scopes in each.values() for scope in scopes), None),
        parameters=[_parameter(each) for each in told.get("parameters", [])],
        body=_only(told.get("requestBody"), schemas),
        answers=[each for each in answers if each.status < "4"],
        errors=[each for each in answers if each.status >= "4"],
        curl=curl(path, method, told, schemas),
    )


def _answer(status: str, told: Document, schemas: Mapping[str, Schema]) -> Answer:
    return Answer(status, told["description"], _only(told, schemas))


def _only(told: Document | None, schemas: Mapping[str, Schema]) -> Body | None:
    for media, content in (told or {}).get("content", {}).items():
        return _body(media, content["schema"], schemas)
    return None


def _body(media: str, schema: Schema, schemas: Mapping[str, Schema]) -> Body:
    meant = schemas.get(name_of(schema), schema)
    required = meant.get("required", [])
    fields = [
        Field(name, pieces(each), name in required, _notes(each)) for name, each in meant.get("properties", {}).items()
    ]
    return Body(media, _paragraphs(meant.get("description", "")), pieces(schema), fields)


def _parameter(told: Document) -> Field:
    schema = told["schema"]
    notes = ", ".join(each for each in (told.get("description", ""), _notes(schema)) if each)
    return Field(told["name"], pieces(schema), told["required"], notes)


def _notes(schema: Schema) -> str:
    default = f"{json.dumps(schema['default'])} when absent" if schema.get("default") is not None else ""
    return ", ".join(each for each in (schema.get("description", ""), limits(schema), default) if each)


def _paragraphs(text: str) -> list[str]:
    return [each for each in text.split("\n\n") if each.strip()]
