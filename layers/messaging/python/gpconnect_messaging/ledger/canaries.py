"""Canaries: test requests without a patient that show, when no sender is active, that requests still pass.

The sweep starts a canary, the builder takes it from the intake queue, and the sender from the send queue. All three
record their step in the canary's item. The item is not a message: it has no mailbox, document or status, so that
nothing can be uploaded for it, and no list, count or balance contains it.

Only the sweep may start a canary. The builder treats a canary that the ledger does not expect as a sender's request.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from gpconnect_messaging.ledger.table import Item, LedgerTable, text, time

KEPT = timedelta(days=15)
"""A day longer than a dead letter: the builder must recognise a canary that is redriven."""

_LATEST = ("CANARIES", "LATEST")


@dataclass(frozen=True, slots=True)
class CanaryState:
    """The state of all canaries."""

    started_at: datetime
    """When the newest was started."""
    watched_since: datetime
    """When the first canary was started."""
    came_through: datetime | None
    """When the newest canary that reached the sender was started; None: none did yet."""

    def age(self, now: datetime) -> timedelta:
        """Return how long ago the newest canary that came through was started, or the first one if none did."""
        return max(now - (self.came_through or self.watched_since), timedelta())


class Canaries(LedgerTable):
    """The items of the canaries. All methods may raise botocore's ClientError for faults of DynamoDB itself."""

    def state(self) -> CanaryState | None:
        """Read the state of the canaries; None before the first."""
        found = self._get(*_LATEST)
        if found is None:
            return None
        return CanaryState(
            started_at=time(found["started_at"]),
            watched_since=time(found["watched_since"]),
            came_through=time(found["came_through"]) if "came_through" in found else None,
        )

    def start(self, at: datetime, state: CanaryState | None) -> str | None:
        """Record a new canary and return the id; None where another run has started one since `state` was read."""
        canary_id = str(uuid4())
        pk, sk = _key(canary_id)
        expected: Item = {
            "pk": pk,
            "sk": sk,
            "started_at": text(at),
            "expires_at": int((at + KEPT).timestamp()),
        }
        if not self._update(
            *_LATEST,
            "SET started_at = :at, watched_since = :since",
            "started_at = :seen" if state else "attribute_not_exists(pk)",
            {
                ":at": text(at),
                ":since": text(state.watched_since if state else at),
                **({":seen": text(state.started_at)} if state else {}),
            },
        ):
            return None
        return canary_id if self._write([self._put(expected, "attribute_not_exists(pk)")]) else None

    def built(self, canary_id: str, at: datetime) -> bool:
        """Record that the builder took a canary; False where the ledger does not expect this id."""
        pk, sk = _key(canary_id)
        return self._update(pk, sk, "SET built_at = :at", "attribute_exists(started_at)", {":at": text(at)})

    def through(self, canary_id: str, at: datetime) -> bool:
        """Record that a canary reached the sender; False where the builder never took this id."""
        pk, sk = _key(canary_id)
        if not self._update(pk, sk, "SET through_at = :at", "attribute_exists(built_at)", {":at": text(at)}):
            return False
        found = self._get(pk, sk)
        if found:
            self._update(
                *_LATEST,
                "SET came_through = :started",
                "attribute_not_exists(came_through) OR came_through < :started",
                {":started": found["started_at"]},
            )
        return True


def _key(canary_id: str) -> tuple[str, str]:
    return f"CANARY#{canary_id}", "CANARY"
