"""Values read from elsewhere and kept for a while, so that a change there takes effect without a deployment."""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

_Value = TypeVar("_Value")


class Kept(Generic[_Value]):
    """Values by name, each for some seconds from when it was read."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._values: dict[str, tuple[float, _Value]] = {}

    def get(self, name: str, read: Callable[[], _Value]) -> _Value:
        """Return the value, and read it first where there is none or it is too old."""
        until, value = self._values.get(name, (0.0, None))
        if value is None or self._clock() >= until:
            value = read()
            self._values[name] = (self._clock() + self._seconds, value)
        return value

    def forget(self, name: str) -> None:
        """Read the value afresh next time."""
        self._values.pop(name, None)
