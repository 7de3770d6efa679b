"""Canary: start a test request without a patient from time to time, and measure the newest that came through.

No part of this module knows the outbox or MESH, so a canary cannot be uploaded.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gpconnect_messaging.ledger.canaries import Canaries
from gpconnect_messaging.queues import IntakeQueue, SendQueue


class UnknownCanaryError(Exception):
    """The send queue names a canary that the builder never passed on: check who can write to that queue."""


@dataclass(frozen=True, kw_only=True)
class StartCanaries:
    """The poller's part: start a canary at an interval."""

    canaries: Canaries
    intake_queue: IntakeQueue
    every: timedelta
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def run(self) -> timedelta:
        """Start a canary if it is time; return the age of the newest that came through.

        A crash between the ledger and the queue loses one canary; the next one starts on time.
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
        """Pass a canary on to the sender; False where the ledger expects no canary with that id."""
        if not self.canaries.built(canary_id, self.now()):
            return False
        self.send_queue.canary(canary_id)
        return True


@dataclass(frozen=True, kw_only=True)
class EndCanary:
    """The sender's part: end the canary."""

    canaries: Canaries
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def run(self, canary_id: str) -> None:
        """Record that a canary came through. Raises UnknownCanaryError."""
        if not self.canaries.through(canary_id, self.now()):
            raise UnknownCanaryError("the builder never took this canary")
