"""One form of a date, one of a time; everything else is refused with an example of the right form."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from gpconnect_messaging.json_reading import read_json
from gpconnect_messaging.requests.times import Day, Time

DAY, TIME = TypeAdapter[Any](Day), TypeAdapter[Any](Time)
DATE_EXAMPLE, TIME_EXAMPLE = "such as 1958-02-07", "such as 2026-11-20T19:40:00+00:00"


def rule(kind: TypeAdapter[Any], value: object) -> str:
    with pytest.raises(ValidationError) as refused:
        kind.validate_python(value)
    return str(refused.value.errors()[0]["msg"])


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-11-20T19:40:00+00:00", datetime(2026, 11, 20, 19, 40, tzinfo=UTC)),
        ("2026-07-20T19:40:00+01:00", datetime(2026, 7, 20, 18, 40, tzinfo=UTC)),
        ("2026-11-20T19:40Z", datetime(2026, 11, 20, 19, 40, tzinfo=UTC)),
        ("2026-11-20T19:40:00.5Z", datetime(2026, 11, 20, 19, 40, 0, 500_000, tzinfo=UTC)),
        ("2026-11-20T19:40:00.123456-05:30", datetime(2026, 11, 21, 1, 10, 0, 123_456, tzinfo=UTC)),
        ("2026-11-20T19:40:00.1234567+00:00", datetime(2026, 11, 20, 19, 40, 0, 123_456, tzinfo=UTC)),
        ("2026-11-20T19:40:00.123456789Z", datetime(2026, 11, 20, 19, 40, 0, 123_456, tzinfo=UTC)),
    ],
)
def test_a_time_has_an_offset_and_is_read_as_it_says(written: str, read: datetime) -> None:
    assert TIME.validate_python(written) == read


@pytest.mark.parametrize(
    "value",
    [
        "202611221000", "20261122100000+0000", "20261122", "1795341600", "1795341600.5", "2026-W47-7T10:00:00Z",
        "2026-326T10:00:00Z", "2026-11-22", "22/11/2026 10:00", "2026-11-22T24:00:00Z", "2026-11-22T23:59:60Z",
        "2026-11-22T10Z", "2026-11-22t10:00:00z", "2026-11-22 10:00:00Z", "2026-11-22T10:00:00+0000",
        "2026-11-22T10:00:00-00:00", "2026-11-22T10:00:00+15:00", "2026-11-22T10:00:00.1234567890Z",
        "2026-11-22T10:00:00,5Z",
        "0193-11-22T10:00:00Z", "1879-12-31T23:59:59Z", "2200-01-01T00:00:00Z",
        "٢٠٢٦-١١-٢٢T١٠:٠٠:٠٠Z", "２０２６-11-22T10:00:00Z",
        "", " ", "now", "2026-13-22T10:00:00Z", "+2026-11-22T10:00:00Z",
    ],
)  # fmt: skip
def test_what_is_not_that_form_is_no_time(value: str) -> None:
    assert TIME_EXAMPLE in rule(TIME, value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("2026-11-22T10:00:00", "has no offset from UTC"),
        ("2026-11-22 10:00", "has no offset from UTC"),
        ("2026-11-22T10:00:00+0000", "must end in Z, or in an offset as +hh:mm"),
        ("2026-11-22T10:00:00.5+00", "must end in Z, or in an offset as +hh:mm"),
        ("2026-11-22T10:00:00-00:00", "not -00:00"),
        ("2026-11-22T10:00:00-13:00", "of -12:59 to +14:00"),
        ("2026-11-22T10:00:00+14:01", "of -12:59 to +14:00"),
        ("2026-11-22T10:00:00z", "must end in Z"),
        ("2026-11-22T24:00:00Z", "has the hour 24"),
        ("2026-11-22T23:59:60Z", "has a leap second"),
        ("2026-11-22T10:00:00.0000000000Z", "more than nine digits of a fraction of a second"),
        ("2026-11-22", "must be a date and a time"),
    ],
)
def test_what_is_wrong_in_a_time_of_nearly_our_form_is_said(value: str, words: str) -> None:
    assert words in rule(TIME, value)


@pytest.mark.parametrize(
    "value",
    [
        "19331114", "14/11/1933", "14-11-1933", "14 Nov 1933", "1933-11", "1933", "1933-W46-2", "1933-318", "33-11-14",
        "1933-11-14T00:00:00Z", "0193-11-14", "1879-12-31", "2200-01-01",
        "１９３３-11-14", "1933‑11‑14", "", "1933-13-01",
        "-1139961600",
    ],
)  # fmt: skip
def test_what_is_not_year_month_day_is_no_date(value: str) -> None:
    assert DATE_EXAMPLE in rule(DAY, value)


@pytest.mark.parametrize("number", ["19331114", "1933.5", "-1139961600", "202611221000", "0"])
def test_a_number_is_neither_a_date_nor_a_time(number: str) -> None:
    value = read_json(number.encode(), largest=100, deepest=1)
    assert DATE_EXAMPLE in rule(DAY, value)
    assert TIME_EXAMPLE in rule(TIME, value)


@pytest.mark.parametrize("blank", [" ", "\u00a0", "\u200b", "\ufeff", "\n"])
def test_a_blank_around_it_is_named(blank: str) -> None:
    assert "has a blank or an invisible character" in rule(DAY, f"1933-11-14{blank}")
    assert "has a blank or an invisible character" in rule(TIME, f"{blank}2026-11-20T19:40:00Z")


def test_a_day_that_its_month_does_not_have_is_no_date() -> None:
    assert "its month does not have: check the date" in rule(DAY, "2026-02-29")
    assert "its month does not have: check the date" in rule(TIME, "2026-04-31T10:00:00Z")
    assert DAY.validate_python("2024-02-29") == date(2024, 2, 29)


@given(
    st.dates(date(1880, 1, 1), date(2199, 12, 31)),
    st.times().map(lambda time: time.replace(tzinfo=None)),
    st.integers(-12 * 60 - 59, 14 * 60).filter(lambda minutes: not -60 < minutes < 0),
)
def test_every_time_that_python_writes_is_read_again(day: date, clock: Any, minutes: int) -> None:
    assert DAY.validate_python(day.isoformat()) == day
    offset = timedelta(minutes=abs(minutes))
    sign = "-" if minutes < 0 else "+"
    written = f"{day}T{clock.isoformat()}{sign}{str(datetime(2000, 1, 1) + offset)[11:16]}"  # noqa: DTZ001
    time = TIME.validate_python(written)
    assert time.replace(tzinfo=None) == datetime.combine(day, clock)
    assert time.utcoffset() == (-offset if minutes < 0 else offset)
