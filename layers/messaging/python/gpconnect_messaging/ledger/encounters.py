"""An encounter in the ledger: the requests, versions, messages and notifications of it, and how they change. Pure.

An encounter is one item, so that a change of it is one conditional write. A subject of notifications that is not an
encounter (a day's balance, a listing of the drop, a received message that matches nothing) is stored in the same form,
without requests and messages: the key says what it is.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from gpconnect_messaging.derived_ids import EncounterIdentifiers
from gpconnect_messaging.ledger.deadlines import Timeouts, due_at
from gpconnect_messaging.ledger.events import LedgerEvent, release_started, superseded, waits_no_longer, withdrawn
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.notification_rules import explanation, occasions_due, practice
from gpconnect_messaging.ledger.precedence import Precedence, RequestTimes
from gpconnect_messaging.ledger.records import (
    Claim,
    MessageRecord,
    Notification,
    Origin,
    RaisedNotification,
    Received,
    Version,
)
from gpconnect_messaging.ledger.status_rules import NOTIFIED_ON_ENTERING
from gpconnect_messaging.ledger.stored_names import EventType, Status

_Name = TypeVar("_Name")
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Encounter:
    """An encounter, or another subject of notifications.

    `encounter` is the sender's identifier, which can name a person; `key` is derived from it. Later requests are
    compared with `newest` (see `precedence`). `claims`, `origins` and `records` are by request or message id,
    `notifications` by their own id. `revision` counts the changes, so that only one of two concurrent changes is
    written; `parts` names the items that hold what is older (`encounter_format`).
    """

    key: str
    mailbox: str = ""
    encounter: str = field(default="", repr=False)
    newest: RequestTimes | None = None
    newest_request_id: str = ""
    held_request_id: str = ""
    claims: Mapping[str, Claim] = field(default_factory=dict)
    origins: Mapping[str, Origin] = field(default_factory=dict)
    versions: tuple[Version, ...] = ()
    records: Mapping[str, MessageRecord] = field(default_factory=dict)
    notifications: Mapping[str, RaisedNotification] = field(default_factory=dict)
    received: Received | None = None
    parts: tuple[str, ...] = ()
    carried: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Values that a newer release stored: they are written back as they are."""
    revision: int = 0

    @property
    def version(self) -> int:
        """The number of the last version; 0 before the first."""
        return len(self.versions)

    def find_version(self, number: int) -> Version | None:
        """Find a version; None where it was not claimed yet."""
        return self.versions[number - 1] if 0 < number <= len(self.versions) else None

    @property
    def listed(self) -> list[tuple[Status, datetime]]:
        """The statuses of the messages that lists and counts show: open or failed, and since when."""
        found = ((record.status, record.status_since) for record in self.records.values())
        return [(status, since) for status, since in found if not status.settled or is_failed(status)]

    def work_at(self, timeouts: Timeouts) -> datetime | None:
        """Return when the sweep must look at the encounter next, `NEVER` for one that waits for a person.

        None where nothing is open: every message is settled, and no notification is due.
        """
        due = [due_at(record.history, timeouts) for record in self.records.values()]
        due += [raised.due_at for raised in self.notifications.values()]
        waits = any(not record.status.settled for record in self.records.values())
        return min((time for time in due if time), default=NEVER if waits else None)

    @property
    def attention_at(self) -> datetime | None:
        """Return since when a person's attention is needed; None where it is not."""
        failed = [since for status, since in self.listed if is_failed(status)]
        opened = [raised.notification.raised_at for raised in self.notifications.values() if raised.is_open]
        received = [self.received.at] if self.received else []
        return max((*failed, *opened, *received), default=None)

    @property
    def untold_since(self) -> datetime | None:
        """Return since when a notification waits for delivery; None where none does."""
        waiting = [raised for raised in self.notifications.values() if raised.told_at is None and raised.is_open]
        return min((raised.notification.raised_at for raised in waiting), default=None)

    @property
    def has_open_notifications(self) -> bool:
        """Whether a notification is not acknowledged."""
        return any(raised.is_open for raised in self.notifications.values())

    @property
    def request_ids(self) -> set[str]:
        """The ids of the requests."""
        return {*self.claims, *self.origins, *(record.request_id for record in self.records.values())}

    @property
    def arrivals(self) -> dict[str, datetime]:
        """When the requests came into the ledger, by id."""
        own = [(own_id, record.created_at) for own_id, record in self.records.items() if own_id == record.request_id]
        claimed = [(own_id, claim.created_at) for own_id, claim in self.claims.items()]
        return dict(sorted([*own, *claimed], key=lambda arrival: arrival[1], reverse=True))

    @property
    def times(self) -> Iterator[datetime]:
        """When something happened to a message, or a step of a notification was done."""
        for record in self.records.values():
            yield from (record.status_since, *(event.at for event in record.history.events))
        for raised in self.notifications.values():
            yield from filter(None, (raised.notification.raised_at, raised.told_at, raised.escalated_at))

    @property
    def legal_hold(self) -> bool:
        """Whether a message of the encounter is under a legal hold."""
        return any(record.legal_hold for record in self.records.values())

    def messages_of(self, number: int) -> Iterator[MessageRecord]:
        """Yield a version's messages, with a new record for a message that is not stored yet."""
        version = self.find_version(number)
        for message_id in version.message_ids if version else ():
            if record := self.records.get(message_id) or self._not_stored(number, message_id):
                yield record

    def _not_stored(self, number: int, message_id: str) -> MessageRecord | None:
        """Create the record of a claimed message that no builder has stored: the first writer decides the status.

        None where the request was refused.
        """
        version = self.versions[number - 1]
        request, claim = self.records.get(version.request_id), self.claims.get(version.request_id)
        if claim is None or (request is not None and request.status is Status.INVALID):
            return None
        return MessageRecord(
            message_id=message_id,
            request_id=version.request_id,
            mailbox=self.mailbox,
            encounter=self.encounter,
            encounter_key=self.key,
            version=number,
            recipient=version.recipients[version.message_ids.index(message_id)],
            created_at=claim.created_at,
            history=MessageHistory(()),
            messages=len(version.message_ids),
        )

    def not_left_before(self, record: MessageRecord) -> Iterator[MessageRecord]:
        """Yield unsent earlier versions for the same recipient, nearest first, back to the latest sent version.

        Versions of one encounter must not overtake each other; by induction the nearest earlier one is enough.
        """
        for number in range(record.version - 1, 0, -1):
            earlier_id = self.versions[number - 1].message_for(record.recipient)
            earlier = next((found for found in self.messages_of(number) if found.message_id == earlier_id), None)
            if earlier is None:
                continue  # that version did not go to this recipient, or was refused
            if not earlier.history.events or earlier.status in _STILL_TO_SEND:
                yield earlier
            elif earlier.status not in {Status.WITHDRAWN, Status.SUPERSEDED}:
                return


NEVER = datetime.max.replace(tzinfo=UTC)
"""The time at which nothing is due."""
_STILL_TO_SEND = frozenset({Status.BUILT, Status.SENDING, Status.UNCERTAIN})


def is_failed(status: Status) -> bool:
    """Whether a status is the end of a message that did not arrive, as far as the product knows."""
    return status.settled and status in NOTIFIED_ON_ENTERING


class Draft:
    """A change of an encounter that is not written yet: the encounter after it, and what was recorded and raised."""

    def __init__(self, encounter: Encounter, now: datetime) -> None:
        self.encounter = encounter
        self.now = now
        self.token = secrets.token_hex(4)
        """Marks the write of this change."""
        self.changed = False
        self.recorded: list[tuple[MessageRecord, tuple[LedgerEvent, ...]]] = []
        self.arrived: list[str] = []
        """The ids of requests that are new in the ledger."""

    def set(self, **values: Any) -> None:
        """Change values of the encounter."""
        self.encounter = replace(self.encounter, **values)
        self.changed = True

    def store(self, record: MessageRecord) -> tuple[Notification, ...]:
        """Store a new record with events; return the notifications that they raise."""
        return self._store(record, record.history.events)

    def record(self, record: MessageRecord, *events: LedgerEvent) -> tuple[MessageRecord, tuple[Notification, ...]]:
        """Add events to a message, stored or not; return it, and the notifications that they raise."""
        history = record.history
        for event in events:
            history = _folded(history, event).with_event(event)
        changed = replace(record, history=history)
        raised = self._store(changed, events)
        return self.encounter.records[record.message_id], raised

    def _store(self, record: MessageRecord, events: Sequence[LedgerEvent]) -> tuple[Notification, ...]:
        encounter = self.encounter
        before = encounter.records.get(record.message_id)
        same = before is not None and before.status is record.status
        record = replace(record, changed_at=before.changed_at if before and same else self.now)
        raised = [
            notification
            for notification in _notifications(record, self.now)
            if notification.id not in encounter.notifications
        ]
        self.set(
            mailbox=encounter.mailbox or record.mailbox,
            encounter=encounter.encounter or record.encounter,
            records=_with(encounter.records, record.message_id, record),
        )
        self.notify(raised)
        if before is None and record.message_id == record.request_id and record.request_id not in encounter.claims:
            self.arrived.append(record.request_id)
        self.recorded.append((record, tuple(events)))
        return tuple(raised)

    def notify(self, raised: Iterable[Notification]) -> None:
        """Raise notifications: they are due for delivery at once."""
        for notification in raised:
            state = RaisedNotification(notification=notification, due_at=notification.raised_at)
            self.set(notifications=_with(self.encounter.notifications, notification.id, state))

    def follow(self, request_id: str, asked: RequestTimes, *, held: bool) -> None:
        """Make a request the encounter's newest; it supersedes the held one, and may be held itself.

        Where the held one arrived later, a person is notified: requests arrive in any order.
        """
        encounter = self.encounter
        older = encounter.records.get(encounter.held_request_id)
        if older is not None and older.status is Status.HELD and older.message_id != request_id:
            arrived_later = encounter.newest is not None and encounter.newest.arrived > asked.arrived
            self.record(older, superseded(at=self.now, by_request_id=request_id, arrived_later=arrived_later))
        self.set(
            newest=asked.after(encounter.newest),
            newest_request_id=request_id,
            held_request_id=request_id if held else "",
        )

    def claim(self, claim: Claim, identifiers: EncounterIdentifiers, recipients: Sequence[str]) -> Claim:
        """Give a request the next version. The claim's own number and message ids are replaced."""
        number = self.encounter.version + 1
        ids = tuple(str(identifiers.message_id(number, recipient)) for recipient in recipients)
        claim = replace(claim, version=number, message_ids=ids)
        version = Version(number=number, request_id=claim.request_id, message_ids=ids, recipients=tuple(recipients))
        self.set(
            mailbox=identifiers.mailbox,
            encounter=identifiers.encounter,
            claims=_with(self.encounter.claims, claim.request_id, claim),
            versions=(*self.encounter.versions, version),
        )
        return claim

    def keep_origin(self, request_id: str, origin: Origin | None) -> None:
        """Keep where a request came from."""
        if origin:
            self.set(origins=_with(self.encounter.origins, request_id, origin))

    def start_release(self, record: MessageRecord, claim: Claim, identifiers: EncounterIdentifiers,
                      recipients: Sequence[str]) -> Claim:  # fmt: skip
        """Give a held request the next version."""
        claim = self.claim(claim, identifiers, recipients)
        if self.encounter.held_request_id == record.message_id:
            self.set(held_request_id="")
        self.record(record, release_started(at=self.now, version=claim.version))
        return claim

    def stop(self, by_request_id: str) -> tuple[list[str], list[MessageRecord]]:
        """Stop what a withdrawal stops; return the ids of it, and the messages that were sent, newest first."""
        stopped: list[str] = []
        sent: list[MessageRecord] = []
        event = withdrawn(at=self.now, by_request_id=by_request_id)
        held = self.encounter.records.get(self.encounter.held_request_id)
        if held and held.status is Status.HELD:
            self.record(held, event)
            stopped.append(held.message_id)
        for number in range(self.encounter.version, 0, -1):
            for record in list(self.encounter.messages_of(number)):
                match record.status:
                    case Status.BUILT if not record.history.may_have_arrived:
                        self.record(record, event)
                        stopped.append(record.message_id)
                    # The message may have arrived, and must not be sent again.
                    case Status.BUILT | Status.SENDING | Status.UNCERTAIN:
                        self.record(record, event)
                        sent.append(record)
                    case Status.WITHDRAWN:
                        pass  # not delivered, or an earlier withdrawal named it
                    case Status.REFUSED | Status.UNDELIVERED if record.history.unreported_copies <= 0:
                        pass  # not delivered
                    case Status.SUPERSEDED if not record.history.may_have_arrived:
                        pass
                    case _:
                        sent.append(record)
        return stopped, sent

    def skip_earlier(
        self, message_id: str, at: datetime, actor: str, reason: str
    ) -> tuple[MessageRecord, tuple[Notification, ...]] | None:
        """Abandon the unsent earlier versions that a message waits for.

        None where it waits for none, or where one of them is being sent.
        """
        record = self.encounter.records.get(message_id)
        waits_for = list(self.encounter.not_left_before(record)) if record and record.status is Status.BUILT else []
        if not record or not waits_for or any(earlier.status is Status.SENDING for earlier in waits_for):
            return None
        given_up = superseded(at=at, by_request_id=record.request_id, actor=actor, reason=reason)
        for earlier in waits_for:
            self.record(earlier, given_up)
        ids = [earlier.message_id for earlier in waits_for]
        return self.record(record, waits_no_longer(at=at, actor=actor, reason=reason, given_up=ids))


def later_superseded(asked: RequestTimes, encounter: Encounter, now: datetime) -> LedgerEvent | None:
    """Return the event by which the encounter's newest request supersedes this one; None if this one is newer."""
    precedence = asked.beside(encounter.newest)
    if precedence is Precedence.NEWER:
        return None
    return superseded(
        at=now,
        by_request_id=encounter.newest_request_id,
        arrived_later=precedence is Precedence.LATER_BUT_OLDER,
    )


def _notifications(record: MessageRecord, now: datetime) -> Iterator[Notification]:
    """Yield the notifications that a message's history calls for, raised now."""
    details = {"message_id": record.message_id, "mailbox": record.mailbox, "status": record.status.value}
    details |= practice(record.history)
    for kind, occasion in sorted(occasions_due(record.history)):
        yield Notification(
            subject_key=f"MESSAGE#{record.message_id}",
            kind=kind,
            raised_at=now,
            details=details | explanation(record.history, kind, occasion),
            occasion=occasion,
        )


def _folded(history: MessageHistory, event: LedgerEvent) -> MessageHistory:
    """Remove the event of the chunk before the one that `event` accepts, which then counts for both."""
    if event.kind is not EventType.CHUNK_ACCEPTED:
        return history
    earlier = f"chunk-{event.details['mesh_message_id']}-{event.details['number'] - 1}"
    return MessageHistory(tuple(known for known in history.events if known.identity != earlier))


def _with(values: Mapping[_Name, _Value], name: _Name, value: _Value) -> dict[_Name, _Value]:
    return {**values, name: value}
