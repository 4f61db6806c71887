"""The OpenAPI 3.1 document, made of the routes and their models: what it tells is what the server does."""

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel

from twinslot_host.config import SCOPES
from twinslot_host.description.schemas import Schema, Schemas
from twinslot_host.description.tables import BEARER, CLIENT, DESCRIPTION, SCOPE_TEXTS, part_of
from twinslot_host.errors import Invalid, TooLarge, TooSlow, TwinslotError, Unauthorized, WrongType
from twinslot_host.handlers.routes import JSON, MULTIPART, Route, Routes
from twinslot_host.handlers.surfaces import OAUTH

Document = dict[str, Any]

_PART = re.compile(r"\{(\w+)[^}]*\}")


def document(described: Iterable[Routes]) -> Document:
    """The whole document, as JSON would hold it."""
    parts = list(described)
    routes = [route for each in parts for route in each.all]
    schemas = Schemas(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(path_of(route), {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Twinslot", "version": version("twinslot"), "description": DESCRIPTION},
        "tags": [{"name": name} for name in dict.fromkeys(each.tag for each in parts)],
        "x-tagGroups": _tag_groups(parts),
        "paths": paths,
        "components": {"schemas": schemas.components(), "securitySchemes": _security_schemes()},
    }


def served_at(made: Document, origin: str) -> Document:
    """The document as the server at `origin` gives it: with addresses where the specification takes no paths."""
    schemes = made["components"]["securitySchemes"]
    client = schemes["oauth2"]["flows"]["clientCredentials"]
    oauth2 = schemes["oauth2"] | {"flows": {"clientCredentials": client | {"tokenUrl": origin + client["tokenUrl"]}}}
    components = made["components"] | {"securitySchemes": schemes | {"oauth2": oauth2}}
    return made | {"servers": [{"url": origin}], "components": components}


def path_of(route: Route) -> str:
    """The route's path without the patterns that the router has for its parts."""
    return _PART.sub(r"{\1}", route.path)


def operation_id(route: Route) -> str:
    """A name for the operation: it stays as long as its method and path do."""
    return "_".join([route.method.lower(), *re.findall(r"\w+", path_of(route).replace("-", "_"))])


def _tag_groups(parts: Iterable[Routes]) -> list[Document]:
    groups: dict[str, dict[str, None]] = {}
    for each in parts:
        groups.setdefault(each.surface.name, {})[each.tag] = None
    return [{"name": name, "tags": list(tags)} for name, tags in groups.items()]


def _operation(route: Route, schemas: Schemas) -> Document:
    summary, _, rest = inspect.cleandoc(route.handler.__doc__ or "").partition("\n")
    asked = "" if route.query is None else inspect.getdoc(route.query) or ""
    operation = {
        "operationId": operation_id(route),
        "tags": [route.tag],
        "summary": summary.removesuffix("."),
        "description": f"{rest.strip()}\n\n{asked}".strip(),
        "parameters": [*_path_parameters(route), *_query_parameters(route, schemas)],
        "requestBody": _request_body(route, schemas),
        "responses": _responses(route, schemas),
        "security": _security(route),
    }
    return {name: value for name, value in operation.items() if value or name == "security"}


def _path_parameters(route: Route) -> list[Document]:
    path = path_of(route)
    found = [(each[1], *part_of(path[: each.start()])) for each in _PART.finditer(path)]
    return [
        {"name": name, "in": "path", "required": True, "description": text, "schema": schema}
        for name, schema, text in found
    ]


def _query_parameters(route: Route, schemas: Schemas) -> list[Document]:
    if route.query is None:
        return []
    schema = schemas.of(route.query, "validation")
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": each}
        for name, each in schema.get("properties", {}).items()
    ]


def _request_body(route: Route, schemas: Schemas) -> Document | None:
    if route.body is None:
        return None
    content: Document = {"schema": schemas.ref(route.body, "validation")}
    if route.media == MULTIPART:
        content["encoding"] = _encoding(schemas.of(route.body, "validation")["properties"])
    return {"required": True, "content": {route.media: content}}


def _encoding(parts: Mapping[str, Schema]) -> Document:
    return {name: {"contentType": _media_of_part(schema)} for name, schema in parts.items()}


def _media_of_part(schema: Schema) -> str:
    if schema.get("format") == "binary":
        return "application/octet-stream"
    return "text/plain" if schema.get("type") == "string" else JSON


def _responses(route: Route, schemas: Schemas) -> Document:
    good = {status: _answer(route, schemas, model) for status, model in route.answers.items()}
    bad = {status: _error(route, schemas, status) for status in _error_statuses(route)}
    return {str(status): each for status, each in sorted((good | bad).items())}


def _answer(route: Route, schemas: Schemas, model: type[BaseModel] | None) -> Document:
    if model is None:
        return {"description": "Done; the answer has no body."}
    return {
        "description": (inspect.getdoc(model) or "").partition("\n")[0],
        "content": {route.answer_media: {"schema": schemas.ref(model, "serialization")}},
    }


def _error(route: Route, schemas: Schemas, status: int) -> Document:
    told: Document = {
        "description": _ERROR_TEXTS[status],
        "content": {route.surface.media_type: {"schema": schemas.ref(route.surface.error, "serialization")}},
    }
    if status == Unauthorized.status:
        told["headers"] = {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}}
    return told


def _error_statuses(route: Route) -> set[int]:
    statuses = set(route.errors)
    classes: list[type[TwinslotError]] = []
    if route.scope is not None:
        classes += [Unauthorized, route.without_scope]
    if route.body is not None:
        classes += [Invalid, TooSlow, TooLarge, WrongType]
    if route.query is not None or "{" in route.path:
        classes.append(Invalid)
    return statuses | {route.surface.statuses.get(each, each.status) for each in classes}


def _security(route: Route) -> list[Document]:
    if route.surface is OAUTH:
        return [{"client": []}, {}]
    return [] if route.scope is None else [{"oauth2": [route.scope]}, {"bearer": [route.scope]}]


def _security_schemes() -> Document:
    scopes = {scope: SCOPE_TEXTS.get(scope, scope) for scope in SCOPES}
    flow = {"tokenUrl": "/oauth/token", "scopes": scopes}
    return {
        "oauth2": {"type": "oauth2", "flows": {"clientCredentials": flow}},
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": BEARER},
        "client": {"type": "http", "scheme": "basic", "description": CLIENT},
    }


def _docstrings(root: type[TwinslotError]) -> Iterator[tuple[int, str]]:
    for each in root.__subclasses__():
        yield each.status, inspect.cleandoc(each.__doc__ or "").partition("\n")[0]
        yield from _docstrings(each)


_ERROR_TEXTS = dict(reversed(list(_docstrings(TwinslotError))))
