"""Parses times that a person types: `2h`, `3d`, `today`, `2026-11-22T14:30`. All are UTC."""

import re
from datetime import UTC, date, datetime, time, timedelta

_AGO = re.compile(r"([0-9]{1,4})(m|h|d)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}

FORMS = "2h, 3d, today, yesterday, 2026-11-22 or 2026-11-22T14:30"


class MomentError(ValueError):
    """The text is not a time."""


def moment_of(typed: str, now: datetime) -> datetime:
    """Parse a time. `2h` means two hours ago, and a day means the start of the day. Raises MomentError."""
    word = typed.strip().lower()
    if ago := _AGO.fullmatch(word):
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    if word in ("today", "yesterday"):
        return datetime.combine(day_of(word, now), time(), UTC)
    try:
        parsed = datetime.fromisoformat(typed.strip())
    except ValueError:
        raise MomentError(f"Give a time as {FORMS}.") from None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)


def day_of(typed: str, now: datetime) -> date:
    """Parse a day (UTC): a date, `today` or `yesterday`. Raises MomentError."""
    today = now.astimezone(UTC).date()
    days = {"today": today, "yesterday": today - timedelta(days=1)}
    if day := days.get(typed.strip().lower()):
        return day
    try:
        return date.fromisoformat(typed.strip())
    except ValueError:
        raise MomentError("Give a day as 2026-11-22, today or yesterday.") from None
