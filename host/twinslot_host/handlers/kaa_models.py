"""What Kaa's OTA orchestrator takes and answers: its field names, and its dates."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, RootModel
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from twinslot_host.handlers.bodies import Body
from twinslot_host.handlers.views import Date, Strategy, date

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{3})?Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def at_ms(text: str) -> int:
    """The Unix milliseconds of a date in either of Kaa's two forms. Raises ValueError for anything else."""
    if _DATE.fullmatch(text) is None:
        raise ValueError
    whole = datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    return (whole - _EPOCH) // timedelta(milliseconds=1) + int(text[20:-1] or 0)


def _checked_date(text: str) -> str:
    try:
        at_ms(text)
    except ValueError:
        raise PydanticCustomError(
            "date", "not a date such as 2019-04-20T11:19:57Z or 2019-04-20T11:19:57.848Z"
        ) from None
    return text


RolloutDate = Annotated[
    str,
    Field(json_schema_extra={"format": "date-time", "pattern": f"^{_DATE.pattern}$"}),
    AfterValidator(_checked_date),
]


class FilterBody(Body):
    """A filter, and the date from which it counts."""

    model_config = ConfigDict(alias_generator=to_camel)

    filter_id: str
    rollout_date: RolloutDate | None = None


class SoftwareBody(Body):
    """What a version's owner can change. An absent field has its default."""

    model_config = ConfigDict(alias_generator=to_camel)

    metadata: JsonValue = None
    upgradable_from: list[str] | None = None
    rollout_strategy: Strategy
    filters: list[FilterBody] | None = None
    skip_dispatching_to_endpoint: bool | None = None


class NewSoftwareBody(SoftwareBody):
    """A new version. Its specification stays as it is."""

    specification: JsonValue = None


class FileForm(BaseModel):
    """An upload; the part's file name is the file's."""

    file: bytes


def _without_defaults(schema: dict[str, Any]) -> None:
    for each in schema["properties"].values():
        each.pop("default", None)


def _when_there() -> Any:
    """A field that the answer is without when there is nothing to show."""
    return Field(default=None)


class _Shown(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, json_schema_extra=_without_defaults)


class Filter(_Shown):
    """A filter of a version."""

    filter_id: str
    rollout_date: Date = _when_there()

    @classmethod
    def of(cls, filter_id: str, rollout_at_ms: int | None) -> "Filter":
        """The filter as it is shown; without a date when it counts at once."""
        if rollout_at_ms is None:
            return cls(filter_id=filter_id)
        return cls(filter_id=filter_id, rollout_date=date(rollout_at_ms))


class Software(_Shown):
    """A version of an application."""

    app_name: str
    version: str
    specification: JsonValue = _when_there()
    metadata: JsonValue = _when_there()
    upgradable_from: list[str] = _when_there()
    filename: str = _when_there()
    rollout_strategy: Strategy
    filters: list[Filter]
    skip_dispatching_to_endpoint: bool


class SoftwareList(RootModel[list[Software]]):
    """An application's versions."""


class Link(BaseModel):
    """Where a file can be fetched, for a while, by whoever has the address."""

    link: str
