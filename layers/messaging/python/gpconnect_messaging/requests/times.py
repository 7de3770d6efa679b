"""Dates and times of a request: one ISO 8601 form for dates and one for times; others are refused with an example.

A time has an offset from UTC. The seconds may be left out, and have at most nine digits of a fraction, as .NET and Java
write them, of which the first six are kept. There is no 24:00, no leap second, no week date: systems read them
differently. The limit on years excludes values of another unit, such as 0193 or seconds since 1970.
"""

import re
from datetime import date, datetime
from typing import Annotated

from pydantic import PlainValidator, WithJsonSchema

from gpconnect_messaging.requests.fields import STRAY
from gpconnect_messaging.visible import visible

_DATE = r"(18[89][0-9]|19[0-9]{2}|2[01][0-9]{2})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?"
_OFFSET = r"(Z|\+((0[0-9]|1[0-3]):[0-5][0-9]|14:00)|-(0[1-9]|1[0-2]):[0-5][0-9])"
_TIME = f"{_DATE}T{_CLOCK}{_OFFSET}"
DATE_PATTERN = f"^{_DATE}$"
TIME_PATTERN = f"^{_TIME}$"
"""The forms of a date and of a time, for programs."""

_YEARS = "of the years 1880 to 2199"
_AS_DATE = "write YYYY-MM-DD, such as 1958-02-07"
_AS_TIME = "write YYYY-MM-DDThh:mm:ss and an offset from UTC, such as 2026-11-20T19:40:00+00:00 or 2026-11-20T19:40:00Z"
_UNLIKE_TIME = (
    (f"{_DATE}[T ]{_CLOCK}", "has no offset from UTC"),
    (
        f"{_DATE}T{_CLOCK} ?[A-Za-z+-].*",
        "must end in Z, or in an offset as +hh:mm or -hh:mm, of -12:59 to +14:00 and not -00:00",
    ),
    (f"{_DATE}[Tt ]24:.*", "has the hour 24, where 00:00 of the day after it is meant"),
    (f"{_DATE}[Tt ][0-9:]{{6}}60.*", "has a leap second, 60, which is not taken"),
    (rf"{_DATE}[Tt ][0-9:]{{8}}\.[0-9]{{10,}}.*", "has more than nine digits of a fraction of a second"),
)
"""Forms that other systems accept as a time, and why we do not."""


def _read_date(value: object) -> date:
    if not isinstance(value, str):
        raise ValueError(f"must be a date in quotation marks: {_AS_DATE}")
    if not re.fullmatch(_DATE, value):
        if re.fullmatch(_DATE, visible(value)):
            raise ValueError(STRAY)
        raise ValueError(f"must be a date {_YEARS}: {_AS_DATE}")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError("is a day that its month does not have: check the date") from None


def _read_time(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError(f"must be a time in quotation marks: {_AS_TIME}")
    if not re.fullmatch(_TIME, value):
        if re.fullmatch(_TIME, visible(value)):
            raise ValueError(STRAY)
        wrong = next((words for form, words in _UNLIKE_TIME if re.fullmatch(form, value)), "")
        raise ValueError(f"{wrong or f'must be a date and a time {_YEARS}'}: {_AS_TIME}")
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("is a day that its month does not have: check the date") from None


Day = Annotated[
    date,
    PlainValidator(_read_date),
    WithJsonSchema({"type": "string", "pattern": DATE_PATTERN, "examples": ["1958-02-07"]}),
]
Time = Annotated[
    datetime,
    PlainValidator(_read_time),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": TIME_PATTERN,
            "examples": ["2026-11-20T19:40:00+00:00"],
            "description": "with the offset from UTC; six digits of a fraction of a second are kept",
        }
    ),
]
