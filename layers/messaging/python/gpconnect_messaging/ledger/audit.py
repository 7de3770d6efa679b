"""The audit trail: who did what, when, to which message, with the message's hash (FHIR-DOC-01 to FHIR-DOC-03).

The events of messages and the record of received MESH messages are audit events already. This module adds the actions
of people. Audit events are found by message, encounter, MESH id, status and time.
"""

import hashlib
import heapq
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from gpconnect_messaging.conflicts import past_transactions
from gpconnect_messaging.ledger.records import AuditEvent
from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.ledger.table import Item, LedgerTable, in_time, item, text, time, time_shards
from gpconnect_messaging.operators import checked_actor


class AuditTrail(LedgerTable):
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
        row = self._get(f"MESSAGE#{message_id}", "MESSAGE") if message_id else None
        event = AuditEvent(
            at=at or self._now(),
            actor=actor,
            what=what,
            message_id=message_id,
            mailbox=mailbox or (row["mailbox"] if row else None),
            sha256=self._hash(message_id) if row and message_id else None,
            details=details or {},
        )
        expiry = {} if row and "legal_hold" in row else self._expiry(event.at)
        put = item(audit_item(event) | expiry)
        past_transactions(lambda: self._client.put_item(TableName=self._table, Item=put))
        return event

    def of_message(self, message_id: str) -> list[AuditEvent]:
        """List the audit events of a message or request, oldest first: events, notifications and actions."""
        events = [event for values in self._partition(f"MESSAGE#{message_id}") for event in _events(values)]
        return sorted(events, key=lambda event: event.at)

    def of_encounter(self, encounter_key: str) -> list[AuditEvent]:
        """List the audit events of an encounter's messages, oldest first."""
        rows = self._query_index("by_encounter", "encounter_key", encounter_key)
        ids = {row["message_id"] for row in rows}
        return sorted((event for own_id in ids for event in self.of_message(own_id)), key=lambda event: event.at)

    def of_mesh_message(self, mesh_message_id: str) -> list[AuditEvent]:
        """List the audit events of the message that was sent or received under this MESH id, oldest first."""
        events: list[AuditEvent] = []
        for pointer in self._partition(f"MESH#{mesh_message_id}"):
            if pointer["sk"] == "MESH":
                events += self.of_message(pointer["message_id"])
            else:
                received = self._get(f"RECEIVED#{pointer['mailbox']}#{mesh_message_id}", "RECEIVED")
                if received is not None:
                    events += _events(received)
                    events += self.of_message(received["outcome"])
        return sorted(events, key=lambda event: event.at)

    def of_status(self, status: Status) -> Iterator[AuditEvent]:
        """Yield the audit events of all messages in a status, message by message, longest-standing first in a shard."""
        for row in self._standing(status.value):
            yield from self.of_message(row["message_id"])

    def between(self, start: datetime, end: datetime) -> Iterator[AuditEvent]:
        """Yield the audit events from `start` to `end`, both included, oldest first."""
        day = start.astimezone(UTC).date()
        while day <= end.astimezone(UTC).date():
            shards = [self._in_shard(time_shard, start, end) for time_shard in time_shards(day)]
            yield from heapq.merge(*shards, key=lambda event: event.at)
            day += timedelta(days=1)

    def _in_shard(self, time_shard: str, start: datetime, end: datetime) -> Iterator[AuditEvent]:
        items = self._query(
            IndexName="by_time",
            KeyConditionExpression="time_shard = :shard AND #at BETWEEN :start AND :end",
            ExpressionAttributeNames={"#at": "at"},
            ExpressionAttributeValues=item({":shard": time_shard, ":start": text(start), ":end": text(end)}),
        )
        return (event for values in items for event in _events(values))

    def _hash(self, message_id: str) -> str | None:
        built = self._get(f"MESSAGE#{message_id}", "EVENT#built")
        return built.get("sha256") if built else None


def audit_item(event: AuditEvent) -> Item:
    """Write an event as an item: in the message's partition, or in the day's. Equal events make equal items."""
    action = json.dumps([event.actor, event.what, event.message_id, dict(event.details)], sort_keys=True)
    sk = f"AUDIT#{text(event.at)}#{hashlib.sha256(action.encode()).hexdigest()[:16]}"
    known = {"message_id": event.message_id, "mailbox": event.mailbox, "sha256": event.sha256}
    return {
        "pk": f"MESSAGE#{event.message_id}" if event.message_id else f"AUDIT#{event.at.astimezone(UTC).date()}",
        "sk": sk,
        "actor": event.actor,
        "what": event.what,
        "details": json.dumps(dict(event.details), sort_keys=True),
        **{name: value for name, value in known.items() if value is not None},
        **in_time(sk, event.at),
    }


def _events(values: Item) -> Iterator[AuditEvent]:
    """Read the audit events of an item; a message's row has none."""
    sk = str(values["sk"])
    about: dict[str, Any] = {name: values.get(name) for name in ("message_id", "mailbox", "sha256")}
    if sk.startswith("EVENT#"):
        details = json.loads(values["details"])
        actor = details.get("actor", values["source"])  # an event of a person's decision names the person
        yield AuditEvent(at=time(values["at"]), actor=actor, what=values["kind"], details=details, **about)
    elif sk.startswith("AUDIT#"):
        details = json.loads(values["details"])
        yield AuditEvent(at=time(values["at"]), actor=values["actor"], what=values["what"], details=details, **about)
    elif sk == "RECEIVED" and "outcome" in values:
        details = {name: values[name] for name in ("mesh_message_id", "evidence_key", "outcome")}
        actor = f"MESH {values['mesh_message_id']}"
        yield AuditEvent(
            at=time(values["at"]), actor=actor, what="received", mailbox=values["mailbox"], details=details
        )
    elif sk.startswith("NOTICE#"):
        message_id = str(values["pk"]).partition("MESSAGE#")[2] or None
        for step in ("raised", "told", "escalated"):
            if f"{step}_at" in values:
                yield AuditEvent(
                    at=time(values[f"{step}_at"]), actor="notifications", what=f"notification {step}",
                    message_id=message_id, mailbox=values["facts"].get("mailbox"), details={"kind": values["kind"]},
                )  # fmt: skip
