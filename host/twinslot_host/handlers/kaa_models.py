"""What Kaa's OTA orchestrator takes and answers: its field names, and its dates."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, RootModel
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from twinslot_host.config import RELEASE_FILTERS_LIMIT
from twinslot_host.domain.dates import date
from twinslot_host.domain.release import Strategy
from twinslot_host.handlers.bodies import Body, checked_date
from twinslot_host.handlers.views import Date, Shown, when_there

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{3})?Z", re.ASCII)


def _in_kaas_form(text: str) -> str:
    if _DATE.fullmatch(text) is None:
        raise PydanticCustomError("date", "not a date such as 2019-04-20T11:19:57Z or 2019-04-20T11:19:57.848Z")
    return text


RolloutDate = Annotated[
    str,
    Field(json_schema_extra={"format": "date-time", "pattern": f"^{_DATE.pattern}$"}),
    AfterValidator(_in_kaas_form),
    AfterValidator(checked_date),
]


class FilterBody(Body):
    """A filter, and the date from which it counts."""

    model_config = ConfigDict(alias_generator=to_camel)

    filter_id: str
    rollout_date: RolloutDate | None = None


class _Fields(Body):
    model_config = ConfigDict(alias_generator=to_camel)

    metadata: JsonValue = None
    upgradable_from: list[str] | None = None
    rollout_strategy: Strategy
    filters: Annotated[list[FilterBody], Field(max_length=RELEASE_FILTERS_LIMIT)] | None = None
    skip_dispatching_to_endpoint: bool | None = None


class SoftwareBody(_Fields):
    """What a version's owner can change. A field that is absent, or null, has its default."""

    specification: None = None  # it stays as it was made


class NewSoftwareBody(_Fields):
    """A new version. Its specification stays as it is made; a field that is null is as good as absent."""

    specification: JsonValue = None


class FileForm(BaseModel):
    """An upload; the part's file name is the file's."""

    file: bytes


class _Shown(Shown):
    model_config = ConfigDict(alias_generator=to_camel)


class Filter(_Shown):
    """A filter of a version."""

    filter_id: str
    rollout_date: Date = when_there()

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
    specification: JsonValue = when_there()
    metadata: JsonValue = when_there()
    upgradable_from: list[str] = when_there()
    filename: str = when_there()
    rollout_strategy: Strategy
    filters: list[Filter]
    skip_dispatching_to_endpoint: bool


class SoftwareList(RootModel[list[Software]]):
    """An application's versions."""


class Link(BaseModel):
    """Where a file can be fetched, for a while, by whoever has the address."""

    link: str
