"""The JSON schemas of all that the routes take and answer."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

from twinslot_host.handlers.routes import Route

Schema = dict[str, Any]

PREFIX = "#/components/schemas/"


class _Plain(GenerateJsonSchema):
    """Fields without titles, which would repeat their names; models of one name are told apart by their modules."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def normalize_name(self, name: str) -> str:
        local = re.sub(r"twinslot_host\.(?:handlers\.)?", "", name)
        return super().normalize_name(re.sub(r"^(?:views\.)?Listed\[(.+)\]$", r"\1List", local))


class Schemas:
    """The JSON schemas of all models of the routes."""

    def __init__(self, routes: Iterable[Route]) -> None:
        models = dict.fromkeys(pair for route in routes for pair in _models(route))
        self._refs, definitions = models_json_schema(
            list(models), ref_template=PREFIX + "{model}", schema_generator=_Plain
        )
        self._all: dict[str, Schema] = definitions["$defs"]
        self._queries = {self._name(model, "validation") for route in routes for model in (route.query,) if model}

    def ref(self, model: type[BaseModel], mode: JsonSchemaMode) -> Schema:
        """A reference to the model's schema."""
        return dict(self._refs[model, mode])

    def of(self, model: type[BaseModel], mode: JsonSchemaMode) -> Schema:
        """The model's schema itself."""
        return self._all[self._name(model, mode)]

    def components(self) -> dict[str, Schema]:
        """All schemas by name, but those of queries, which stand at their operations as parameters."""
        return {name: schema for name, schema in sorted(self._all.items()) if name not in self._queries}

    def _name(self, model: type[BaseModel], mode: JsonSchemaMode) -> str:
        name: str = self._refs[model, mode]["$ref"]
        return name.removeprefix(PREFIX)


def _models(route: Route) -> Iterator[tuple[type[BaseModel], JsonSchemaMode]]:
    yield from ((model, "validation") for model in (route.body, route.query) if model is not None)
    yield from ((model, "serialization") for model in route.answers.values() if model is not None)
    yield route.surface.error, "serialization"
