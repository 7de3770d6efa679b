"""Canaries: test requests without a patient, which show that requests still come through, when no sender sends any.

The due work starts one, the builder takes it from the intake queue, and the sender from the send queue. Each records
what it did in the canary's own item. That item is no message: it has no mailbox, no document and no status, so that
nothing can be uploaded for it, and no list, count or balance has it.

Only the due work may start one. The builder takes a canary that the ledger does not expect for what a sender wrote.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from gpconnect_messaging.ledger.table import Item, LedgerTable, text, time

KEPT = timedelta(days=15)
"""A day longer than a dead letter: the builder must know a canary that comes back from there."""

_LATEST = ("CANARIES", "LATEST")


@dataclass(frozen=True, slots=True)
class CanaryState:
    """What is known of the canaries together."""

    started_at: datetime
    """When the newest was started."""
    watched_since: datetime
    """When the first of all was started."""
    came_through: datetime | None
    """When the newest of those that reached the sender was started; None: none did yet."""

    def age(self, now: datetime) -> timedelta:
        """Give how long ago the newest canary that came through was started, or the first one if none did."""
        return max(now - (self.came_through or self.watched_since), timedelta())


class Canaries(LedgerTable):
    """The canaries' items. All methods may raise botocore's ClientError for faults of DynamoDB itself."""

    def state(self) -> CanaryState | None:
        """Give what is known of the canaries; None before the first."""
        found = self._get(*_LATEST)
        if found is None:
            return None
        return CanaryState(
            started_at=time(found["started_at"]),
            watched_since=time(found["watched_since"]),
            came_through=time(found["came_through"]) if "came_through" in found else None,
        )

    def start(self, at: datetime, state: CanaryState | None) -> str | None:
        """Expect a new canary, and give its id; None where another run has started one since `state` was read."""
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
        """Record that the builder took a canary; False where the ledger expects none of that id."""
        pk, sk = _key(canary_id)
        return self._update(pk, sk, "SET built_at = :at", "attribute_exists(started_at)", {":at": text(at)})

    def through(self, canary_id: str, at: datetime) -> bool:
        """Record that a canary came through to the sender; False where the builder never took one of that id."""
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
