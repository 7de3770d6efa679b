"""Counts for a page that is drawn again and again: the last ones at once, new ones in the background.

Counting a hundred thousand messages takes longer than a person should wait for a page, and nobody needs to know to the
second how many there are; the page says when they were counted.
"""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

_Value = TypeVar("_Value")


class KeptCount(Generic[_Value]):
    """Gives what was last counted, and counts again once that is older than so many seconds.

    Only the first call waits. A count that fails leaves the last one standing; the next call tries again.
    """

    def __init__(
        self, count: Callable[[], _Value], seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._count = count
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._counting: threading.Thread | None = None
        self._kept: tuple[float, _Value] | None = None

    def get(self) -> _Value:
        """Return the counts. The first call counts, and raises what counting does."""
        with self._lock:
            if self._kept is None:
                self._kept = (self._clock(), self._count())
            elif self._clock() - self._kept[0] >= self._seconds and self._counting is None:
                self._counting = threading.Thread(target=self._again, daemon=True)
                self._counting.start()
            return self._kept[1]

    def wait(self) -> None:
        """Wait until a count that is under way has ended."""
        counting = self._counting
        if counting is not None:
            counting.join()

    def _again(self) -> None:
        try:
            counted = (self._clock(), self._count())
        except BaseException:
            with self._lock:
                self._counting = None
            raise
        with self._lock:
            self._kept, self._counting = counted, None
