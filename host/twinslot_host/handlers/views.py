"""What the management API shows: a model for each thing, made from its row."""

from datetime import UTC, datetime
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, Field

from twinslot_host.store import events

Item = TypeVar("Item", bound=BaseModel)

Date = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


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


Strategy = Literal["suspended", "targeted", "general"]


def date(at_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).replace(tzinfo=None).isoformat() + f".{at_ms % 1000:03}Z"


def date_or_none(at_ms: int | None) -> str | None:
    """As `date`; None stays None."""
    return None if at_ms is None else date(at_ms)
