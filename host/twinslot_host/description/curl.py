"""Example command lines for the reference page."""

import json
from collections.abc import Mapping
from typing import Any

from twinslot_host.description.openapi import Document
from twinslot_host.description.schemas import Schema
from twinslot_host.description.words import name_of

_CREDENTIALS = {
    "oauth2": ' -H "Authorization: Bearer $TWINSLOT_TOKEN"',
    "client": ' -u "$CLIENT_ID:$CLIENT_SECRET"',
}
_SAMPLES = {"version": "1.1.0", "app": "kettle", "grant_type": "client_credentials"}


def curl(path: str, method: str, told: Document, schemas: Mapping[str, Schema]) -> str:
    """The command that sends the operation, with what must be given and no more."""
    scheme = next(iter(told["security"][0])) if told["security"] else ""
    words = [("curl" if method == "GET" else f"curl -X {method}") + _CREDENTIALS.get(scheme, "")]
    for media, content in told.get("requestBody", {}).get("content", {}).items():
        words += _sent(media, schemas[name_of(content["schema"])], schemas)
    address = "/".join(part.strip("{}").upper() if part.startswith("{") else part for part in path.split("/"))
    return " \\\n  ".join([*words, f'"$TWINSLOT_SERVER{address}"'])


def _sent(media: str, schema: Schema, schemas: Mapping[str, Schema]) -> list[str]:
    sample: Any = _sample("", schema, schemas)
    if media == "application/json":
        return ["-H 'Content-Type: application/json'", f"-d '{json.dumps(sample)}'"]
    if media == "multipart/form-data":
        return [f"-F {_form_part(name, schema['properties'][name], value)}" for name, value in sample.items()]
    return [f"-d {name}={value}" for name, value in sample.items()]


def _form_part(name: str, schema: Schema, value: Any) -> str:
    if schema.get("format") == "binary":
        return f"{name}=@FILE"
    return f"{name}={value}" if isinstance(value, str) else f"'{name}={json.dumps(value)};type=application/json'"


def _sample(name: str, schema: Schema, schemas: Mapping[str, Schema]) -> Any:
    meant = schemas.get(name_of(schema), schema)
    if "enum" in meant or "const" in meant:
        return meant.get("const", (meant.get("enum") or [None])[0])
    if "anyOf" in meant:
        return _sample(name, meant["anyOf"][0], schemas)
    kind = meant.get("type")
    if kind == "object":
        fields = meant.get("properties", {})
        wanted = meant.get("required", []) + [name for name, each in fields.items() if each.get("format") == "binary"]
        return {each: _sample(each, fields[each], schemas) for each in dict.fromkeys(wanted or list(fields)[:1])}
    if kind == "array":
        return [_sample(name, meant["items"], schemas)] if meant.get("minItems") else []
    if kind in ("integer", "number"):
        return meant.get("minimum", 1)
    return True if kind == "boolean" else _SAMPLES.get(name, name.upper())
