"""Dates: Unix milliseconds within, RFC 3339 at the edges."""

import re
from datetime import UTC, datetime, timedelta

PATTERN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def date(at_ms: int) -> str:
    """The date in UTC, with milliseconds."""
    return (_EPOCH + timedelta(milliseconds=at_ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def date_or_none(at_ms: int | None) -> str | None:
    """As `date`; None stays None."""
    return None if at_ms is None else date(at_ms)


def at_ms(text: str) -> int:
    """The date's milliseconds; what is finer is cut off. Raises ValueError for what is none of the years 1 to 9999."""
    if PATTERN.fullmatch(text) is None:
        raise ValueError(f"{text[:40]!r} is no date")
    try:
        at = datetime.fromisoformat(text).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text[:40]!r} is beyond the calendar") from error
    return (at - _EPOCH) // timedelta(milliseconds=1)
