"""Measurements of messages: counts and times for operators, calculated from the ledger's events.

The process that writes a change of the ledger measures it, once: repeated work changes nothing, and is not counted
again. A measurement names a mailbox, but no message, practice or patient. `docs/watching.md` lists them.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.records import MessageRecord
from gpconnect_messaging.ledger.status_rules import status_of
from gpconnect_messaging.ledger.stored_names import EventType, Status

_ANSWERED = {Status.DELIVERED: 0, Status.REJECTED: 1}
_UPLOADS = {
    EventType.UPLOAD_POSTPONED: "UploadPostponed",
    EventType.UPLOAD_UNCERTAIN: "UploadUncertain",
    EventType.UPLOAD_REFUSED: "UploadRefused",
    EventType.RECIPIENT_UNRESOLVED: "RecipientUnresolved",
}


_BY_MAILBOX = {"MessageSent", "MessageDelivered", "MessageOverdue", "TimeToSend"}
"""The metrics that are also of a mailbox: a metric costs, and the ledger can be asked for the rest."""


class Unit(StrEnum):
    """CloudWatch's names of the units."""

    COUNT = "Count"
    SECONDS = "Seconds"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One value of a metric; `mailbox` is None where the metric is of the service alone."""

    name: str
    unit: Unit
    value: float
    mailbox: str | None


def status_metric(status: Status) -> str:
    """Name the metric that counts the messages, or requests without a message, that reach a status."""
    return f"Message{status.value.title().replace('_', '')}"


def measured(record: MessageRecord, new: Sequence[LedgerEvent]) -> Iterator[Measurement]:
    """Measure a change: the message after the change, and the new events.

    | metric | value |
    |---|---|
    | `Message…` | 1 for a message that reached the status |
    | `TimeToSend` | from the request's arrival until MESH accepted the message, including the hold |
    | `TimeToAcknowledge` | from then until the last expected response |
    | `AnsweredNo` | 1 for a rejected message, 0 for a delivered one: the average is the rejection rate |
    | `Upload…`, `RecipientUnresolved` | 1 for an upload that did not succeed |
    """
    for name, unit, value in _values(record.history, new):
        yield Measurement(name, unit, value, record.mailbox if name in _BY_MAILBOX else None)


def _values(history: MessageHistory, new: Sequence[LedgerEvent]) -> Iterator[tuple[str, Unit, float]]:
    known = {event.identity for event in new}
    earlier = MessageHistory(tuple(event for event in history.events if event.identity not in known))
    before = status_of(earlier) if earlier.events else None
    status = status_of(history)
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
    # Two clocks: the end can be a little before the begin.
    return max((end - begin).total_seconds(), 0.0)


class Measurements:
    """Collects measurements; safe under threads."""

    def __init__(self) -> None:
        self._collected: list[Measurement] = []
        self._lock = threading.Lock()

    def watch(self, record: MessageRecord, new: Sequence[LedgerEvent]) -> None:
        """Measure a change of the ledger."""
        new_measurements = list(measured(record, new))
        with self._lock:
            self._collected += new_measurements

    def take(self) -> list[Measurement]:
        """Return and clear the measurements."""
        with self._lock:
            collected, self._collected = self._collected, []
        return collected
