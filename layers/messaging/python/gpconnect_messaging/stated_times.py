"""Reads times that other systems state, and rejects times that cannot be true."""

from datetime import UTC, datetime, timedelta
from typing import Any

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
"""The earliest plausible time: .NET, for example, writes an empty field as the first of year 1."""


def read_stated(stated: Any) -> datetime | None:
    """Read a time, in UTC; None where it cannot be parsed, has no time zone, or cannot be true.

    EventBridge and this product write text; a backfill has seconds since 1970, as Step Functions lists objects.
    """
    stated = getattr(stated, "whole", stated)  # JsonNumber is not imported here: it brings XML
    try:
        time = datetime.fromtimestamp(stated, UTC) if isinstance(stated, int) else datetime.fromisoformat(str(stated))
        return time.astimezone(UTC) if time.tzinfo and time >= EARLIEST else None
    except (ValueError, OverflowError, OSError):
        return None


def uk_local(when: datetime) -> datetime:
    """Move to UK local time: an hour ahead between the last Sundays of March and October, 01:00 UTC.

    Computed here because a function's machine may lack a time zone database.
    """
    utc = when.astimezone(UTC)
    summer = _last_sunday(utc.year, 3) <= utc < _last_sunday(utc.year, 10)
    return utc + timedelta(hours=1) if summer else utc


def _last_sunday(year: int, month: int) -> datetime:
    last = datetime(year, month, 31, 1, tzinfo=UTC)
    return last - timedelta(days=(last.weekday() + 1) % 7)
