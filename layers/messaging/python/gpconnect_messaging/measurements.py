"""What is measured of messages: counts and times for whoever watches, worked out from what the ledger recorded.

Each change of the ledger is measured once, by whoever wrote it: work that is repeated changes nothing, and is not
counted again. A measurement names a mailbox and no message, practice or patient; all of them are in `docs/watching.md`.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gpconnect_messaging.ledger.lifecycle import EventType, LedgerEvent, MessageHistory, Status
from gpconnect_messaging.ledger.records import MessageRecord

_ANSWERED = {Status.DELIVERED: 0, Status.REJECTED: 1}
_UPLOADS = {
    EventType.UPLOAD_POSTPONED: "UploadPostponed",
    EventType.UPLOAD_UNCERTAIN: "UploadUncertain",
    EventType.UPLOAD_REFUSED: "UploadRefused",
    EventType.RECIPIENT_UNRESOLVED: "RecipientUnresolved",
}


class Unit(StrEnum):
    """CloudWatch's names of the units."""

    COUNT = "Count"
    SECONDS = "Seconds"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One value of a metric; `mailbox` is None where no mailbox of ours is known."""

    name: str
    unit: Unit
    value: float
    mailbox: str | None


def status_metric(status: Status) -> str:
    """Name the metric that counts messages, or requests that are none, as they come into a status."""
    return f"Message{status.value.title().replace('_', '')}"


def measured(record: MessageRecord, new: Sequence[LedgerEvent]) -> Iterator[Measurement]:
    """Measure a change: the message as it is now, and the facts that it was not known by before.

    | metric | value |
    |---|---|
    | `Message…` | 1 for a message that came into the status |
    | `TimeToSend` | from the request's arrival here to MESH's taking the message, the hold included |
    | `TimeToAcknowledge` | from there to the last answer that is waited for |
    | `AnsweredNo` | 1 for a message that was rejected, 0 for one that was delivered: its average is the rejected rate |
    | `Upload…`, `RecipientUnresolved` | 1 for an upload that did not succeed |
    """
    # The mailbox of a request that was refused is whatever its sender wrote: a metric for each would be one too many.
    mailbox = None if record.history.of(EventType.REQUEST_REFUSED) else record.mailbox
    for name, unit, value in _values(record.history, new):
        yield Measurement(name, unit, value, mailbox)


def _values(history: MessageHistory, new: Sequence[LedgerEvent]) -> Iterator[tuple[str, Unit, float]]:
    known = {event.identity for event in new}
    earlier = MessageHistory(tuple(event for event in history.events if event.identity not in known))
    before = earlier.status if earlier.events else None
    status = history.status
    if status is not before:
        yield status_metric(status), Unit.COUNT, 1
    for event in new:
        if name := _UPLOADS.get(event.kind):
            yield name, Unit.COUNT, 1
    accepted = history.of(EventType.UPLOAD_ACCEPTED)
    if accepted and not earlier.of(EventType.UPLOAD_ACCEPTED):
        arrived = next((event.details.get("arrived") for event in history.of(EventType.BUILT)), None)
        if arrived:
            yield "TimeToSend", Unit.SECONDS, _seconds(datetime.fromisoformat(arrived), accepted[0].at)
    if status in _ANSWERED and before not in _ANSWERED:
        yield "AnsweredNo", Unit.COUNT, _ANSWERED[status]
        if accepted:
            yield "TimeToAcknowledge", Unit.SECONDS, _seconds(accepted[0].at, max(event.at for event in new))


def _seconds(begin: datetime, end: datetime) -> float:
    # Two clocks: what began on one may end a little earlier on the other.
    return max((end - begin).total_seconds(), 0.0)


class Measurements:
    """Collects what is measured until it is taken; safe under threads."""

    def __init__(self) -> None:
        self._taken: list[Measurement] = []
        self._lock = threading.Lock()

    def watch(self, record: MessageRecord, new: Sequence[LedgerEvent]) -> None:
        """Measure a change of the ledger."""
        found = list(measured(record, new))
        with self._lock:
            self._taken += found

    def take(self) -> list[Measurement]:
        """Give what was measured since the last time."""
        with self._lock:
            taken, self._taken = self._taken, []
        return taken
