"""How fast an operator's work goes: so much a second and no more, lest it crowd out what comes by itself."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class RateLimiter:
    """So many steps a second, evenly; the first at once. A pause is not made up for by a burst."""

    per_second: float
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _next: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        """Raises ValueError for a rate that is none."""
        if not self.per_second > 0:
            raise ValueError("the rate must be above 0 a second")

    def wait(self) -> None:
        """Wait for the next step's time."""
        now = self.clock()
        if now < self._next:
            self.sleep(self._next - now)
            now = self._next
        self._next = now + 1 / self.per_second
