"""Dates: RFC 3339 in and out, to the millisecond."""

import pytest

from twinslot_host.domain.dates import at_ms, date


@pytest.mark.parametrize("second", ["0001-01-01T00:00:00", "1969-12-31T23:59:59", "2027-01-31T08:00:00"])
def test_every_millisecond_of_a_second_comes_out_as_it_went_in(second):
    texts = [f"{second}.{thousandth:03}Z" for thousandth in range(1000)]
    assert [date(at_ms(text)) for text in texts] == texts


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2027-01-31T08:00:00Z", "2027-01-31T08:00:00.000Z"),
        ("2027-01-31T09:00:00.5+01:00", "2027-01-31T08:00:00.500Z"),
        ("2027-01-31T08:00:00.123999Z", "2027-01-31T08:00:00.123Z"),
        ("1970-01-01T00:00:00+23:59", "1969-12-31T00:01:00.000Z"),
        ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
    ],
)
def test_date_is_shown_in_utc_with_milliseconds(text, shown):
    assert date(at_ms(text)) == shown


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "2027-01-31", "2027-01-31T08:00Z", "2027-01-31T08:00:00", "2027-01-31 08:00:00Z"),
        *("2027-02-29T00:00:00Z", "2027-13-01T00:00:00Z", "2027-01-31T24:00:00Z", "2027-01-31T23:59:60Z"),
        *("2027-01-31T08:00:00,5Z", "2027-01-31T08:00:00.1234567Z", "2027-01-31T08:00:00+24:00", "20270131T080000Z"),
        *("0000-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
        *("2027-01-31T08:00:00Z\n", "\u0662\u0660\u0662\u0667-01-31T08:00:00Z"),
    ],
)
def test_what_is_no_date_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"\S"):
        at_ms(text)
