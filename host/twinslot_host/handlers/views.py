"""What several answers are made of."""

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from twinslot_host.domain.dates import date
from twinslot_host.store import events

Item = TypeVar("Item", bound=BaseModel)

Date = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


def when_there() -> Any:
    """For a field of a `Shown` that the answer is without when there is nothing to show."""
    return Field(default=None)


def _without_defaults(schema: dict[str, Any]) -> None:
    for each in schema["properties"].values():
        each.pop("default", None)


class Shown(BaseModel):
    """An answer whose fields others have named, made by our names for them. Its schema tells no defaults: a field that
    was not set is not in the answer."""

    model_config = ConfigDict(validate_by_name=True, json_schema_extra=_without_defaults)


class Listed(BaseModel, Generic[Item]):
    """A part of a list, and how many there are in all."""

    items: list[Item]
    total: int


class Event(BaseModel):
    """Something that happened on a device."""

    at: Date
    event: str
    version: str
    sequence: int
    reason: str

    @classmethod
    def of(cls, row: events.Event) -> "Event":
        """The event as it is shown."""
        return cls(at=date(row.at_ms), event=row.event, version=row.version, sequence=row.sequence, reason=row.reason)


class BearerToken(BaseModel):
    """A bearer token (RFC 6749 section 5.1)."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    scope: str
