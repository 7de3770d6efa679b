"""Times that pass only when a test says so."""

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta


@dataclass
class Clock:
    """A clock that a test advances; every reading advances it by `tick`."""

    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    tick: timedelta = timedelta(microseconds=1)
    """Two events of one moment would have no order."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self) -> datetime:
        with self._lock:
            self.time += self.tick
            return self.time

    def advance(self, wait: timedelta) -> None:
        """Let time pass."""
        with self._lock:
            self.time += wait


@dataclass
class Seconds:
    """The seconds of a monotonic clock, which pass only when slept."""

    seconds: float = 0.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Let seconds pass, and note them."""
        self.slept.append(seconds)
        self.seconds += seconds
