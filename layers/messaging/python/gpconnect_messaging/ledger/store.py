"""The ledger in DynamoDB: one table, in which every change is one conditional transaction.

| item | pk | sk |
|---|---|---|
| row of a message (a projection of the events) | `MESSAGE#{message id}` | `MESSAGE` |
| event, append-only | of the message | `EVENT#{identity}` |
| notification | of the subject | `NOTICE#{kind}`, or `NOTICE#{kind}#{occasion}` where the kind can repeat |
| pointer to a message by the first characters of the id | `ID#{eight characters}` | `{message id}` |
| claim of a request | `REQUEST#{request id}` | `REQUEST` |
| folder and document versions of a held or refused request | the same | `ORIGIN` |
| an operator's order to resubmit a request (`ledger.orders`) | of the new request | `ORDER` |
| state of an encounter | `ENCOUNTER#{encounter key}` | `ENCOUNTER` |
| request and messages of a version | the same | `VERSION#{number}` |
| the last content received under a key of the drop | `OBJECT#{hash of bucket and key}` | `CONTENT` |
| pointer to a sent message by MESH id | `MESH#{MESH message id}` | `MESH` |
| pointer to a received MESH message | the same | `RECEIVED` |
| received MESH message | `RECEIVED#{mailbox}#{MESH message id}` | `RECEIVED` |
| tries to process a received MESH message | the same | `TRIES` |
| lease on polling a mailbox | `MAILBOX#{mailbox}` | `LEASE` |
| a person's action (`ledger.audit`) | of the message, or `AUDIT#{day}` | `AUDIT#{time}#{hash}` |
| a day's balance (`ledger.balances`) | `BALANCE#{day}` | `BALANCE` |
| progress of a day's balance | the same | `RECKONING` |
| progress of asking MESH about sent messages | `MESH` | `TOUR` |
| progress of listing the drop (`ledger.drop_passes`) | `DROP` | `PASS` |
| findings of a day's listings | `DROP#{day}` | `FOUND` |

A change reads the message's partition, derives the new status, and writes the event, the row and any notifications in
one transaction, on condition that the row is unchanged; a lost race means reading again. The encounter's item decides
which request is the newest, which is held, and which gets the next version, in the same transaction as the affected
rows. Messages are found by status and by due time through sharded indexes, so that no single key takes all writes.
Events, received messages and actions are found by time. Items that are not needed for ever have `expires_at`, for
DynamoDB's TTL. The items of an encounter and of the versions do not expire: a version number given twice would repeat a
message id, and later versions are ordered by earlier ones.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from gpconnect_messaging.conflicts import past_transactions
from gpconnect_messaging.derived_ids import REGISTERED_PRACTICE, EncounterIdentifiers
from gpconnect_messaging.ledger.deadlines import Timeouts, due_at
from gpconnect_messaging.ledger.events import (
    LedgerEvent,
    release_started,
    superseded,
    waits_no_longer,
    withdrawal,
    withdrawn,
)
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.notification_rules import occasions_due
from gpconnect_messaging.ledger.orders import as_order, origin_item, read_origin
from gpconnect_messaging.ledger.precedence import Precedence, RequestTimes
from gpconnect_messaging.ledger.records import (
    QUARANTINED,
    Claim,
    DropContent,
    Encounter,
    MessageRecord,
    Notification,
    Order,
    Origin,
    Received,
    Tries,
    Version,
)
from gpconnect_messaging.ledger.stored_names import EventType, NotificationType, Status
from gpconnect_messaging.ledger.table import (
    NOTICE_LEASE,
    Item,
    LedgerBusyError,
    LedgerTable,
    as_notification,
    beginning,
    in_time,
    notification_place,
)
from gpconnect_messaging.ledger.table import item as _item
from gpconnect_messaging.ledger.table import plain as _plain
from gpconnect_messaging.ledger.table import shard as _shard
from gpconnect_messaging.ledger.table import text as _text
from gpconnect_messaging.ledger.table import time as _time
from gpconnect_messaging.quoting import mailbox_id, ods_code, quoted

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

UNMATCHED = "UNMATCHED"
"""The status under which the index lists received MESH messages that match no sent message."""
# MESH deletes a message after 30 days; DynamoDB removes the count of the tries some time later.
_TRIES_KEPT = timedelta(days=40)
_ROW = frozenset(
    {
        "pk", "sk", "message_id", "request_id", "mailbox", "encounter", "encounter_key", "version", "recipient",
        "created_at", "revision", "status", "status_shard", "changed_at", "mesh_message_ids", "possible_copies",
        "messages", "became", "legal_hold", "expires_at", "due_shard", "due_at",
    }
)  # fmt: skip
"""The attributes of a message's row."""
_Raised = frozenset[tuple[NotificationType, str]]
"""The kinds and occasions of notifications."""
_Found = tuple[MessageRecord, _Raised]
"""A message, and the notifications raised for it so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The result of recording an event: the message now, the status before, and the notifications raised.

    `recorded` is False where the event was known already, so that only one of two concurrent callers recorded it.
    """

    record: MessageRecord
    before: Status | None
    recorded: bool = True
    notifications: tuple[Notification, ...] = ()


class _Projection(dict[str, Any]):
    """The put of a message's row, with the message after the change and the new events."""

    def __init__(self, put: Item, record: MessageRecord, events: tuple[LedgerEvent, ...]) -> None:
        super().__init__(put)
        self.record = record
        self.events = events


class Ledger(LedgerTable):
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
        one because another builder was faster: see `record_held`. `content` is recorded with the claim, on condition
        that no other content was received under the same key since it was read.

        Raises LedgerBusyError when other requests for the same encounter kept winning.
        """
        asked = asked or RequestTimes.at(created_at)
        for _ in self._tries():
            if known := self.find_claim(request_id):
                return known
            before = self.encounter(encounter.key)
            if asked.beside(before.newest) is not Precedence.NEWER or before.held_request_id == request_id:
                return None
            claim = Claim(
                request_id=request_id,
                version=before.version + 1,
                created_at=created_at,
                document_versions=document_versions,
                registration=registration or {},
            )
            after = replace(
                before, version=claim.version, newest=asked.after(before.newest), newest_request_id=request_id,
                held_request_id="",
            )  # fmt: skip
            puts = [
                *self._put_claim(claim, encounter, recipients, origin=origin),
                self._put_encounter(after),
                *self._superseded(before, request_id, asked),
                *self._put_content(content),
            ]
            if self._write(puts):
                return claim
        raise LedgerBusyError("the encounter's versions changed on every try")

    def record_held(
        self,
        record: MessageRecord,
        asked: RequestTimes,
        origin: Origin | None = None,
        content: DropContent | None = None,
    ) -> Change:
        """Store a request that becomes no message now: held, or not required. A repeat returns the stored row.

        It supersedes an older held request. A request older than the encounter's newest is superseded itself
        (GPCM-SD-CS-076); where it arrived later, a person is notified. `content` is as in `claim`.

        Raises LedgerBusyError when other requests for the same encounter kept winning.
        """
        for _ in self._tries():
            if known := self.find(record.message_id):
                return Change(record=known, before=known.status, recorded=False)
            before, stored = self.encounter(record.encounter_key), record
            puts: list[Item] = []
            if (precedence := asked.beside(before.newest)) is not Precedence.NEWER:
                event = superseded(
                    at=self._now(), by_request_id=before.newest_request_id,
                    arrived_later=precedence is Precedence.LATER_BUT_OLDER,
                )  # fmt: skip
                stored = replace(record, history=record.history.with_event(event))
            else:
                held = record.message_id if record.status is Status.HELD else ""
                puts = [
                    self._put_encounter(
                        replace(
                            before,
                            newest=asked.after(before.newest),
                            newest_request_id=record.message_id,
                            held_request_id=held,
                        )
                    ),
                    *self._superseded(before, record.message_id, asked),
                ]
            if origin:
                puts.append(self._put_origin(record.message_id, origin))
            puts += self._put_content(content)
            notifications = self._notifications_raised(stored, frozenset())
            if self._write([*self._puts(stored, stored.history.events, notifications), *puts]):
                return Change(record=replace(stored, revision=1), before=None, notifications=notifications)
        raise LedgerBusyError("the encounter's requests changed on every try")

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
        for _ in self._tries():
            if known := self.find_claim(request_id):
                return known
            found, origin = self._find_with_notifications(request_id), self.find_origin(request_id)
            if (
                found is None
                or origin is None
                or found[0].status is not Status.HELD
                or found[0].history.waits_for_a_person
            ):
                return self.find_claim(request_id)  # another builder may have claimed it since it was read
            record, notified = found
            before = self.encounter(record.encounter_key)
            claim = Claim(
                request_id=request_id,
                version=before.version + 1,
                created_at=created_at,
                document_versions=origin.document_versions,
                registration=registration or {},
            )
            held = "" if before.held_request_id == request_id else before.held_request_id
            after = replace(before, version=claim.version, held_request_id=held)
            puts = [*self._put_claim(claim, encounter, recipients, held=record.legal_hold), self._put_encounter(after)]
            event = release_started(at=self._now(), version=claim.version)
            if self._write([*puts, *self._puts_with(record, event, notified)[1]]):
                return claim
        raise LedgerBusyError("the encounter's requests changed on every try")

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

        A claimed version that no builder has stored is stopped, too: the builder finds it withdrawn. `content` is as
        in `claim`.

        Raises LedgerBusyError where the encounter keeps changing.
        """
        for _ in self._tries():
            if known := self.find(record.message_id):
                return Change(record=known, before=known.status, recorded=False)
            before = self.encounter(record.encounter_key)
            if asked.beside(before.newest) is not Precedence.NEWER:
                events = (
                    withdrawal(at=self._now(), stopped=(), sent=(), warning_key=None),
                    superseded(at=self._now(), by_request_id=before.newest_request_id),
                )
                done = replace(record, history=MessageHistory(events))
                notifications = self._notifications_raised(done, frozenset())
                if self._write([*self._puts(done, events, notifications), *self._put_content(content)]):
                    return Change(record=replace(done, revision=1), before=None, notifications=notifications)
                continue
            stopped, sent, puts = self._stop(record, before)
            event = withdrawal(
                at=self._now(),
                stopped=stopped,
                sent=[message.message_id for message in sent],
                warning_key=warn(sent) if sent else None,
            )
            done = replace(record, history=MessageHistory((event,)))
            notifications = self._notifications_raised(done, frozenset())
            after = replace(
                before, newest=asked.after(before.newest), newest_request_id=record.message_id, held_request_id=""
            )
            puts = [
                *self._puts(done, [event], notifications),
                self._put_encounter(after),
                *puts,
                *self._put_content(content),
            ]
            if self._write(puts):
                return Change(record=replace(done, revision=1), before=None, notifications=notifications)
        raise LedgerBusyError("the encounter's messages changed on every try")

    def _stop(self, record: MessageRecord, encounter: Encounter) -> tuple[list[str], list[MessageRecord], list[Item]]:
        """Return the ids that a withdrawal stops, the messages already sent (newest first), and the puts to write."""
        stopped: list[str] = []
        sent: list[MessageRecord] = []
        puts: list[Item] = []

        def stop(found: _Found) -> None:
            event = withdrawn(at=self._now(), by_request_id=record.message_id)
            puts.extend(self._puts_with(found[0], event, found[1])[1])

        held = self._find_with_notifications(encounter.held_request_id) if encounter.held_request_id else None
        if held and held[0].status is Status.HELD:
            stop(held)
            stopped.append(held[0].message_id)
        for number in range(encounter.version, 0, -1):
            for found in self._messages_of(record, number):
                match found[0].status:
                    case Status.BUILT if not found[0].history.may_have_arrived:
                        stop(found)
                        stopped.append(found[0].message_id)
                    # The message may have arrived, and must not be sent again.
                    case Status.BUILT | Status.SENDING | Status.UNCERTAIN:
                        stop(found)
                        sent.append(found[0])
                    case Status.WITHDRAWN:
                        pass  # not delivered, or an earlier withdrawal named it
                    case Status.REFUSED | Status.UNDELIVERED if found[0].history.unreported_copies <= 0:
                        pass  # not delivered
                    case Status.SUPERSEDED if not found[0].history.may_have_arrived:
                        pass
                    case _:
                        sent.append(found[0])
        return stopped, sent, puts

    def _messages_of(self, record: MessageRecord, number: int) -> Iterator[_Found]:
        """Yield a version's messages in a record's encounter, with a new row for a message that is not stored yet."""
        version = self.find_version(record.encounter_key, number)
        for message_id in version.message_ids if version else ():
            if found := self._find_with_notifications(message_id):
                yield found
            elif version and not self._was_refused(version):
                yield self._not_stored(record, version, message_id)

    def _not_stored(self, sibling: MessageRecord, version: Version, message_id: str) -> _Found:
        """Create the row of a claimed message that no builder has stored: the first writer decides the status."""
        claim = self.find_claim(version.request_id)
        record = MessageRecord(
            message_id=message_id,
            request_id=version.request_id,
            mailbox=sibling.mailbox,
            encounter=sibling.encounter,
            encounter_key=sibling.encounter_key,
            version=version.number,
            recipient=version.recipients[version.message_ids.index(message_id)],
            created_at=claim.created_at if claim else self._now(),
            history=MessageHistory(()),
            messages=len(version.message_ids),
        )
        return record, frozenset()

    def earlier_left(self, record: MessageRecord) -> bool:
        """Whether the version before this one was sent to the same recipient, or never will be.

        Versions of one encounter must not overtake each other; by induction the nearest earlier one is enough.
        """
        return next(self._not_left_before(record), None) is None

    def _not_left_before(self, record: MessageRecord) -> Iterator[_Found]:
        """Yield unsent earlier versions for the same recipient, nearest first, back to the latest sent version."""
        for number in range(record.version - 1, 0, -1):
            version = self.find_version(record.encounter_key, number)
            earlier_id = version.message_for(record.recipient) if version else None
            if version is None or earlier_id is None:
                continue  # that version did not go to this recipient
            found = self._find_with_notifications(earlier_id)
            if found is None:
                if not self._was_refused(version):
                    yield self._not_stored(record, version, earlier_id)
            elif found[0].status in {Status.BUILT, Status.SENDING, Status.UNCERTAIN}:
                yield found
            elif found[0].status not in {Status.WITHDRAWN, Status.SUPERSEDED}:
                return

    def skip_earlier_versions(self, message_id: str, *, at: datetime, actor: str, reason: str) -> Change | None:
        """Abandon the unsent earlier versions that a message waits for, so that it can be sent.

        Returns None, with nothing written, where it waits for none, or where one of them is being sent.

        Raises LedgerBusyError when others kept changing the messages.
        """
        for _ in self._tries():
            found = self._find_with_notifications(message_id)
            waits_for = list(self._not_left_before(found[0])) if found and found[0].status is Status.BUILT else []
            if not found or not waits_for or any(record.status is Status.SENDING for record, _ in waits_for):
                return None
            given_up = superseded(at=at, by_request_id=found[0].request_id, actor=actor, reason=reason)
            event = waits_no_longer(
                at=at, actor=actor, reason=reason, given_up=[record.message_id for record, _ in waits_for]
            )  # fmt: skip
            changed, puts, notifications = self._puts_with(found[0], event, found[1])
            for record, notified in waits_for:
                puts += self._puts_with(record, given_up, notified)[1]
            if self._write(puts):
                return Change(record=changed, before=found[0].status, notifications=notifications)
        raise LedgerBusyError("the encounter's messages changed on every try")

    def _was_refused(self, version: Version) -> bool:
        request = self.find(version.request_id)
        return request is not None and request.status is Status.INVALID

    def encounter(self, key: str) -> Encounter:
        """Read the state of an encounter; an encounter without requests has the initial state."""
        item = self._get(f"ENCOUNTER#{key}", "ENCOUNTER")
        if item is None:
            return Encounter(key=key)
        return Encounter(
            key=key,
            version=int(item["version"]),
            newest=RequestTimes(
                stated=_time(item["newest_at"]),
                arrived=_time(item.get("newest_arrived") or item["newest_at"]),
                s3_object=item.get("newest_object", ""),
                sequencer=item.get("newest_sequencer", ""),
                deletion=bool(item.get("newest_is_deletion")),
                undated=bool(item.get("newest_is_undated")),
            ),
            newest_request_id=item["newest_request_id"],
            held_request_id=item["held_request_id"],
            revision=int(item["revision"]),
        )

    def find_version(self, encounter_key: str, number: int) -> Version | None:
        """Find a version of an encounter; None where it was not claimed yet."""
        item = self._get(f"ENCOUNTER#{encounter_key}", f"VERSION#{number}")
        if item is None:
            return None
        return Version(
            number=number,
            request_id=item["request_id"],
            message_ids=tuple(item["message_ids"]),
            recipients=tuple(item["recipients"]),
        )

    def find_origin(self, request_id: str) -> Origin | None:
        """Find the folder and document versions of a request; None where they are not known."""
        item = self._get(f"REQUEST#{request_id}", "ORIGIN") or self._get(f"REQUEST#{request_id}", "REQUEST")
        return read_origin(item) if item else None

    def find_content(self, s3_object: str) -> DropContent | None:
        """Find the last content received under a key of the drop; None for a new key."""
        item = self._get(f"OBJECT#{s3_object}", "CONTENT")
        if item is None:
            return None
        return DropContent(
            s3_object=s3_object,
            content=item["content"],
            request_id=item["request_id"],
            sequencer=item["sequencer"],
            revision=int(item["revision"]),
        )

    def find_order(self, request_id: str) -> Order | None:
        """Find the order to resubmit a request under this id; None without an order."""
        item = self._get(f"REQUEST#{request_id}", "ORDER")
        return as_order(request_id, item) if item else None

    def find_claim(self, request_id: str) -> Claim | None:
        """Find the claim of a request; None for a new request."""
        item = self._get(f"REQUEST#{request_id}", "REQUEST")
        if item is None:
            return None
        return Claim(
            request_id=request_id,
            version=int(item["version"]),
            created_at=_time(item["created_at"]),
            document_versions=tuple(item["document_versions"]),
            registration=item.get("registration", {}),
            message_ids=tuple(item["message_ids"]),
        )

    def create(self, record: MessageRecord, origin: Origin | None = None) -> Change:
        """Store a new message with the first events; a repeat changes nothing and returns the stored message."""
        for _ in self._tries():
            if known := self.find(record.message_id):
                return Change(record=known, before=known.status, recorded=False)
            notifications = self._notifications_raised(record, frozenset())
            puts = self._puts(record, record.history.events, notifications)
            if origin:
                puts.append(self._put_origin(record.message_id, origin))
            if self._write(puts):
                return Change(record=replace(record, revision=1), before=None, notifications=notifications)
        raise LedgerBusyError("the message changed on every try")

    def record(
        self,
        message_id: str,
        event: LedgerEvent,
        *,
        only_if: Callable[[MessageHistory], bool] = lambda _: True,
        while_newest: bool = False,
    ) -> Change | None:
        """Add an event to a message; a known event changes nothing.

        Returns None, with nothing written, where the message is unknown or, at the moment of writing, `only_if` does
        not hold for the history or, with `while_newest`, the request is not the encounter's newest.

        Raises LedgerBusyError when others kept changing the message.
        """
        for _ in self._tries():
            found = self._find_with_notifications(message_id)
            if found is None:
                return None
            record, notified = found
            if event.identity in record.history.identities:
                return Change(record=record, before=record.status, recorded=False)
            if not only_if(record.history):
                return None
            changed, puts, notifications = self._puts_with(record, event, notified)
            if while_newest:
                if self.encounter(record.encounter_key).newest_request_id != record.request_id:
                    return None
                puts.append(self._still_newest(record))
            if self._write(puts):
                return Change(record=changed, before=record.status, notifications=notifications)
        raise LedgerBusyError("the message changed on every try")

    def _still_newest(self, record: MessageRecord) -> Item:
        return {
            "ConditionCheck": {
                "TableName": self._table,
                "Key": _item({"pk": f"ENCOUNTER#{record.encounter_key}", "sk": "ENCOUNTER"}),
                "ConditionExpression": "newest_request_id = :request",
                "ExpressionAttributeValues": _item({":request": record.request_id}),
            }
        }

    def find(self, message_id: str) -> MessageRecord | None:
        """Read a message with all events; None if it is unknown."""
        found = self._find_with_notifications(message_id)
        return found[0] if found else None

    def find_by_mesh_message_id(self, mesh_message_id: str) -> MessageRecord | None:
        """Find a message by the MESH id of one of the uploads."""
        pointer = self._get(f"MESH#{mesh_message_id}", "MESH")
        return self.find(pointer["message_id"]) if pointer else None

    def find_by_encounter(self, encounter_key: str) -> list[MessageRecord]:
        """Find the messages of an encounter, oldest version first."""
        ids = self._query_index("by_encounter", "encounter_key", encounter_key)
        return sorted(self._load(ids), key=lambda record: record.version)

    def find_by_status(self, status: Status) -> list[MessageRecord]:
        """Find the messages in a status, longest-standing first."""
        return list(self._load(self._standing(status.value)))

    def due_messages(self, now: datetime) -> dict[str, Status]:
        """Map the ids of the messages that the sweep must look at to their statuses in the index."""
        return {item["message_id"]: Status(item["status"]) for item in self._due("message", now)}

    def due_notifications(self, now: datetime) -> list[Notification]:
        """List the notifications that were raised and not yet delivered."""
        return [as_notification(item) for item in self._due("notice", now)]

    def take_notification(self, notification: Notification) -> bool:
        """Take the lease on delivering a notification; False where another process has it, or it was delivered."""
        now = self._now()
        return self._update(
            *notification_place(notification),
            "SET due_at = :until",
            "attribute_not_exists(told_at) AND attribute_exists(due_shard) AND due_at <= :now",
            {":until": _text(now + NOTICE_LEASE), ":now": _text(now)},
        )

    def notification_told(self, notification: Notification) -> None:
        """Record, once, that a notification was published; unless it is acknowledged, the escalation is due now.

        A process that was delayed, and records this after another process did, changes nothing.
        """
        key, now = notification_place(notification), _text(self._now())
        escalation = {":shard": f"escalation#{_shard(notification.subject_key)}"}
        if not self._update(
            *key,
            "SET told_at = :now, due_shard = :shard, due_at = :now",
            "attribute_not_exists(acknowledged_at) AND attribute_not_exists(told_at)",
            {":now": now, **escalation},
        ):
            self._update(
                *key, "SET told_at = :now REMOVE due_shard, due_at", "attribute_not_exists(told_at)", {":now": now}
            )

    def received(self, received: Received, unmatched_because: str | None = None) -> tuple[Notification, ...]:
        """Record a received MESH message; raise a notification with the reason where it matches no sent message.

        A repeat changes nothing and raises nothing.
        """
        key = f"RECEIVED#{received.mailbox}#{received.mesh_message_id}"
        item = {
            "pk": key,
            "sk": "RECEIVED",
            "mailbox": received.mailbox,
            "mesh_message_id": received.mesh_message_id,
            "evidence_key": received.evidence_key,
            "outcome": received.outcome,
            **in_time(key, received.at),
            **self._expiry(received.at),
        }
        pointer = {
            "pk": f"MESH#{received.mesh_message_id}",
            "sk": "RECEIVED",
            "mailbox": received.mailbox,
            **self._expiry(received.at),
        }
        notifications: tuple[Notification, ...] = ()
        if unmatched_because is not None:
            item |= {"status_shard": f"{UNMATCHED}#{_shard(key)}", "changed_at": _text(received.at)}
            details = {
                "mailbox": received.mailbox,
                "mesh_message_id": received.mesh_message_id,
                "evidence_key": received.evidence_key,
                "reason": unmatched_because,
            }
            notifications = (
                Notification(subject_key=key, kind=NotificationType.UNMATCHED, raised_at=received.at, details=details),
            )
        puts = [
            self._put(item, "attribute_not_exists(pk)"),
            self._put(pointer),
            *(self._put_notification(notification) for notification in notifications),
        ]
        return notifications if self._write(puts) else ()

    def find_received(self, mailbox: str, mesh_message_id: str) -> Received | None:
        """Find the record of a received MESH message."""
        item = self._get(f"RECEIVED#{mailbox}#{mesh_message_id}", "RECEIVED")
        if item is None:
            return None
        return Received(
            mailbox=mailbox,
            mesh_message_id=mesh_message_id,
            at=_time(item["at"]),
            evidence_key=item["evidence_key"],
            outcome=item["outcome"],
        )

    def begin_received(self, mailbox: str, mesh_message_id: str) -> Tries:
        """Count the start of processing a received message in a batch; return the tries in batches and alone.

        A process that is killed leaves these counts for every message that it had begun. Such messages are tried alone
        the next time, and only those tries count against a message.
        """
        return self._count_tries(mailbox, mesh_message_id, begun=1)

    def try_received(self, mailbox: str, mesh_message_id: str) -> int:
        """Count a try to process a message alone, before the try; return the number of such tries."""
        return self._count_tries(mailbox, mesh_message_id, alone=1).alone

    def forget_try(self, mailbox: str, mesh_message_id: str, *, alone: bool) -> None:
        """Uncount a try that failed for a reason outside the message."""
        self._count_tries(mailbox, mesh_message_id, **({"alone": -1} if alone else {"begun": -1}))

    def begin_request(self, request_id: str) -> int:
        """Count the start of an attempt at a request; return how many started and did not end, this one included."""
        return self._count_attempts(request_id, 1)

    def end_request(self, request_id: str) -> None:
        """Count the end of an attempt at a request, successful or not: the process was not killed."""
        self._count_attempts(request_id, -1)

    def _count_attempts(self, request_id: str, change: int) -> int:
        expires = self._now() + _TRIES_KEPT
        answer = past_transactions(
            lambda: self._client.update_item(
                TableName=self._table,
                Key=_item({"pk": f"ATTEMPTS#{request_id}", "sk": "ATTEMPTS"}),
                UpdateExpression="SET expires_at = :expires ADD begun :change",
                ExpressionAttributeValues=_item({":change": change, ":expires": int(expires.timestamp())}),
                ReturnValues="ALL_NEW",
            )
        )
        return int(_plain(answer["Attributes"])["begun"])

    def retry_quarantined(self, mailbox: str, mesh_message_id: str) -> bool:
        """Let the next poll process a quarantined message; False where it is not quarantined.

        The tries and the notification are deleted, so that a person is notified if it is quarantined again. Only an
        operator may do this: the functions' roles cannot delete items.
        """
        key = f"RECEIVED#{mailbox}#{mesh_message_id}"
        released, *others = (
            {"TableName": self._table, "Key": _item({"pk": key, "sk": sort})}
            for sort in ("RECEIVED", "TRIES", f"NOTICE#{NotificationType.UNMATCHED.value}")
        )
        released |= {
            "ConditionExpression": "outcome = :quarantined",
            "ExpressionAttributeValues": _item({":quarantined": QUARANTINED}),
        }
        return self._write([{"Delete": deletion} for deletion in (released, *others)])

    def _count_tries(self, mailbox: str, mesh_message_id: str, begun: int = 0, alone: int = 0) -> Tries:
        expires = self._now() + _TRIES_KEPT
        values = _item({":begun": begun, ":alone": alone, ":expires": int(expires.timestamp())})
        answer = past_transactions(
            lambda: self._client.update_item(
                TableName=self._table,
                Key=_item({"pk": f"RECEIVED#{mailbox}#{mesh_message_id}", "sk": "TRIES"}),
                UpdateExpression="SET expires_at = :expires ADD begun :begun, tries :alone",
                ExpressionAttributeValues=values,
                ReturnValues="ALL_NEW",
            )
        )
        counts = _plain(answer["Attributes"])
        return Tries(begun=int(counts["begun"]), alone=int(counts["tries"]))

    def take_mailbox(self, mailbox: str, holder: str, lease: timedelta) -> bool:
        """Take the lease on polling a mailbox; False where another process holds it."""
        now = self._now()
        item = {"pk": f"MAILBOX#{mailbox}", "sk": "LEASE", "holder": holder, "until": _text(now + lease)}
        return self._put_lease(item, "attribute_not_exists(pk) OR #until <= :now", {":now": _text(now)})

    def leave_mailbox(self, mailbox: str, holder: str) -> None:
        """Release the lease on a mailbox early; nothing happens where another process has taken it since."""
        item = {"pk": f"MAILBOX#{mailbox}", "sk": "LEASE", "holder": holder, "until": _text(self._now())}
        self._put_lease(item, "holder = :holder AND #until > :now", {":holder": holder, ":now": _text(self._now())})

    def _put_lease(self, item: Item, condition: str, values: Item) -> bool:
        try:
            past_transactions(
                lambda: self._client.put_item(
                    TableName=self._table,
                    Item=_item(item),
                    ConditionExpression=condition,
                    ExpressionAttributeNames={"#until": "until"},
                    ExpressionAttributeValues=_item(values),
                )
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def _load(self, items: Iterable[Item]) -> Iterator[MessageRecord]:
        for item in items:
            if record := self.find(item["message_id"]):
                yield record

    def _find_with_notifications(self, message_id: str) -> _Found | None:
        summary: Item | None = None
        events: list[LedgerEvent] = []
        notified: set[tuple[NotificationType, str]] = set()
        for item in self._partition(f"MESSAGE#{message_id}"):
            if item["sk"] == "MESSAGE":
                summary = item
            elif item["sk"].startswith("EVENT#"):
                events.append(_ledger_event(item))
            elif item["sk"].startswith("NOTICE#"):
                notified.add((NotificationType(item["kind"]), item.get("occasion", "")))
        if summary is None:
            return None
        record = MessageRecord(
            message_id=message_id,
            request_id=summary["request_id"],
            mailbox=summary["mailbox"],
            encounter=summary["encounter"],
            encounter_key=summary["encounter_key"],
            version=int(summary["version"]),
            recipient=summary.get("recipient", REGISTERED_PRACTICE),
            created_at=_time(summary["created_at"]),
            history=MessageHistory(tuple(events)),
            revision=int(summary["revision"]),
            messages=int(summary.get("messages", 1)),
            legal_hold="legal_hold" in summary,
            carried={name: value for name, value in summary.items() if name not in _ROW},
        )
        return record, frozenset(notified)

    def _notifications_raised(self, record: MessageRecord, known: _Raised) -> tuple[Notification, ...]:
        details = {"message_id": record.message_id, "mailbox": record.mailbox, "status": record.status.value}
        details |= _practice(record.history)
        return tuple(
            Notification(
                subject_key=f"MESSAGE#{record.message_id}", kind=kind, raised_at=self._now(),
                details=details | _explanation(record.history, kind, occasion), occasion=occasion,
            )
            for kind, occasion in sorted(occasions_due(record.history) - known)
        )  # fmt: skip

    def _puts_with(
        self, record: MessageRecord, event: LedgerEvent, notified: _Raised
    ) -> tuple[MessageRecord, list[Item], tuple[Notification, ...]]:
        """Add an event: return the changed message, the puts, and the notifications that the event raises."""
        changed = replace(record, history=record.history.with_event(event))
        notifications = self._notifications_raised(changed, notified)
        return (
            replace(changed, revision=record.revision + 1),
            self._puts(changed, [event], notifications),
            notifications,
        )

    def _superseded(self, encounter: Encounter, by_request_id: str, by: RequestTimes) -> list[Item]:
        """Return the puts by which a newer request supersedes the held one, if it is still held.

        Where the held one arrived later, a person is notified: requests arrive in any order.
        """
        held = encounter.held_request_id
        found = self._find_with_notifications(held) if held else None
        if found is None or found[0].status is not Status.HELD:
            return []
        arrived_later = encounter.newest is not None and encounter.newest.arrived > by.arrived
        event = superseded(at=self._now(), by_request_id=by_request_id, arrived_later=arrived_later)
        return self._puts_with(found[0], event, found[1])[1]

    def _put_claim(
        self,
        claim: Claim,
        encounter: EncounterIdentifiers,
        recipients: Sequence[str],
        *,
        held: bool = False,
        origin: Origin | None = None,
    ) -> list[Item]:
        message_ids = [str(encounter.message_id(claim.version, recipient)) for recipient in recipients]
        claim_item = {
            "pk": f"REQUEST#{claim.request_id}",
            "sk": "REQUEST",
            "version": claim.version,
            "created_at": _text(claim.created_at),
            "document_versions": list(claim.document_versions),
            "registration": dict(claim.registration),
            "message_ids": message_ids,
            **(origin_item(replace(origin, document_versions=claim.document_versions)) if origin else {}),
            **({} if held else self._expiry(self._now())),
        }
        version_item = {
            "pk": f"ENCOUNTER#{encounter.key}",
            "sk": f"VERSION#{claim.version}",
            "request_id": claim.request_id,
            "message_ids": message_ids,
            "recipients": list(recipients),
        }
        return [self._put(claim_item, "attribute_not_exists(pk)"), self._put(version_item, "attribute_not_exists(pk)")]

    def _put_encounter(self, encounter: Encounter) -> Item:
        newest = encounter.newest or RequestTimes.at(self._now())
        item = {
            "pk": f"ENCOUNTER#{encounter.key}",
            "sk": "ENCOUNTER",
            "version": encounter.version,
            "newest_at": _text(newest.stated),
            "newest_arrived": _text(newest.arrived),
            **({"newest_object": newest.s3_object, "newest_sequencer": newest.sequencer} if newest.s3_object else {}),
            **({"newest_is_deletion": True} if newest.deletion else {}),
            **({"newest_is_undated": True} if newest.undated else {}),
            "newest_request_id": encounter.newest_request_id,
            "held_request_id": encounter.held_request_id,
            "revision": encounter.revision + 1,
        }
        return self._put_if(item, "revision", encounter.revision or None)

    def _put_origin(self, request_id: str, origin: Origin) -> Item:
        item = {
            "pk": f"REQUEST#{request_id}",
            "sk": "ORIGIN",
            **origin_item(origin),
            **self._expiry(self._now()),
        }
        return self._put(item, "attribute_not_exists(pk)")

    def _put_content(self, content: DropContent | None) -> list[Item]:
        if content is None:
            return []
        item = {
            "pk": f"OBJECT#{content.s3_object}",
            "sk": "CONTENT",
            "content": content.content,
            "request_id": content.request_id,
            "sequencer": content.sequencer,
            "revision": content.revision + 1,
            **self._expiry(self._now()),
        }
        return [self._put_if(item, "revision", content.revision or None)]

    def _write(self, puts: Sequence[Item]) -> bool:
        written = super()._write(puts)
        if written:
            for put in puts:
                if isinstance(put, _Projection):
                    self._watch(put.record, put.events)
        return written

    def _puts(
        self, record: MessageRecord, events: Sequence[LedgerEvent], notifications: Iterable[Notification]
    ) -> list[Item]:
        history, shard = record.history, _shard(record.message_id)
        summary: Item = {
            **record.carried,
            "pk": f"MESSAGE#{record.message_id}",
            "sk": "MESSAGE",
            "message_id": record.message_id,
            "request_id": record.request_id,
            "mailbox": record.mailbox,
            "encounter": record.encounter,
            "encounter_key": record.encounter_key,
            "version": record.version,
            "recipient": record.recipient,
            "created_at": _text(record.created_at),
            "revision": record.revision + 1,
            "status": record.status.value,
            "status_shard": f"{record.status.value}#{shard}",
            "changed_at": _text(self._now()),
            "mesh_message_ids": list(history.mesh_message_ids),
            "possible_copies": history.possible_copies,
            "messages": record.messages,
            **({"became": list(history.became)} if history.became else {}),
            **({"legal_hold": True} if record.legal_hold else self._expiry(self._now())),
        }
        if (due := due_at(history, self._patience)) is not None:
            summary |= {"due_shard": f"message#{shard}", "due_at": _text(due)}
        put = self._put_if(summary, "revision", record.revision or None)
        puts: list[Item] = [_Projection(put, record, tuple(events))]
        if not record.revision:  # a new row
            pointer = {"pk": beginning(record.message_id), "sk": record.message_id}
            puts.append(self._put(pointer | self._expiry(self._now())))
        for event in events:
            expiry = {} if record.legal_hold else self._expiry(event.at)
            puts.append(self._put(_event_item(record, event) | expiry, "attribute_not_exists(pk)"))
            if event.kind is EventType.UPLOAD_ACCEPTED:
                pointer = {"pk": f"MESH#{event.details['mesh_message_id']}", "sk": "MESH"}
                puts.append(self._put(pointer | {"message_id": record.message_id} | expiry))
        return [
            *puts,
            *(self._put_notification(notification, held=record.legal_hold) for notification in notifications),
        ]


def _explanation(history: MessageHistory, kind: NotificationType, occasion: str) -> dict[str, str]:
    """Pick the details that a notification of this kind needs; received messages cannot make them grow."""
    details: dict[str, Any] = {}
    match kind:
        case NotificationType.INVALID | NotificationType.MALWARE | NotificationType.NOT_SCANNED:
            details = {"reasons": "\n".join(history.of(EventType.REQUEST_REFUSED)[0].details["reasons"])}
        case NotificationType.REFUSED:
            details = dict(history.of(EventType.UPLOAD_REFUSED)[-1].details)
        case NotificationType.UNRESOLVED:
            details = dict(history.of(EventType.RECIPIENT_UNRESOLVED)[-1].details)
        case NotificationType.VOIDED:
            details = dict(history.of(EventType.VOIDED)[-1].details)
        case NotificationType.UNDELIVERED:
            details = dict(history.of(EventType.REPORT)[-1].details)
        case NotificationType.REJECTED | NotificationType.CONTRADICTION | NotificationType.UNKNOWN_CODE:
            details = {"codes": ", ".join(sorted({str(event.details["code"]) for event in history.responses}))}
        case NotificationType.OVERDUE:
            details = {"missing": " and ".join(history.missing_acknowledgements)}
        case NotificationType.DIFFERS | NotificationType.DIFFERS_MORE:
            differing = history.of(EventType.DIFFERS)[-1].details
            details = {"fields": ", ".join(differing["fields"]), "evidence_key": differing["comparison"]}
        case NotificationType.SENT_AGAIN_IN_VAIN:
            details = {"attempts": history.attempts, "actor": history.of(EventType.RESEND_ORDERED)[-1].details["actor"]}
        case NotificationType.STUCK:
            details = {"attempts": history.attempts}
        case NotificationType.WAITING:
            details = {"release_at": history.of(EventType.HELD)[0].details["release_at"]}
        case NotificationType.NOT_RELEASED:
            unanswered = [event.details["why"] for event in history.of(EventType.LOOKUP_UNANSWERED)]
            details = {"offered": len(history.of(EventType.QUEUED_AGAIN)), "reason": "".join(unanswered[-1:])}
        case NotificationType.LATER_SUPERSEDED:
            details = {"by_request_id": history.of(EventType.SUPERSEDED)[0].details["by_request_id"]}
        case NotificationType.TELL_PRACTICE:
            withdrawal_details = history.of(EventType.WITHDRAWAL)[0].details
            details = {
                "warning_key": withdrawal_details["warning_key"],
                "sent": ", ".join(withdrawal_details["sent"]),
            }
        case NotificationType.SENT_ALTHOUGH_WITHDRAWN:
            details = dict(history.of(EventType.WITHDRAWN)[0].details)
        case NotificationType.SUSPICIOUS:
            response = next(event for event in history.suspicious if event.details["mesh_message_id"] == occasion)
            details = {"response": _source(response)}
    return {name: str(value) for name, value in details.items()}


def _source(response: LedgerEvent) -> str:
    """Name the sender of a response; a value that is not a code is not repeated, since the sender chose the text."""
    mailbox, organisation = response.details["from_mailbox"], response.details["from_organisation"]
    return (
        f"{response.details['mesh_message_id']} from mailbox {quoted(mailbox_id(mailbox), mailbox)}, "
        f"organisation {quoted(ods_code(organisation), organisation)}"
    )


def _practice(history: MessageHistory) -> dict[str, str]:
    """Name the practice that a person may have to ring, and say whether PDS records that the patient has died.

    Only the ODS code is given: the name comes from the request even where the code comes from PDS.
    """
    registration = history.registration
    code = ods_code(registration.get("ods_code"))
    if not code:
        return {}
    return {"practice": f"{code} (says {registration['source']})"} | (
        {"deceased": "PDS knows that the patient has died"} if registration.get("deceased") else {}
    )


def _event_item(record: MessageRecord, event: LedgerEvent) -> Item:
    """Write an event as an item that is a complete audit event: what, who, when, and the message's hash."""
    built = record.history.of(EventType.BUILT)
    return {
        "pk": f"MESSAGE#{record.message_id}",
        "sk": f"EVENT#{event.identity}",
        "kind": event.kind.value,
        "source": event.source,
        "details": json.dumps(event.details, sort_keys=True),
        "message_id": record.message_id,
        "mailbox": record.mailbox,
        **({"sha256": built[0].details["sha256"]} if built else {}),
        **in_time(record.message_id + event.identity, event.at),
    }


def _ledger_event(item: Item) -> LedgerEvent:
    return LedgerEvent(
        kind=EventType(item["kind"]),
        identity=item["sk"].removeprefix("EVENT#"),
        at=_time(item["at"]),
        source=item["source"],
        details=json.loads(item["details"]),
    )
