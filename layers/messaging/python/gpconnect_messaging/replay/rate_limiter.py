"""Limits the rate of an operator's bulk actions, so that they do not delay live requests."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class RateLimiter:
    """Spaces steps evenly at `per_second`, the first one at once. A pause does not allow a burst."""

    per_second: float
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _next: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        """Raises ValueError for a rate of 0 or less."""
        if not self.per_second > 0:
            raise ValueError("the rate must be above 0 a second")

    def wait(self) -> None:
        """Wait until the next step may start."""
        now = self.clock()
        if now < self._next:
            self.sleep(self._next - now)
            now = self._next
        self._next = now + 1 / self.per_second
