"""Reading the times that a person types: `2h`, `3d`, `today`, `2026-11-22T14:30`; in UTC, as all that we show."""

import re
from datetime import UTC, date, datetime, time, timedelta

_AGO = re.compile(r"([0-9]{1,4})(m|h|d)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}

FORMS = "2h, 3d, today, yesterday, 2026-11-22 or 2026-11-22T14:30"


class MomentError(ValueError):
    """That is no time."""


def moment_of(typed: str, now: datetime) -> datetime:
    """Read a time; a span means so long ago, a day its beginning. Raises MomentError."""
    word = typed.strip().lower()
    if ago := _AGO.fullmatch(word):
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    if word in ("today", "yesterday"):
        return datetime.combine(day_of(word, now), time(), UTC)
    try:
        read = datetime.fromisoformat(typed.strip())
    except ValueError:
        raise MomentError(f"Give a time as {FORMS}.") from None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)


def day_of(typed: str, now: datetime) -> date:
    """Read a day (UTC): a date, today, or yesterday. Raises MomentError."""
    today = now.astimezone(UTC).date()
    days = {"today": today, "yesterday": today - timedelta(days=1)}
    if found := days.get(typed.strip().lower()):
        return found
    try:
        return date.fromisoformat(typed.strip())
    except ValueError:
        raise MomentError("Give a day as 2026-11-22, today or yesterday.") from None
