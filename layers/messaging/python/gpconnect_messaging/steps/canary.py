"""Canary: starts a test request without a patient now and then, and measures the newest that came through.

No part of it knows the outbox or MESH, so that a canary cannot be uploaded.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gpconnect_messaging.ledger.canaries import Canaries
from gpconnect_messaging.queues import IntakeQueue, SendQueue


class UnknownCanaryError(Exception):
    """The send queue names a canary that the builder never took: look who can write to that queue."""


@dataclass(frozen=True, kw_only=True)
class StartCanaries:
    """The due work's part: starts a canary every so often."""

    canaries: Canaries
    intake_queue: IntakeQueue
    every: timedelta
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def run(self) -> timedelta:
        """Start a canary if it is time; give the age of the newest that came through.

        A run that dies between the ledger and the queue loses its canary, and the next one is started in its time.
        """
        state, now = self.canaries.state(), self.now()
        if state is None or state.started_at + self.every <= now:
            canary_id = self.canaries.start(now, state)
            if canary_id:
                self.intake_queue.canary(canary_id)
        return state.age(now) if state else timedelta()


@dataclass(frozen=True, kw_only=True)
class BuildCanary:
    """The builder's part."""

    canaries: Canaries
    send_queue: SendQueue
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def run(self, canary_id: str) -> bool:
        """Pass a canary on to the sender; False where the ledger expects none of that id."""
        if not self.canaries.built(canary_id, self.now()):
            return False
        self.send_queue.canary(canary_id)
        return True


@dataclass(frozen=True, kw_only=True)
class EndCanary:
    """The sender's part: the canary's way ends here."""

    canaries: Canaries
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def run(self, canary_id: str) -> None:
        """Record that a canary came through. Raises UnknownCanaryError."""
        if not self.canaries.through(canary_id, self.now()):
            raise UnknownCanaryError("the builder never took this canary")
