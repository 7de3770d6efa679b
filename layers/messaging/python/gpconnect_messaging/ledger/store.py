"""The ledger in DynamoDB: one table, every change one conditional transaction.

| item | pk | sk |
|---|---|---|
| message (a projection of its facts) | `MESSAGE#{message id}` | `MESSAGE` |
| fact, append-only | the message's | `EVENT#{identity}` |
| notification | its subject's | `NOTICE#{kind}`, `NOTICE#{kind}#{occasion}` where the kind can come again |
| a message by the beginning of its id | `ID#{eight characters}` | `{message id}` |
| claim of a request | `REQUEST#{request id}` | `REQUEST` |
| where a held or refused request's documents are | the same | `ORIGIN` |
| an operator's order to take it in again (`ledger.orders`) | the new request's | `ORDER` |
| where an encounter stands | `ENCOUNTER#{encounter key}` | `ENCOUNTER` |
| who has a version of it | the same | `VERSION#{number}` |
| what was last taken in under a key of the drop | `OBJECT#{hash of bucket and key}` | `CONTENT` |
| MESH's id of a message of ours | `MESH#{MESH message id}` | `MESH` |
| which mailbox a MESH message came to | the same | `RECEIVED` |
| what came in | `RECEIVED#{mailbox}#{MESH message id}` | `RECEIVED` |
| how often it was tried to take it in | the same | `TRIES` |
| who polls a mailbox | `MAILBOX#{mailbox}` | `LEASE` |
| what a person did (`ledger.audit`) | the message's, or `AUDIT#{day}` | `AUDIT#{time}#{hash}` |
| a day's balance (`ledger.balances`) | `BALANCE#{day}` | `BALANCE` |
| how far its reckoning has come | the same | `RECKONING` |
| how far MESH was asked about what it must have | `MESH` | `TOUR` |
| how far the drop was listed (`ledger.drop_passes`) | `DROP` | `PASS` |
| what was found in it | `DROP#{day}` | `FOUND` |

A change reads the message's partition, derives the new status, and writes the fact, the projection and any notification in
one transaction on condition that nobody wrote in between; losing that race means reading again. Which request of an
encounter is the newest, which is held, and who gets the next version is decided on the encounter's one item, in the
same transaction as the rows that it concerns. Status and due work are found through sharded indexes, so that no single
key takes all writes. Facts, what came in and what people did are found by time. Whatever is not needed for ever carries
`expires_at`, for DynamoDB's TTL; an encounter's own item does not, since a version that came again would be given the
id of an earlier message, and neither do its versions, by which later ones are kept in order.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from gpconnect_messaging.conflicts import past_transactions
from gpconnect_messaging.ledger.lifecycle import (
    EventType,
    LedgerEvent,
    MessageHistory,
    NotificationType,
    Status,
    Timeouts,
    due_at,
    occasions_due,
    release_started,
    superseded,
    waits_no_longer,
    withdrawal,
    withdrawn,
)
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
from gpconnect_messaging.requests.identity import REGISTERED_PRACTICE, EncounterIdentifiers

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

UNMATCHED = "UNMATCHED"
"""Where the index by status has what came in without a message of ours."""
# MESH deletes a message after 30 days; DynamoDB removes the count of its tries some time later.
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
"""A message, and which notifications it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What recording a fact did: the message as it is now, its status before, and the notifications that it raised.

    `recorded` is False where the fact was known already, so that of two who do the same only one has done it.
    """

    record: MessageRecord
    before: Status | None
    recorded: bool = True
    notifications: tuple[Notification, ...] = ()


class _Projection(dict[str, Any]):
    """How to write a message's item, beside the message as it will be and the facts that are new."""

    def __init__(self, put: Item, record: MessageRecord, events: tuple[LedgerEvent, ...]) -> None:
        super().__init__(put)
        self.record = record
        self.events = events


class Ledger(LedgerTable):
    """The store. All its methods may raise botocore's ClientError for faults of DynamoDB itself.

    `watch` is told of every message that a change was written of, by whichever method, and of the facts that were new.
    """

    def __init__(
        self,
        client: "DynamoDBClient",
        table: str,
        patience: Timeouts,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        kept_for: timedelta | None = None,
        watch: Callable[[MessageRecord, Sequence[LedgerEvent]], None] = lambda _record, _facts: None,
    ) -> None:
        super().__init__(client, table, now, kept_for)
        self._patience = patience
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
        """Give a request its encounter's next version, once; a repeat gets back what the first call gave.

        A held request that it is newer than is superseded with it. None where the encounter has a newer request, or
        holds this one, since another builder came first: see `place`. `content` is recorded with it, on condition that
        nothing else was taken in under its key since it was read.

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
        """Store a request that becomes no message now: held, or not required. A repeat returns what is there.

        It takes the place of the held one that it is newer than. One that is older than the encounter's newest is
        superseded itself (GPCM-SD-CS-076); where it arrived later, a person is notified. `content` is as in `claim`.

        Raises LedgerBusyError when other requests for the same encounter kept winning.
        """
        for _ in self._tries():
            if known := self.find(record.message_id):
                return Change(record=known, before=known.status, recorded=False)
            before, placed = self.encounter(record.encounter_key), record
            puts: list[Item] = []
            if (precedence := asked.beside(before.newest)) is not Precedence.NEWER:
                event = superseded(
                    at=self._now(), by_request_id=before.newest_request_id,
                    arrived_later=precedence is Precedence.LATER_BUT_OLDER,
                )  # fmt: skip
                placed = replace(record, history=record.history.with_event(event))
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
            notifications = self._notifications_raised(placed, frozenset())
            if self._write([*self._puts(placed, placed.history.events, notifications), *puts]):
                return Change(record=replace(placed, revision=1), before=None, notifications=notifications)
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
        """Give a held request its encounter's next version, once; None where it is not held any more.

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
                return self.find_claim(request_id)  # another builder may have had it since we looked
            record, told = found
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
            if self._write([*puts, *self._puts_with(record, event, told)[1]]):
                return claim
        raise LedgerBusyError("the encounter's requests changed on every try")

    def withdraw(
        self,
        record: MessageRecord,
        asked: RequestTimes,
        warn: Callable[[Sequence[MessageRecord]], str],
        content: DropContent | None = None,
    ) -> Change:
        """Store a withdrawal: stop what is held and what MESH does not have, and name what was sent (GPCM-SD-CS-077).

        `warn` is given the messages that the practice has or may have, newest first, and returns where the warning of
        them is kept. A withdrawal that is older than the encounter's newest request is superseded by it, and told.

        A version that was given and that no builder has stored is stopped, too: the builder finds it withdrawn.
        `content` is as in `claim`.

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
                sent=[each.message_id for each in sent],
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
        """Find what a withdrawal stops, what it comes too late for (newest first), and how to write the former."""
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
                    # It may have arrived, and must not go again.
                    case Status.BUILT | Status.SENDING | Status.UNCERTAIN:
                        stop(found)
                        sent.append(found[0])
                    case Status.WITHDRAWN:
                        pass  # nobody has it, or an earlier withdrawal named it
                    case Status.REFUSED | Status.UNDELIVERED if found[0].history.unreported_copies <= 0:
                        pass  # nobody has it
                    case Status.SUPERSEDED if not found[0].history.may_have_arrived:
                        pass
                    case _:
                        sent.append(found[0])
        return stopped, sent, puts

    def _messages_of(self, record: MessageRecord, number: int) -> Iterator[_Found]:
        """Give a version's messages in a record's encounter; one that no builder has stored as if it had just been."""
        version = self.find_version(record.encounter_key, number)
        for message_id in version.message_ids if version else ():
            if found := self._find_with_notifications(message_id):
                yield found
            elif version and not self._was_refused(version):
                yield self._not_stored(record, version, message_id)

    def _not_stored(self, sibling: MessageRecord, version: Version, message_id: str) -> _Found:
        """Make the row of a claimed message that no builder has stored: who writes first decides what becomes of it."""
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
        """Say whether the version before this one has left for the same recipient, or never will.

        Versions of one encounter must not overtake each other; by induction the nearest earlier one is enough.
        """
        return next(self._not_left_before(record), None) is None

    def _not_left_before(self, record: MessageRecord) -> Iterator[_Found]:
        """Give the earlier versions for the same recipient that may still leave, nearest first, until one that has."""
        for number in range(record.version - 1, 0, -1):
            version = self.find_version(record.encounter_key, number)
            own = version.message_for(record.recipient) if version else None
            if version is None or own is None:
                continue  # that version did not go to this recipient
            found = self._find_with_notifications(own)
            if found is None:
                if not self._was_refused(version):
                    yield self._not_stored(record, version, own)
            elif found[0].status in {Status.BUILT, Status.SENDING, Status.UNCERTAIN}:
                yield found
            elif found[0].status not in {Status.WITHDRAWN, Status.SUPERSEDED}:
                return

    def skip_earlier_versions(self, message_id: str, *, at: datetime, actor: str, reason: str) -> Change | None:
        """Give up the earlier versions that a message waits for, and never send them, so that it can go.

        None, with nothing written, where it waits for none, or where one of them is being sent just now.

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
            for record, told in waits_for:
                puts += self._puts_with(record, given_up, told)[1]
            if self._write(puts):
                return Change(record=changed, before=found[0].status, notifications=notifications)
        raise LedgerBusyError("the encounter's messages changed on every try")

    def _was_refused(self, version: Version) -> bool:
        request = self.find(version.request_id)
        return request is not None and request.status is Status.INVALID

    def encounter(self, key: str) -> Encounter:
        """Read where an encounter stands; one that nothing was asked for stands at its beginning."""
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
        """Find who has a version of an encounter; None for one that was not given yet."""
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
        """Find where a request's documents are; None where that is not known."""
        item = self._get(f"REQUEST#{request_id}", "ORIGIN") or self._get(f"REQUEST#{request_id}", "REQUEST")
        return read_origin(item) if item else None

    def find_content(self, s3_object: str) -> DropContent | None:
        """Find what was last taken in under a key of the drop; None under a key that is new."""
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
        """Find the order by which a request is taken in again under this id; None where nobody gave it."""
        item = self._get(f"REQUEST#{request_id}", "ORDER")
        return as_order(request_id, item) if item else None

    def find_claim(self, request_id: str) -> Claim | None:
        """Find what a request was given before; None for one that is new."""
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
        """Store a new message with its first facts; a repeat changes nothing and returns what is there."""
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
        """Add a fact to a message; known facts change nothing.

        Returns None, with nothing written, where the message is unknown or, at the moment of writing, `only_if` does
        not hold of its history or, with `while_newest`, its request is not the encounter's newest.

        Raises LedgerBusyError when others kept changing the message.
        """
        for _ in self._tries():
            found = self._find_with_notifications(message_id)
            if found is None:
                return None
            record, told = found
            if event.identity in record.history.identities:
                return Change(record=record, before=record.status, recorded=False)
            if not only_if(record.history):
                return None
            changed, puts, notifications = self._puts_with(record, event, told)
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
        """Read a message and all its facts; None if there is none."""
        found = self._find_with_notifications(message_id)
        return found[0] if found else None

    def find_by_mesh_message_id(self, mesh_message_id: str) -> MessageRecord | None:
        """Find our message by the id that MESH gave one of its uploads."""
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
        """List the ids of the messages that the sweep must look at, and the status of each as the index has it."""
        return {item["message_id"]: Status(item["status"]) for item in self._due("message", now)}

    def due_notifications(self, now: datetime) -> list[Notification]:
        """List the notifications that were raised and not yet told."""
        return [as_notification(item) for item in self._due("notice", now)]

    def take_notification(self, notification: Notification) -> bool:
        """Take the right to tell a notification, for a minute; False where somebody has it, or it was told."""
        now = self._now()
        return self._update(
            *notification_place(notification),
            "SET due_at = :until",
            "attribute_not_exists(told_at) AND attribute_exists(due_shard) AND due_at <= :now",
            {":until": _text(now + NOTICE_LEASE), ":now": _text(now)},
        )

    def notification_told(self, notification: Notification) -> None:
        """Record, once, that a notification was published; until somebody acknowledges it, its escalation is due now.

        Whoever was held up in telling it, and records that after another did, changes nothing.
        """
        place, now = notification_place(notification), _text(self._now())
        escalation = {":shard": f"escalation#{_shard(notification.subject_key)}"}
        if not self._update(
            *place,
            "SET told_at = :now, due_shard = :shard, due_at = :now",
            "attribute_not_exists(acknowledged_at) AND attribute_not_exists(told_at)",
            {":now": now, **escalation},
        ):
            self._update(
                *place, "SET told_at = :now REMOVE due_shard, due_at", "attribute_not_exists(told_at)", {":now": now}
            )

    def received(self, received: Received, unmatched_because: str | None = None) -> tuple[Notification, ...]:
        """Record what came in; where it belongs to no message of ours, raise a notification with the reason.

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
        """Find what is known of one incoming MESH message."""
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
        """Note that a message is being taken in beside others; return how often that was begun, and it was tried alone.

        A process that is killed leaves the note of every message that it had begun. None of them is blamed for it: each
        is tried alone the next time, and only that try counts.
        """
        return self._count_tries(mailbox, mesh_message_id, begun=1)

    def try_received(self, mailbox: str, mesh_message_id: str) -> int:
        """Count one more try to take a message in alone, before it is made; return how many that makes."""
        return self._count_tries(mailbox, mesh_message_id, alone=1).alone

    def forget_try(self, mailbox: str, mesh_message_id: str, *, alone: bool) -> None:
        """Take back a try that ended for a reason that is not the message's."""
        self._count_tries(mailbox, mesh_message_id, **({"alone": -1} if alone else {"begun": -1}))

    def begin_request(self, request_id: str) -> int:
        """Note that an attempt at a request begins; return how many began and did not end, this one included."""
        return self._count_attempts(request_id, 1)

    def end_request(self, request_id: str) -> None:
        """Note that an attempt at a request ended, well or not: its process was not killed."""
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

    def release_set_aside(self, mailbox: str, mesh_message_id: str) -> bool:
        """Let the next poll take in a message that was set aside; False where it was not.

        Its tries and its notification are forgotten, so that a person is told again if it is set aside again. Only an
        operator may do this: the functions' roles delete nothing.
        """
        key = f"RECEIVED#{mailbox}#{mesh_message_id}"
        released, *forgotten = (
            {"TableName": self._table, "Key": _item({"pk": key, "sk": sort})}
            for sort in ("RECEIVED", "TRIES", f"NOTICE#{NotificationType.UNMATCHED.value}")
        )
        released |= {
            "ConditionExpression": "outcome = :set_aside",
            "ExpressionAttributeValues": _item({":set_aside": QUARANTINED}),
        }
        return self._write([{"Delete": each} for each in (released, *forgotten)])

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
        counted = _plain(answer["Attributes"])
        return Tries(begun=int(counted["begun"]), alone=int(counted["tries"]))

    def take_mailbox(self, mailbox: str, holder: str, lease: timedelta) -> bool:
        """Take the right to poll a mailbox until the lease ends; False where another holds it."""
        now = self._now()
        item = {"pk": f"MAILBOX#{mailbox}", "sk": "LEASE", "holder": holder, "until": _text(now + lease)}
        return self._put_lease(item, "attribute_not_exists(pk) OR #until <= :now", {":now": _text(now)})

    def leave_mailbox(self, mailbox: str, holder: str) -> None:
        """Give the mailbox back before the lease ends; nothing happens where another has taken it since."""
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
        told: set[tuple[NotificationType, str]] = set()
        for item in self._partition(f"MESSAGE#{message_id}"):
            if item["sk"] == "MESSAGE":
                summary = item
            elif item["sk"].startswith("EVENT#"):
                events.append(_ledger_event(item))
            elif item["sk"].startswith("NOTICE#"):
                told.add((NotificationType(item["kind"]), item.get("occasion", "")))
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
        return record, frozenset(told)

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
        self, record: MessageRecord, event: LedgerEvent, told: _Raised
    ) -> tuple[MessageRecord, list[Item], tuple[Notification, ...]]:
        """Add a fact to what was read: the message as it will be, how to write it, and the notifications that it raises."""
        changed = replace(record, history=record.history.with_event(event))
        notifications = self._notifications_raised(changed, told)
        return (
            replace(changed, revision=record.revision + 1),
            self._puts(changed, [event], notifications),
            notifications,
        )

    def _superseded(self, encounter: Encounter, by_request_id: str, by: RequestTimes) -> list[Item]:
        """How to write that a newer request took the held one's place, if it is still held.

        Where the held one arrived later, a person is notified: events come in any order.
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
        claimed = {
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
        version = {
            "pk": f"ENCOUNTER#{encounter.key}",
            "sk": f"VERSION#{claim.version}",
            "request_id": claim.request_id,
            "message_ids": message_ids,
            "recipients": list(recipients),
        }
        return [self._put(claimed, "attribute_not_exists(pk)"), self._put(version, "attribute_not_exists(pk)")]

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
            named = {"pk": beginning(record.message_id), "sk": record.message_id}
            puts.append(self._put(named | self._expiry(self._now())))
        for event in events:
            kept = {} if record.legal_hold else self._expiry(event.at)
            puts.append(self._put(_event(record, event) | kept, "attribute_not_exists(pk)"))
            if event.kind is EventType.UPLOAD_ACCEPTED:
                pointer = {"pk": f"MESH#{event.details['mesh_message_id']}", "sk": "MESH"}
                puts.append(self._put(pointer | {"message_id": record.message_id} | kept))
        return [
            *puts,
            *(self._put_notification(notification, held=record.legal_hold) for notification in notifications),
        ]


def _explanation(history: MessageHistory, kind: NotificationType, occasion: str) -> dict[str, str]:
    """Pick the details that a notification of this kind needs; they do not grow with what others send."""
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
            found = history.of(EventType.DIFFERS)[-1].details
            details = {"fields": ", ".join(found["fields"]), "evidence_key": found["comparison"]}
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
            found = history.of(EventType.WITHDRAWAL)[0].details
            details = {"warning_key": found["warning_key"], "sent": ", ".join(found["sent"])}
        case NotificationType.SENT_ALTHOUGH_WITHDRAWN:
            details = dict(history.of(EventType.WITHDRAWN)[0].details)
        case NotificationType.SUSPICIOUS:
            response = next(event for event in history.suspicious if event.details["mesh_message_id"] == occasion)
            details = {"response": _source(response)}
    return {name: str(value) for name, value in details.items()}


def _source(response: LedgerEvent) -> str:
    """Say where a response came from; what is no code is not repeated, since its sender chose the words."""
    mailbox, organisation = response.details["from_mailbox"], response.details["from_organisation"]
    return (
        f"{response.details['mesh_message_id']} from mailbox {quoted(mailbox_id(mailbox), mailbox)}, "
        f"organisation {quoted(ods_code(organisation), organisation)}"
    )


def _practice(history: MessageHistory) -> dict[str, str]:
    """Name the patient's practice for whoever has to ring it, and say whether PDS knows the patient to have died.

    By code alone: the practice's name is the request's word, whoever gave the code.
    """
    known = history.registration
    code = ods_code(known.get("ods_code"))
    if not code:
        return {}
    return {"practice": f"{code} (says {known['source']})"} | (
        {"deceased": "PDS knows that the patient has died"} if known.get("deceased") else {}
    )


def _event(record: MessageRecord, event: LedgerEvent) -> Item:
    """Write a fact, so that it can be read as an audit event by itself: what, who, when, and the message's hash."""
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
