"""The audit trail: who did what, when, to which message, with the message's hash (FHIR-DOC-01 to FHIR-DOC-03).

The events of messages, and the records of notifications and of received MESH messages, are audit events already. This
module adds the actions of people. Audit events are found by message, encounter, MESH id, status and time.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from gpconnect_messaging.ledger.actions import action_item, read_action
from gpconnect_messaging.ledger.encounter_table import EncounterTable, as_received
from gpconnect_messaging.ledger.encounters import Encounter
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.records import AuditEvent, RaisedNotification, Received
from gpconnect_messaging.ledger.stored_names import EventType, Status
from gpconnect_messaging.operators import checked_actor

_AT_ONCE = timedelta(days=31)


class AuditTrail(EncounterTable):
    """Records the actions of people, and finds audit events."""

    def record(
        self,
        actor: str,
        what: str,
        *,
        at: datetime | None = None,
        message_id: str | None = None,
        mailbox: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> AuditEvent:
        """Record a person's action, on a message or without one; repeating it with the same `at` changes nothing.

        `details` holds plain JSON values and no personal data. Raises ActorError, and ValueError for an empty `what`.
        """
        checked_actor(actor)
        if not what.strip():
            raise ValueError("an audit event needs an action")
        record = self.find(message_id) if message_id else None
        event = AuditEvent(
            at=at or self._now(),
            actor=actor,
            what=what,
            message_id=message_id,
            mailbox=mailbox or (record.mailbox if record else None),
            sha256=_hash(record.history) if record else None,
            details=details or {},
        )
        self._put_item(action_item(event) | ({} if record and record.legal_hold else self._expiry(event.at)))
        return event

    def of_message(self, message_id: str) -> list[AuditEvent]:
        """List the audit events of a message or request, oldest first: events, notifications and actions."""
        encounter = self.encounter_of(message_id)
        found = list(_of_record(encounter, message_id)) if encounter else []
        return _in_order([*found, *map(read_action, self._partition(f"ACTIONS#{message_id}"))])

    def of_encounter(self, encounter_key: str) -> list[AuditEvent]:
        """List the audit events of an encounter's messages, oldest first."""
        encounter = self.encounter(encounter_key)
        actions = (values for own_id in encounter.records for values in self._partition(f"ACTIONS#{own_id}"))
        return _in_order([*_of_encounter(encounter), *map(read_action, actions)])

    def of_mesh_message(self, mesh_message_id: str) -> list[AuditEvent]:
        """List the audit events of the message that was sent or received under this MESH id, oldest first."""
        events: list[AuditEvent] = []
        for pointer in self._partition(f"MESH#{mesh_message_id}"):
            if pointer["sk"].startswith("RECEIVED#"):
                events.append(_of_received(as_received(pointer)))
            if own_id := pointer.get("message_id") or pointer.get("outcome"):
                events += self.of_message(own_id)
        if not events and (archived := self.in_archive(mesh_message_id)):
            events += (_of_received(one) for one in archived.received if one.mesh_message_id == mesh_message_id)
            for record in archived.of_mesh_message(mesh_message_id):
                events += _of_record(archived.encounter, record.message_id)
                events += map(read_action, self._partition(f"ACTIONS#{record.message_id}"))
        return _in_order(events)

    def of_status(self, status: Status) -> Iterator[AuditEvent]:
        """Yield the audit events of all messages in a status, message by message."""
        for record in self.records_in(status):
            yield from self.of_message(record.message_id)

    def between(self, start: datetime, end: datetime) -> Iterator[AuditEvent]:
        """Yield the audit events from `start` to `end`, both included, oldest first.

        The messages are those that arrived until `end`, up to `ACTIVE_FOR` before `start`, all that are open or failed,
        and the archived ones: nothing happens to another message. Memory holds the events of a month.
        """
        while start <= end:
            until = min(end, start + _AT_ONCE)
            events = [read_action(values) for values in self.actions(start, until)]
            for encounter in self.active(start, until):
                events += (event for event in _of_encounter(encounter) if start <= event.at <= until)
            yield from _in_order(events)
            start = until + timedelta.resolution


def _of_encounter(encounter: Encounter) -> Iterator[AuditEvent]:
    for own_id in encounter.records:
        yield from _of_record(encounter, own_id)
    if not encounter.records:
        for raised in encounter.notifications.values():
            yield from _of_notification(raised)
    if encounter.received:
        yield _of_received(encounter.received)


def _of_received(received: Received) -> AuditEvent:
    return AuditEvent(
        at=received.at,
        actor=f"MESH {received.mesh_message_id}",
        what="received",
        mailbox=received.mailbox,
        details={name: getattr(received, name) for name in ("mesh_message_id", "evidence_key", "outcome")},
    )


def _of_record(encounter: Encounter, own_id: str) -> Iterator[AuditEvent]:
    record = encounter.records.get(own_id)
    if record is None:
        return
    about: dict[str, Any] = {"message_id": own_id, "mailbox": record.mailbox, "sha256": _hash(record.history)}
    for event in record.history.events:
        actor = event.details.get("actor", event.source)  # an event of a person's decision names the person
        yield AuditEvent(at=event.at, actor=actor, what=event.kind.value, details=event.details, **about)
    for raised in encounter.notifications.values():
        if raised.notification.subject_key == f"MESSAGE#{own_id}":
            yield from _of_notification(raised)


def _of_notification(raised: RaisedNotification) -> Iterator[AuditEvent]:
    notification = raised.notification
    times = (("raised", notification.raised_at), ("told", raised.told_at), ("escalated", raised.escalated_at))
    for step, at in times:
        if at is not None:
            yield AuditEvent(
                at=at, actor="notifications", what=f"notification {step}",
                message_id=notification.subject_key.partition("MESSAGE#")[2] or None,
                mailbox=notification.details.get("mailbox"), details={"kind": notification.kind.value},
            )  # fmt: skip


def _hash(history: MessageHistory) -> str | None:
    return next((event.details["sha256"] for event in history.of(EventType.BUILT)), None)


def _in_order(events: Iterable[AuditEvent]) -> list[AuditEvent]:
    return sorted(events, key=lambda event: (event.at, event.message_id or ""))
