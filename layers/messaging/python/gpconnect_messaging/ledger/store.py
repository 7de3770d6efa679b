"""The ledger in DynamoDB: one table, in which every change of an encounter is one conditional write of one item.

| item | pk | sk |
|---|---|---|
| an encounter with all of its messages (`encounter_format`) | `ENCOUNTER#{key}` | `STATE`, older ones `PART#{name}` |
| another subject of notifications, in the same form | `BALANCE#…`, `DROP#…`, `RECEIVED#…` | `STATE` |
| pointer from a request to the encounter | `REQUEST#{request id}` | `REQUEST` |
| pointer from a MESH id to the message that was sent | `MESH#{MESH message id}` | `SENT` |
| a received MESH message | `MESH#{MESH message id}` | `RECEIVED#{mailbox}` |
| an operator's order to resubmit a request (`ledger.orders`) | `REQUEST#{new request id}` | `ORDER` |
| the last content received under a key of the drop | `OBJECT#{hash of bucket and key}` | `CONTENT` |
| the receiver of a dropped document (`ledger.received_objects`) | `OBJECT#{the same hash}` | `RECEIVED#{time}#{hash}` |
| a person's action (`ledger.audit`) | `ACTIONS#{message id or day}` | `{time}#{hash}` |
| a day's balance, and the progress of it (`ledger.balances`) | `BALANCE#{day}` | `BALANCE`, `RECKONING` |
| progress of asking MESH about sent messages | `MESH` | `TOUR` |
| progress of listing the drop (`ledger.drop_passes`) | `DROP` | `PASS`, `VERSIONS` |
| a day's findings in the drop (`ledger.drop_passes`) | `DROP#{day}` | `FOUND` |

A change reads the encounter, changes it (`encounters`), and writes it on condition that the revision is unchanged; a
lost race means reading again. A message id names the encounter, so only requests and MESH ids need pointers. A pointer
is written before the encounter: one that a process wrote before it died leads to an encounter without the request.
"""

import time as clock
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from gpconnect_messaging.conflicts import past_transactions, tries
from gpconnect_messaging.derived_ids import REGISTERED_PRACTICE, EncounterIdentifiers, encounter_key_of
from gpconnect_messaging.ledger import encounter_format
from gpconnect_messaging.ledger.actions import action_item
from gpconnect_messaging.ledger.deadlines import Timeouts
from gpconnect_messaging.ledger.encounter_table import (
    STATE,
    UNMATCHED,
    EncounterTable,
    Stored,
    as_received,
    key_of,
    pk_of,
    statuses_of,
)
from gpconnect_messaging.ledger.encounters import Draft, Encounter, later_superseded
from gpconnect_messaging.ledger.events import LedgerEvent, superseded, withdrawal
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.orders import as_order
from gpconnect_messaging.ledger.precedence import Precedence, RequestTimes
from gpconnect_messaging.ledger.records import (
    QUARANTINED,
    AuditEvent,
    Claim,
    DropContent,
    MessageRecord,
    Notification,
    Order,
    Origin,
    RaisedNotification,
    Received,
)
from gpconnect_messaging.ledger.stored_names import EventType, NotificationType, Status
from gpconnect_messaging.ledger.table import (
    Item,
    Key,
    LedgerBusyError,
    content_key,
    in_time,
    item,
    look_again,
    plain,
    shard,
    shards,
    text,
    time,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# MESH deletes a message after 30 days; DynamoDB removes the count of the tries some time later.
_TRIES_KEPT = timedelta(days=40)
CONTENT_KEPT = timedelta(days=120)
"""How long a copy of a dropped request is recognised: no sender repeats an upload after months."""
MOST_DUE = 2_000
"""How many due encounters of a shard one sweep sees, those that are due longest."""
_SOON = timedelta(hours=1)
"""The sweep looks in vain, once, at an encounter whose work is later than the index says, if that is soon."""
_FIRST_LOOK = timedelta(minutes=2)
_REMEMBERED_SECONDS = 10
_MOST_REMEMBERED = 256
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The result of recording an event: the message now, the status before, and the notifications raised.

    `recorded` is False where the event was known already, so that only one of two concurrent callers recorded it.
    """

    record: MessageRecord
    before: Status | None
    recorded: bool = True
    notifications: tuple[Notification, ...] = ()


@dataclass(frozen=True, slots=True)
class DueWork:
    """An encounter, or another subject of notifications, that the sweep must look at.

    `notify_at` is when a notification of it is due for delivery or escalation, and `untold_since` since when one waits
    for delivery, or is just being delivered.
    """

    key: str
    at: datetime
    statuses: frozenset[Status]
    notify_at: datetime | None
    untold_since: datetime | None


class Ledger(EncounterTable):
    """The store. All methods may raise botocore's ClientError for faults of DynamoDB itself.

    `watch` is called after every written change of a message, with the message and the new events.
    """

    def __init__(
        self,
        client: "DynamoDBClient",
        table: str,
        timeouts: Timeouts,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        kept_for: timedelta | None = None,
        watch: Callable[[MessageRecord, Sequence[LedgerEvent]], None] = lambda _record, _events: None,
    ) -> None:
        super().__init__(client, table, now, kept_for)
        self._patience = timeouts
        self._watch = watch
        self._remembered: dict[str, tuple[float, Stored]] = {}

    def claim(
        self,
        request_id: str,
        encounter: EncounterIdentifiers,
        document_versions: tuple[str, ...],
        created_at: datetime,
        *,
        asked: RequestTimes | None = None,
        recipients: Sequence[str] = (REGISTERED_PRACTICE,),
        registration: Mapping[str, Any] | None = None,
        origin: Origin | None = None,
        content: DropContent | None = None,
    ) -> Claim | None:
        """Give a request the encounter's next version, once; a repeat returns the first claim.

        The claim supersedes an older held request. Returns None where the encounter has a newer request, or holds this
        one because another builder was faster: see `record_held`. `content` is recorded first.

        Raises LedgerBusyError when other requests for the same encounter kept winning, or where other content was
        received under the same key since `content` was read.
        """
        asked = asked or RequestTimes.at(created_at)
        claim = Claim(
            request_id=request_id,
            version=0,
            created_at=created_at,
            document_versions=document_versions,
            registration=registration or {},
        )

        def change(draft: Draft) -> Claim | None:
            before = draft.encounter
            if known := before.claims.get(request_id):
                return known
            if asked.beside(before.newest) is not Precedence.NEWER or before.held_request_id == request_id:
                return None
            draft.keep_origin(request_id, origin and replace(origin, document_versions=document_versions))
            draft.follow(request_id, asked, held=False)
            draft.arrived.append(request_id)
            return draft.claim(claim, encounter, recipients)

        self._put_content(content)
        return self._change(encounter.key, change)

    def record_held(
        self,
        record: MessageRecord,
        asked: RequestTimes,
        origin: Origin | None = None,
        content: DropContent | None = None,
    ) -> Change:
        """Store a request that becomes no message now: held, or not required. A repeat returns the stored record.

        It supersedes an older held request. A request older than the encounter's newest is superseded itself
        (GPCM-SD-CS-076); where it arrived later, a person is notified. `content` and errors are as in `claim`.
        """

        def change(draft: Draft) -> Change:
            if known := draft.encounter.records.get(record.message_id):
                return Change(record=known, before=known.status, recorded=False)
            stored = record
            if event := later_superseded(asked, draft.encounter, self._now()):
                stored = replace(record, history=record.history.with_event(event))
            else:
                draft.follow(record.message_id, asked, held=record.status is Status.HELD)
            draft.keep_origin(record.message_id, origin)
            return _created(draft, stored)

        self._put_content(content)
        return self._change(record.encounter_key, change)

    def start_release(
        self,
        request_id: str,
        encounter: EncounterIdentifiers,
        created_at: datetime,
        *,
        recipients: Sequence[str],
        registration: Mapping[str, Any] | None = None,
    ) -> Claim | None:
        """Give a held request the encounter's next version, once; None where it is not held any more.

        Raises LedgerBusyError when other requests for the same encounter kept winning.
        """

        def change(draft: Draft) -> Claim | None:
            if known := draft.encounter.claims.get(request_id):
                return known
            record, origin = draft.encounter.records.get(request_id), draft.encounter.origins.get(request_id)
            if (
                record is None
                or origin is None
                or record.status is not Status.HELD
                or record.history.waits_for_a_person
            ):
                return None
            claim = Claim(
                request_id=request_id,
                version=0,
                created_at=created_at,
                document_versions=origin.document_versions,
                registration=registration or {},
            )
            return draft.start_release(record, claim, encounter, recipients)

        return self._change(encounter.key, change)

    def withdraw(
        self,
        record: MessageRecord,
        asked: RequestTimes,
        warn: Callable[[Sequence[MessageRecord]], str],
        content: DropContent | None = None,
    ) -> Change:
        """Store a withdrawal: stop unsent requests and messages, and name those that were sent (GPCM-SD-CS-077).

        `warn` gets the messages that the practice has or may have, newest first, and returns the key of the warning. A
        withdrawal older than the encounter's newest request is superseded by it, and a person is notified.

        A claimed version that no builder has stored is stopped, too: the builder finds it withdrawn. `content` and
        errors are as in `claim`.
        """

        def change(draft: Draft) -> Change:
            if known := draft.encounter.records.get(record.message_id):
                return Change(record=known, before=known.status, recorded=False)
            at = self._now()
            if asked.beside(draft.encounter.newest) is not Precedence.NEWER:
                events = (
                    withdrawal(at=at, stopped=(), sent=(), warning_key=None),
                    superseded(at=at, by_request_id=draft.encounter.newest_request_id),
                )
                return _created(draft, replace(record, history=MessageHistory(events)))
            stopped, sent = draft.stop(record.message_id)
            ids = [message.message_id for message in sent]
            event = withdrawal(at=at, stopped=stopped, sent=ids, warning_key=warn(sent) if sent else None)
            draft.follow(record.message_id, asked, held=False)
            return _created(draft, replace(record, history=MessageHistory((event,))))

        self._put_content(content)
        return self._change(record.encounter_key, change)

    def create(self, record: MessageRecord, origin: Origin | None = None) -> Change:
        """Store a new message with the first events; a repeat changes nothing and returns the stored message."""

        def change(draft: Draft) -> Change:
            if known := draft.encounter.records.get(record.message_id):
                return Change(record=known, before=known.status, recorded=False)
            draft.keep_origin(record.message_id, origin)
            return _created(draft, record)

        return self._change(record.encounter_key, change)

    def create_all(self, records: Sequence[MessageRecord], released: LedgerEvent | None = None) -> list[MessageRecord]:
        """Store the new messages of a request in one change; return them as they are stored.

        Messages that are stored already are left as they are. `released` is the event of a held request that became
        these messages.
        """

        def change(draft: Draft) -> list[MessageRecord]:
            for record in records:
                if record.message_id not in draft.encounter.records:
                    draft.store(record)
            request = draft.encounter.records.get(records[0].request_id)
            if released and request and released.identity not in request.history.identities:
                draft.record(request, released)
            return [draft.encounter.records[record.message_id] for record in records]

        return self._change(records[0].encounter_key, change)

    def record(
        self,
        message_id: str,
        *events: LedgerEvent,
        only_if: Callable[[MessageHistory], bool] = lambda _: True,
        while_newest: bool = False,
    ) -> Change | None:
        """Add events to a message in one change; known events change nothing.

        Returns None, with nothing written, where the message is unknown or, at the moment of writing, `only_if` does
        not hold for the history or, with `while_newest`, the request is not the encounter's newest.

        Raises LedgerBusyError when others kept changing the message.
        """

        def change(draft: Draft) -> Change | None:
            record = draft.encounter.records.get(message_id)
            if record is None:
                return None
            new = [event for event in events if event.identity not in record.history.identities]
            if not new:
                return Change(record=record, before=record.status, recorded=False)
            if not only_if(record.history):
                return None
            if while_newest and draft.encounter.newest_request_id != record.request_id:
                return None
            changed, raised = draft.record(record, *new)
            return Change(record=changed, before=record.status, notifications=raised)

        key = self._key_of(message_id)
        return self._change(key, change) if key else None

    def skip_earlier_versions(self, message_id: str, *, at: datetime, actor: str, reason: str) -> Change | None:
        """Abandon the unsent earlier versions that a message waits for, so that it can be sent.

        Returns None, with nothing written, where it waits for none, or where one of them is being sent.

        Raises LedgerBusyError when others kept changing the messages.
        """

        def change(draft: Draft) -> Change | None:
            if (done := draft.skip_earlier(message_id, at, actor, reason)) is None:
                return None
            return Change(record=done[0], before=Status.BUILT, notifications=done[1])

        return self._change(encounter_key_of(message_id), change)

    def earlier_left(self, record: MessageRecord) -> bool:
        """Whether the version before this one was sent to the same recipient, or never will be."""
        known = self._recall(record.encounter_key)
        encounter = known.encounter if known else self.encounter(record.encounter_key)
        return next(encounter.not_left_before(record), None) is None

    def find_origin(self, request_id: str) -> Origin | None:
        """Find the folder and document versions of a request; None where they are not known."""
        encounter = self.encounter_of(request_id)
        return encounter.origins.get(request_id) if encounter else None

    def find_claim(self, request_id: str) -> Claim | None:
        """Find the claim of a request; None for a new request."""
        encounter = self.encounter_of(request_id)
        return encounter.claims.get(request_id) if encounter else None

    def find_order(self, request_id: str) -> Order | None:
        """Find the order to resubmit a request under this id; None without an order."""
        found = self._get(f"REQUEST#{request_id}", "ORDER")
        return as_order(request_id, found) if found else None

    def find_content(self, s3_object: str) -> DropContent | None:
        """Find the last content received under a key of the drop; None for a new key."""
        found = self._get(*content_key(s3_object))
        if found is None:
            return None
        return DropContent(
            s3_object=s3_object,
            content=found["content"],
            request_id=found["request_id"],
            sequencer=found["sequencer"],
            arrived=time(found["arrived"]) if found.get("arrived") else None,
            revision=int(found["revision"]),
        )

    def find_by_mesh_message_id(self, mesh_message_id: str) -> MessageRecord | None:
        """Find a message by the MESH id of one of the uploads."""
        pointer = self._get(f"MESH#{mesh_message_id}", "SENT")
        return self.find(pointer["message_id"]) if pointer else None

    def find_by_encounter(self, encounter_key: str) -> list[MessageRecord]:
        """Find the messages of an encounter, oldest version first."""
        return sorted(self.encounter(encounter_key).records.values(), key=lambda record: record.version)

    def due(self, now: datetime) -> list[DueWork]:
        """List the encounters and other subjects that the sweep must look at."""
        condition = "work_shard = :shard AND work_at <= :now"
        return [
            DueWork(
                key_of(values["pk"]),
                time(values["work_at"]),
                frozenset(status for status, _ in statuses_of(values)),
                time(values["notify_at"]) if "notify_at" in values else None,
                time(values["untold_since"]) if "untold_since" in values else None,
            )
            for values in self._sharded("by_work", condition, shards("WORK"), {":now": text(now)}, MOST_DUE)
        ]

    def postpone(self, encounter: Encounter) -> None:
        """Move an encounter that was just read to the time at which the sweep must look at it next."""
        stored = self._recall(encounter.key)
        if stored is None or stored.encounter is not encounter:
            return
        now_at = self._index(stored.item, encounter, self._now(), lazily=False).get("work_at")
        if stored.item.get("work_at") != now_at:
            self._commit(stored, Draft(encounter, self._now()), lazily=False)

    def change_notification(
        self, notification: Notification, change: Callable[[RaisedNotification], RaisedNotification | None]
    ) -> bool:
        """Change the state of a notification; False, with nothing written, where `change` returns None."""

        def changed(draft: Draft) -> bool:
            state = draft.encounter.notifications.get(notification.id)
            after = change(state) if state else None
            if after is None:
                return False
            draft.set(notifications={**draft.encounter.notifications, notification.id: after})
            return True

        key = self._subject(notification.subject_key)
        return self._change(key, changed) if key else False

    def find_notification(self, notification_id: str) -> RaisedNotification | None:
        """Find a notification by the id that people use; None where there is none."""
        subject, named, _ = notification_id.rpartition("/")
        key = self._subject(subject) if named else None
        return self.encounter(key).notifications.get(notification_id) if key else None

    def _subject(self, subject_key: str) -> str | None:
        kind, _, own_id = subject_key.partition("#")
        return self._key_of(own_id) if kind == "MESSAGE" else subject_key

    def record_action(self, event: AuditEvent) -> None:
        """Record a person's action; a repeat records the same."""
        self._put_item(action_item(event) | self._expiry(event.at))

    def set_legal_hold(self, own_id: str, *, on: bool) -> Encounter | None:
        """Place or lift the legal hold of a message or request; return the encounter, None where it is unknown."""

        def change(draft: Draft) -> Encounter:
            record = draft.encounter.records[own_id]
            draft.set(records={**draft.encounter.records, own_id: replace(record, legal_hold=on)})
            return draft.encounter

        encounter = self.encounter_of(own_id)
        return self._change(encounter.key, change) if encounter and own_id in encounter.records else None

    def now(self) -> datetime:
        """Return the time (UTC)."""
        return self._now()

    def raise_notification(self, notification: Notification) -> tuple[Notification, ...]:
        """Raise a notification about a subject that is not a message, once; a repeat raises nothing."""

        def change(draft: Draft) -> tuple[Notification, ...]:
            if notification.id in draft.encounter.notifications:
                return ()
            draft.notify([notification])
            return (notification,)

        return self._change(notification.subject_key, change)

    def received(self, received: Received, unmatched_because: str | None = None) -> tuple[Notification, ...]:
        """Record a received MESH message; raise a notification with the reason where it matches no sent message.

        A repeat changes nothing and raises nothing.
        """
        raised: tuple[Notification, ...] = ()
        if unmatched_because is not None:
            key = f"RECEIVED#{received.mailbox}#{received.mesh_message_id}"
            details = {
                "mailbox": received.mailbox,
                "mesh_message_id": received.mesh_message_id,
                "evidence_key": received.evidence_key,
                "reason": unmatched_because,
            }
            notification = Notification(
                subject_key=key, kind=NotificationType.UNMATCHED, raised_at=received.at, details=details
            )

            def change(draft: Draft) -> tuple[Notification, ...]:
                if draft.encounter.received is not None:
                    return ()
                draft.set(received=received)
                draft.notify([notification])
                return (notification,)

            raised = self._change(key, change)
        # The message's events name a matched response, so that nothing depends on this item.
        expiry = self._expiry(received.at) if unmatched_because is not None else {}
        self._put_item(_received_item(received) | expiry)
        return raised

    def find_received(self, mailbox: str, mesh_message_id: str) -> Received | None:
        """Find the record of a received MESH message."""
        return self.find_all_received(mailbox, [mesh_message_id]).get(mesh_message_id)

    def find_all_received(self, mailbox: str, mesh_message_ids: Iterable[str]) -> dict[str, Received]:
        """Find the records of received MESH messages, by id. Raises UnreadError."""
        found = self._batch((f"MESH#{one}", f"RECEIVED#{mailbox}") for one in mesh_message_ids)
        return {received.mesh_message_id: received for received in map(as_received, found)}

    def retry_quarantined(self, mailbox: str, mesh_message_id: str) -> bool:
        """Let the next poll process a quarantined message; False where it is not quarantined.

        The record and the notification are deleted, so that a person is notified if it is quarantined again. Only an
        operator may do this: the functions' roles cannot delete items.
        """
        record = {"pk": f"MESH#{mesh_message_id}", "sk": f"RECEIVED#{mailbox}"}
        subject = {"pk": f"RECEIVED#{mailbox}#{mesh_message_id}", "sk": STATE}
        only_quarantined = {
            "ConditionExpression": "outcome = :quarantined",
            "ExpressionAttributeValues": item({":quarantined": QUARANTINED}),
        }
        self._remembered.clear()
        return self._write(
            [
                {"Delete": {"TableName": self._table, "Key": item(record), **only_quarantined}},
                {"Delete": {"TableName": self._table, "Key": item(subject)}},
            ]
        )

    def begin_request(self, request_id: str) -> int:
        """Count the start of an attempt at a request; return how many started and did not end, this one included."""
        return int(self._add(f"ATTEMPTS#{request_id}", "ATTEMPTS", "begun :change", change=1)["begun"])

    def end_request(self, request_id: str) -> None:
        """Count the end of an attempt at a request, successful or not: the process was not killed."""
        self._add(f"ATTEMPTS#{request_id}", "ATTEMPTS", "begun :change", change=-1)

    def _add(self, pk: str, sk: str, expression: str, **changes: int) -> Item:
        expires = int((self._now() + _TRIES_KEPT).timestamp())
        values = item({":expires": expires, **{f":{name}": change for name, change in changes.items()}})
        answer = past_transactions(
            lambda: self._client.update_item(
                TableName=self._table,
                Key=item({"pk": pk, "sk": sk}),
                UpdateExpression=f"SET expires_at = :expires ADD {expression}",
                ExpressionAttributeValues=values,
                ReturnValues="ALL_NEW",
            )
        )
        return plain(answer["Attributes"])

    def _key_of(self, own_id: str) -> str | None:
        """Return the key of the encounter that has a message or request; None where it is unknown."""
        for key in reversed(list(self._remembered)):
            if (known := self._recall(key)) and own_id in known.encounter.records:
                return key
        stored = self._load_of(own_id)
        return stored.encounter.key if stored else None

    def _read(self, key: str, found: Item) -> Stored:
        stored = super()._read(key, found)
        self._remember(stored)
        return stored

    def _remember(self, stored: Stored) -> None:
        """Keep what a step has just read or written, so that its next change need not read again."""
        for old in list(self._remembered)[:-_MOST_REMEMBERED]:
            self._remembered.pop(old, None)
        self._remembered.pop(stored.encounter.key, None)
        self._remembered[stored.encounter.key] = (clock.monotonic(), stored)

    def _recall(self, key: str) -> Stored | None:
        at, stored = self._remembered.get(key, (0.0, None))
        return stored if clock.monotonic() - at < _REMEMBERED_SECONDS else None

    def _change(self, key: str, change: Callable[[Draft], _Result]) -> _Result:
        """Change an encounter; return what `change` returns.

        `change` may first see the encounter as this process saw it last: what it changes is written only if the
        encounter is still the same. Otherwise it sees the encounter as it is now.
        """
        if remembered := self._recall(key):
            draft = Draft(remembered.encounter, self._now())
            result = change(draft)
            if draft.changed and self._commit(remembered, draft):
                return result
        written_by = draft.token if remembered else ""
        for _ in tries():
            stored = self._load(key)
            if written_by and stored.item.get("written_by") == written_by:
                return result  # the write succeeded, and only the answer to it was lost
            draft = Draft(stored.encounter, self._now())
            result = change(draft)
            if not draft.changed or self._commit(stored, draft):
                return result
            written_by = draft.token
        raise LedgerBusyError("others changed the encounter on every try")

    def _point(self, stored: Stored, draft: Draft) -> None:
        """Write the pointers from new requests to the encounter, and from new MESH ids to the messages.

        Of an archived encounter write all the items that expire, and let the archiver look at it again. They say which
        revision keeps them: an archiver that is just letting the earlier revision expire leaves them (`Archiver`).
        """
        arrived: Iterable[str] = draft.arrived
        recorded: Iterable[tuple[MessageRecord, Iterable[LedgerEvent]]] = draft.recorded
        kept_by: Item = {}
        if "#" not in draft.encounter.key and (
            "expires_at" in stored.item or (draft.encounter.revision > 0 and not stored.item)
        ):
            kept_by = {"kept_by": draft.encounter.revision + 1}
            self._put_item(look_again(draft.encounter.key, draft.now))
            for found in self._batch(key for key in self.item_keys(stored.encounter) if not _is_pointer(key)):
                self._put_item({name: value for name, value in found.items() if name != "expires_at"} | kept_by)
            for received in stored.received:
                self._put_item(_received_item(received) | kept_by)
            arrived = draft.encounter.arrivals
            recorded = [(record, record.history.events) for record in draft.encounter.records.values()]
        for request_id in arrived:
            pointer = {"pk": f"REQUEST#{request_id}", "sk": "REQUEST", "encounter_key": draft.encounter.key}
            times = in_time(request_id, draft.encounter.arrivals[request_id])
            self._put_item({**pointer, "mailbox": draft.encounter.mailbox, **times, **kept_by})
        for record, events in recorded:
            for event in events:
                if event.kind is EventType.UPLOAD_ACCEPTED:
                    pointer = {"pk": f"MESH#{event.details['mesh_message_id']}", "sk": "SENT"}
                    self._put_item({**pointer, "message_id": record.message_id, **kept_by})

    def _commit(self, stored: Stored, draft: Draft, *, lazily: bool = True) -> bool:
        """Write a changed encounter; False, with nothing written, where it is not as it was read."""
        encounter, apart = draft.encounter, stored.apart
        body = encounter_format.encode(encounter, apart)
        packed = encounter_format.pack(body)
        if len(packed) > encounter_format.LARGEST_BODY:
            # An encounter from the archive comes whole.
            older = encounter_format.part_of(stored.body or encounter_format.encode(stored.encounter, apart))
            for number, part in enumerate(encounter_format.divided(older)):
                name = f"{encounter.revision:08}-{draft.token}-{number}"
                values = {"pk": pk_of(encounter.key), "sk": f"PART#{name}", "v": encounter_format.VERSION}
                self._put_item(values | {"body": encounter_format.pack(part), "kept_by": draft.encounter.revision + 1})
                encounter = replace(encounter, parts=(*encounter.parts, name))
            apart = encounter_format.union(apart, older)
            body = encounter_format.encode(encounter, apart)
            packed = encounter_format.pack(body)
        written = {
            "pk": pk_of(encounter.key),
            "sk": STATE,
            "v": encounter_format.VERSION,
            "revision": encounter.revision + 1,
            "written_by": draft.token,
            "body": packed,
            **self._index(stored.item, encounter, draft.now, lazily=lazily),
            # Only the archiver lets an encounter expire. Another subject of notifications is not archived.
            **(self._expiry(draft.now) if "#" in encounter.key else {}),
        }
        self._point(stored, draft)
        if not self._put_item(written, "revision", encounter.revision if stored.item else None):
            return False
        self._remember(Stored(replace(encounter, revision=encounter.revision + 1), written, body, apart))
        for record, events in draft.recorded:
            self._watch(record, events)
        return True

    def _index(self, before: Mapping[str, Any], encounter: Encounter, now: datetime, *, lazily: bool) -> Item:
        """Return the attributes of the indexes that the encounter is in."""
        attributes: Item = {}
        number, statuses = shard(encounter.key), {status for status, _ in encounter.listed}
        if due := encounter.work_at(self._patience):
            work_at, known, soon = text(due), str(before.get("work_at", "")), text(now + _SOON)
            if lazily and not known and Status.BUILT in statuses:
                # Before the sender's lease can end, so that the time need not change when it begins.
                work_at = min(work_at, text(now + _FIRST_LOOK))
            elif lazily and known and known <= work_at and (work_at <= soon or known > soon):
                # A later time costs two writes: the sweep moves it, or, most often, the encounter is settled first.
                work_at = known
            attributes |= {"work_shard": f"WORK#{number}", "work_at": work_at}
            if times := [raised.due_at for raised in encounter.notifications.values() if raised.due_at]:
                attributes["notify_at"] = text(min(times))
            if untold := encounter.untold_since:
                attributes["untold_since"] = text(untold)
        if attention_at := encounter.attention_at:
            kind = "OPEN" if encounter.has_open_notifications else "FAILED"
            attributes |= {"attention_shard": f"{kind}#{number}", "attention_at": text(attention_at)}
        if attributes:
            listed = [f"{status.value} {text(since)}" for status, since in encounter.listed]
            if encounter.received:
                listed = [f"{UNMATCHED.value} {text(encounter.received.at)}"]
            attributes |= {"statuses": listed, "mailbox": encounter.mailbox}
        return attributes

    def _put_content(self, content: DropContent | None) -> None:
        """Record the content under a key of the drop. Raises LedgerBusyError where other content came meanwhile."""
        if content is None:
            return
        pk, sk = content_key(content.s3_object)
        written = {
            "pk": pk,
            "sk": sk,
            "content": content.content,
            "request_id": content.request_id,
            "sequencer": content.sequencer,
            **({"arrived": text(content.arrived)} if content.arrived else {}),
            "revision": content.revision + 1,
            "expires_at": int((self._now() + CONTENT_KEPT).timestamp()),
        }
        if self._put_item(written, "revision", content.revision or None):
            return
        known = self.find_content(content.s3_object)
        if known is None or known.request_id != content.request_id:
            raise LedgerBusyError("other content came under the same key of the drop")


def _received_item(received: Received) -> Item:
    return {
        "pk": f"MESH#{received.mesh_message_id}",
        "sk": f"RECEIVED#{received.mailbox}",
        "at": text(received.at),
        "evidence_key": received.evidence_key,
        "outcome": received.outcome,
    }


def _is_pointer(key: Key) -> bool:
    return key[1] in {"REQUEST", "SENT"}


def _created(draft: Draft, record: MessageRecord) -> Change:
    raised = draft.store(record)
    return Change(record=draft.encounter.records[record.message_id], before=None, notifications=raised)
