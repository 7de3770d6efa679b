"""The audit trail: who did what, when, to which message, whose hash was what (FHIR-DOC-01 to FHIR-DOC-03).

Every fact of a message is an audit event already, as is everything that came in. What people do is recorded here beside
them. All is found by message, by encounter, by MESH's id, by status and by time.
"""

import hashlib
import heapq
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from gpconnect_messaging.conflicts import past_transactions
from gpconnect_messaging.ledger.lifecycle import Status
from gpconnect_messaging.ledger.records import AuditEvent
from gpconnect_messaging.ledger.table import Item, LedgerTable, in_time, item, text, time, time_shards
from gpconnect_messaging.operators import checked_actor


class AuditTrail(LedgerTable):
    """Records what people do, and answers who did what."""

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
        """Record what a person did, to a message or apart from any; recording it again with the same `at` is the same.

        `details` holds plain JSON values and no personal data. Raises ActorError, and ValueError without a deed.
        """
        checked_actor(actor)
        if not what.strip():
            raise ValueError("an audit event needs what was done")
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
        kept = {} if row and "legal_hold" in row else self._expiry(event.at)
        put = item(audit_item(event) | kept)
        past_transactions(lambda: self._client.put_item(TableName=self._table, Item=put))
        return event

    def of_message(self, message_id: str) -> list[AuditEvent]:
        """Tell everything of a message (or a refused request), oldest first: facts, notifications, and what people did."""
        events = [event for each in self._partition(f"MESSAGE#{message_id}") for event in _events(each)]
        return sorted(events, key=lambda event: event.at)

    def of_encounter(self, encounter_key: str) -> list[AuditEvent]:
        """Tell everything of an encounter's messages, oldest first."""
        found = self._query_index("by_encounter", "encounter_key", encounter_key)
        ids = {each["message_id"] for each in found}
        return sorted((event for each in ids for event in self.of_message(each)), key=lambda event: event.at)

    def of_mesh_message(self, mesh_message_id: str) -> list[AuditEvent]:
        """Tell everything of the message that MESH knows by this id: one that we sent, or one that came to us."""
        events: list[AuditEvent] = []
        for pointer in self._partition(f"MESH#{mesh_message_id}"):
            if pointer["sk"] == "MESH":
                events += self.of_message(pointer["message_id"])
            else:
                came = self._get(f"RECEIVED#{pointer['mailbox']}#{mesh_message_id}", "RECEIVED")
                if came is not None:
                    events += _events(came)
                    events += self.of_message(came["outcome"])
        return sorted(events, key=lambda event: event.at)

    def of_status(self, status: Status) -> Iterator[AuditEvent]:
        """Tell everything of each message in a status, message by message, longest-standing first in each shard."""
        for row in self._standing(status.value):
            yield from self.of_message(row["message_id"])

    def between(self, start: datetime, end: datetime) -> Iterator[AuditEvent]:
        """Tell what happened from `start` to `end`, both included, in order of time."""
        day = start.astimezone(UTC).date()
        while day <= end.astimezone(UTC).date():
            shards = [self._in_shard(each, start, end) for each in time_shards(day)]
            yield from heapq.merge(*shards, key=lambda event: event.at)
            day += timedelta(days=1)

    def _in_shard(self, time_shard: str, start: datetime, end: datetime) -> Iterator[AuditEvent]:
        found = self._query(
            IndexName="by_time",
            KeyConditionExpression="time_shard = :shard AND #at BETWEEN :start AND :end",
            ExpressionAttributeNames={"#at": "at"},
            ExpressionAttributeValues=item({":shard": time_shard, ":start": text(start), ":end": text(end)}),
        )
        return (event for each in found for event in _events(each))

    def _hash(self, message_id: str) -> str | None:
        built = self._get(f"MESSAGE#{message_id}", "EVENT#built")
        return built.get("sha256") if built else None


def audit_item(event: AuditEvent) -> Item:
    """Write an event as an item: in its message's partition, or by itself. The same event makes the same item."""
    deed = json.dumps([event.actor, event.what, event.message_id, dict(event.details)], sort_keys=True)
    sk = f"AUDIT#{text(event.at)}#{hashlib.sha256(deed.encode()).hexdigest()[:16]}"
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
    """Read an item as what it tells; the projection of a message tells nothing of its own."""
    sk = str(values["sk"])
    about: dict[str, Any] = {name: values.get(name) for name in ("message_id", "mailbox", "sha256")}
    if sk.startswith("EVENT#"):
        details = json.loads(values["details"])
        actor = details.get("actor", values["source"])  # what a person decided says who it was
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
        for word in ("raised", "told", "escalated"):
            if f"{word}_at" in values:
                yield AuditEvent(
                    at=time(values[f"{word}_at"]), actor="notifications", what=f"notification {word}", message_id=message_id,
                    mailbox=values["facts"].get("mailbox"), details={"kind": values["kind"]},
                )  # fmt: skip
