"""Used authorization tokens: a token works once, and only near its timestamp.

Source: MESH API description, "MESH Authorization header" (one request per token; two hours either side).
"""

from collections import OrderedDict
from datetime import UTC, datetime


class TokenRegister:
    """The tokens of the last hours."""

    def __init__(self, remember_seconds: float = 5 * 3600) -> None:
        self._remember_seconds = remember_seconds
        self._seen: OrderedDict[str, float] = OrderedDict()

    def first_use(self, token: str, now: datetime) -> bool:
        """Record the token; return whether it is new."""
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
    """Whether a token's `yyyyMMddHHmm` UTC timestamp lies within the window before and after now."""
    if len(timestamp) != 12 or not (timestamp.isascii() and timestamp.isdigit()):
        return False
    try:
        stated = datetime.strptime(timestamp, "%Y%m%d%H%M").replace(tzinfo=UTC)
    except ValueError:
        return False
    # The timestamp is in whole minutes, so the current minute counts as now.
    return -window_seconds <= (now - stated).total_seconds() <= window_seconds + 60
