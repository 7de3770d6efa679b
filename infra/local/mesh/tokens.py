"""Authorization tokens that have been seen: each works once, and only near the time that it names.

Source: MESH API description, "MESH Authorization header" (one request per token; two hours either side).
"""

from collections import OrderedDict
from datetime import UTC, datetime


class TokenRegister:
    """Remembers the tokens of the last hours."""

    def __init__(self, remember_seconds: float = 5 * 3600) -> None:
        self._remember_seconds = remember_seconds
        self._seen: OrderedDict[str, float] = OrderedDict()

    def first_use(self, token: str, now: datetime) -> bool:
        """Record the token and tell whether it is new."""
        seconds = now.timestamp()
        while self._seen:
            oldest, seen_at = next(iter(self._seen.items()))
            if seconds - seen_at <= self._remember_seconds:
                break
            del self._seen[oldest]
        token = token.strip()
        if token in self._seen:
            return False
        self._seen[token] = seconds
        return True

    def forget(self) -> None:
        """Forget every token."""
        self._seen.clear()


def is_current(timestamp: str, now: datetime, window_seconds: float) -> bool:
    """Tell whether a token's `yyyyMMddHHmm` UTC timestamp lies within the window either side of now."""
    if len(timestamp) != 12 or not (timestamp.isascii() and timestamp.isdigit()):
        return False
    try:
        stated = datetime.strptime(timestamp, "%Y%m%d%H%M").replace(tzinfo=UTC)
    except ValueError:
        return False
    # The token states whole minutes, so the minute that is running counts as now.
    return -window_seconds <= (now - stated).total_seconds() <= window_seconds + 60
