"""Times that others state, in what they send and beside it: read, and believed only where they can be true."""

from datetime import UTC, datetime
from typing import Any

from gpconnect_messaging.json_reading import JsonNumber

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
"""Nothing that is sent changed before: an earlier time is an empty field, which .NET writes as the first of year 1."""


def read_stated(stated: Any) -> datetime | None:
    """Read a time, in UTC; None for what is no time, has no time zone, or cannot be true.

    EventBridge and we write it as text, and a backfill as seconds since 1970, as Step Functions lists objects.
    """
    if isinstance(stated, JsonNumber):
        stated = stated.whole
    try:
        time = datetime.fromtimestamp(stated, UTC) if isinstance(stated, int) else datetime.fromisoformat(str(stated))
        return time.astimezone(UTC) if time.tzinfo and time >= EARLIEST else None
    except (ValueError, OverflowError, OSError):
        return None
