"""The ledger in DynamoDB: one table, every change one conditional transaction.

| item | pk | sk |
|---|---|---|
| message (a projection of its facts) | `MESSAGE#{message id}` | `MESSAGE` |
| fact, append-only | the message's | `EVENT#{identity}` |
| notice | its subject's | `NOTICE#{kind}` |
| claim of a request | `REQUEST#{request id}` | `REQUEST` |
| last version of an encounter | `ENCOUNTER#{encounter key}` | `ENCOUNTER` |
| MESH's id of a message of ours | `MESH#{MESH message id}` | `MESH` |
| which mailbox a MESH message came to | the same | `RECEIVED` |
| what came in | `RECEIVED#{mailbox}#{MESH message id}` | `RECEIVED` |
| how often it was tried to take it in | the same | `TRIES` |
| who polls a mailbox | `MAILBOX#{mailbox}` | `LEASE` |
| what a person did (`ledger.audit`) | the message's, or `AUDIT#{day}` | `AUDIT#{time}#{hash}` |
| a day's balance (`ledger.balances`) | `BALANCE#{day}` | `BALANCE` |

A change reads the message's partition, derives the new status, and writes the fact, the projection and any notice in
one transaction on condition that nobody wrote in between; losing that race means reading again. Status and due work
are found through sharded indexes, so that no single key takes all writes. Facts, what came in and what people did are
found by time. Whatever is not needed for ever carries `expires_at`, for DynamoDB's TTL; an encounter's counter does
not, since a version that came again would be given the id of an earlier message.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from gpconnect_messaging.ledger.lifecycle import (
    Fact,
    FactKind,
    History,
    NoticeKind,
    Patience,
    Status,
    due_at,
    notices_due,
)
from gpconnect_messaging.ledger.records import Claim, MessageRecord, Notice, Received
from gpconnect_messaging.ledger.table import SHARDS, Item, LedgerBusyError, LedgerTable, as_notice, in_time
from gpconnect_messaging.ledger.table import item as _item
from gpconnect_messaging.ledger.table import plain as _plain
from gpconnect_messaging.ledger.table import shard as _shard
from gpconnect_messaging.ledger.table import text as _text
from gpconnect_messaging.ledger.table import time as _time
from gpconnect_messaging.requests.identity import REGISTERED_PRACTICE, encounter_key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_NOTICE_LEASE_SECONDS = 60
UNMATCHED = "UNMATCHED"
"""Where the index by status has what came in without a message of ours."""
# MESH deletes a message after 30 days; DynamoDB removes the count of its tries some time later.
_TRIES_KEPT = timedelta(days=40)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What recording a fact did: the message as it is now, its status before, and the notices that it raised.

    `recorded` is False where the fact was known already, so that of two who do the same only one has done it.
    """

    record: MessageRecord
    before: Status | None
    recorded: bool = True
    notices: tuple[Notice, ...] = ()


class Ledger(LedgerTable):
    """The store. All its methods may raise botocore's ClientError for faults of DynamoDB itself."""

    def __init__(
        self,
        client: "DynamoDBClient",
        table: str,
        patience: Patience,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        kept_for: timedelta | None = None,
    ) -> None:
        super().__init__(client, table, now, kept_for)
        self._patience = patience

    def claim(
        self,
        request_id: str,
        mailbox: str,
        encounter: str,
        document_versions: tuple[str, ...],
        created_at: datetime,
    ) -> Claim:
        """Give a request its encounter's next version, once; a repeat gets back what the first call gave.

        Raises LedgerBusyError when other requests for the same encounter kept winning.
        """
        key = encounter_key(mailbox, encounter)
        for _ in self._tries():
            if known := self.find_claim(request_id):
                return known
            last = int((self._get(f"ENCOUNTER#{key}", "ENCOUNTER") or {"version": 0})["version"])
            claim = Claim(
                request_id=request_id,
                version=last + 1,
                created_at=created_at,
                document_versions=document_versions,
            )
            counted = {"pk": f"ENCOUNTER#{key}", "sk": "ENCOUNTER", "version": claim.version}
            claimed = {
                "pk": f"REQUEST#{request_id}",
                "sk": "REQUEST",
                "version": claim.version,
                "created_at": _text(claim.created_at),
                "document_versions": list(claim.document_versions),
                **self._expiry(self._now()),
            }
            if self._write(
                [self._put(claimed, "attribute_not_exists(pk)"), self._put_if(counted, "version", last or None)]
            ):
                return claim
        raise LedgerBusyError("the encounter's versions changed on every try")

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
        )

    def create(self, record: MessageRecord) -> Change:
        """Store a new message with its first facts; a repeat changes nothing and returns what is there."""
        for _ in self._tries():
            if known := self.find(record.message_id):
                return Change(record=known, before=known.status, recorded=False)
            notices = self._notices_raised(record, frozenset())
            if self._write(self._puts(record, record.history.facts, notices)):
                return Change(record=replace(record, revision=1), before=None, notices=notices)
        raise LedgerBusyError("the message changed on every try")

    def record(
        self, message_id: str, fact: Fact, *, only_if: Callable[[History], bool] = lambda _: True
    ) -> Change | None:
        """Add a fact to a message; known facts change nothing.

        Returns None, with nothing written, where the message is unknown or `only_if` does not hold of its history at
        the moment of writing.

        Raises LedgerBusyError when others kept changing the message.
        """
        for _ in self._tries():
            found = self._find_with_notices(message_id)
            if found is None:
                return None
            record, told = found
            if fact.identity in record.history.identities:
                return Change(record=record, before=record.status, recorded=False)
            if not only_if(record.history):
                return None
            changed = replace(record, history=record.history.with_fact(fact))
            notices = self._notices_raised(changed, told)
            if self._write(self._puts(changed, [fact], notices)):
                return Change(
                    record=replace(changed, revision=record.revision + 1), before=record.status, notices=notices
                )
        raise LedgerBusyError("the message changed on every try")

    def find(self, message_id: str) -> MessageRecord | None:
        """Read a message and all its facts; None if there is none."""
        found = self._find_with_notices(message_id)
        return found[0] if found else None

    def find_by_mesh_message_id(self, mesh_message_id: str) -> MessageRecord | None:
        """Find our message by the id that MESH gave one of its uploads."""
        pointer = self._get(f"MESH#{mesh_message_id}", "MESH")
        return self.find(pointer["message_id"]) if pointer else None

    def find_by_encounter(self, mailbox: str, encounter: str) -> list[MessageRecord]:
        """Find the messages of an encounter, oldest version first."""
        ids = self._query_index("by_encounter", "encounter_key", encounter_key(mailbox, encounter))
        return sorted(self._load(ids), key=lambda record: record.version)

    def find_by_status(self, status: Status) -> list[MessageRecord]:
        """Find the messages in a status, longest-standing first."""
        shards = (f"{status.value}#{shard}" for shard in range(SHARDS))
        return list(
            self._load(item for each in shards for item in self._query_index("by_status", "status_shard", each))
        )

    def due_messages(self, now: datetime) -> list[str]:
        """List the ids of the messages that the sweep must look at."""
        return [item["message_id"] for item in self._due("message", now)]

    def due_notices(self, now: datetime) -> list[Notice]:
        """List the notices that were raised and not yet told."""
        return [as_notice(item) for item in self._due("notice", now)]

    def take_notice(self, notice: Notice) -> bool:
        """Take the right to tell a notice, for a minute; False where somebody has it, or it was told."""
        until = self._now() + timedelta(seconds=_NOTICE_LEASE_SECONDS)
        return self._update(
            notice.subject_key,
            f"NOTICE#{notice.kind.value}",
            "SET due_at = :until",
            "attribute_not_exists(told_at) AND attribute_exists(due_shard) AND due_at <= :now",
            {":until": _text(until), ":now": _text(self._now())},
        )

    def notice_told(self, notice: Notice) -> None:
        """Record that a notice was published; until somebody acknowledges it, its escalation is due now."""
        now, sk = _text(self._now()), f"NOTICE#{notice.kind.value}"
        escalation = {":shard": f"escalation#{_shard(notice.subject_key)}"}
        if not self._update(
            notice.subject_key,
            sk,
            "SET told_at = :now, due_shard = :shard, due_at = :now",
            "attribute_not_exists(acknowledged_at)",
            {":now": now, **escalation},
        ):
            self._update(notice.subject_key, sk, "SET told_at = :now REMOVE due_shard, due_at", None, {":now": now})

    def received(self, received: Received, unmatched_because: str | None = None) -> tuple[Notice, ...]:
        """Record what came in; where it belongs to no message of ours, raise a notice with the reason.

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
        notices: tuple[Notice, ...] = ()
        if unmatched_because is not None:
            item |= {"status_shard": f"{UNMATCHED}#{_shard(key)}", "changed_at": _text(received.at)}
            facts = {
                "mailbox": received.mailbox,
                "mesh_message_id": received.mesh_message_id,
                "evidence_key": received.evidence_key,
                "reason": unmatched_because,
            }
            notices = (Notice(subject_key=key, kind=NoticeKind.UNMATCHED, raised_at=received.at, facts=facts),)
        puts = [
            self._put(item, "attribute_not_exists(pk)"),
            self._put(pointer),
            *(self._put_notice(notice) for notice in notices),
        ]
        return notices if self._write(puts) else ()

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

    def try_received(self, mailbox: str, mesh_message_id: str) -> int:
        """Count one more try to take a message in, before it is made; return how many that makes."""
        return self._count_tries(mailbox, mesh_message_id, 1)

    def forget_try(self, mailbox: str, mesh_message_id: str) -> None:
        """Take back a counted try that failed for a reason that is not the message's."""
        self._count_tries(mailbox, mesh_message_id, -1)

    def _count_tries(self, mailbox: str, mesh_message_id: str, number: int) -> int:
        expires = self._now() + _TRIES_KEPT
        answer = self._client.update_item(
            TableName=self._table,
            Key=_item({"pk": f"RECEIVED#{mailbox}#{mesh_message_id}", "sk": "TRIES"}),
            UpdateExpression="SET expires_at = :expires ADD tries :number",
            ExpressionAttributeValues=_item({":number": number, ":expires": int(expires.timestamp())}),
            ReturnValues="UPDATED_NEW",
        )
        return int(_plain(answer["Attributes"])["tries"])

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
            self._client.put_item(
                TableName=self._table,
                Item=_item(item),
                ConditionExpression=condition,
                ExpressionAttributeNames={"#until": "until"},
                ExpressionAttributeValues=_item(values),
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

    def _find_with_notices(self, message_id: str) -> tuple[MessageRecord, frozenset[NoticeKind]] | None:
        summary: Item | None = None
        facts: list[Fact] = []
        told: set[NoticeKind] = set()
        for item in self._partition(f"MESSAGE#{message_id}"):
            if item["sk"] == "MESSAGE":
                summary = item
            elif item["sk"].startswith("EVENT#"):
                facts.append(_fact(item))
            elif item["sk"].startswith("NOTICE#"):
                told.add(NoticeKind(item["kind"]))
        if summary is None:
            return None
        record = MessageRecord(
            message_id=message_id,
            request_id=summary["request_id"],
            mailbox=summary["mailbox"],
            encounter=summary["encounter"],
            version=int(summary["version"]),
            recipient=summary.get("recipient", REGISTERED_PRACTICE),
            created_at=_time(summary["created_at"]),
            history=History(tuple(sorted(facts, key=lambda fact: fact.at))),
            revision=int(summary["revision"]),
            messages=int(summary.get("messages", 1)),
            legal_hold="legal_hold" in summary,
        )
        return record, frozenset(told)

    def _notices_raised(self, record: MessageRecord, known: frozenset[NoticeKind]) -> tuple[Notice, ...]:
        facts = {"message_id": record.message_id, "mailbox": record.mailbox, "status": record.status.value}
        return tuple(
            Notice(
                subject_key=f"MESSAGE#{record.message_id}", kind=kind, raised_at=self._now(),
                facts=facts | _explanation(record.history, kind),
            )
            for kind in sorted(notices_due(record.history) - known)
        )  # fmt: skip

    def _puts(self, record: MessageRecord, facts: Iterable[Fact], notices: Iterable[Notice]) -> list[Item]:
        history, shard = record.history, _shard(record.message_id)
        summary: Item = {
            "pk": f"MESSAGE#{record.message_id}",
            "sk": "MESSAGE",
            "message_id": record.message_id,
            "request_id": record.request_id,
            "mailbox": record.mailbox,
            "encounter": record.encounter,
            "encounter_key": encounter_key(record.mailbox, record.encounter),
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
            **({"legal_hold": True} if record.legal_hold else self._expiry(self._now())),
        }
        if (due := due_at(history, self._patience)) is not None:
            summary |= {"due_shard": f"message#{shard}", "due_at": _text(due)}
        puts = [self._put_if(summary, "revision", record.revision or None)]
        for fact in facts:
            kept = {} if record.legal_hold else self._expiry(fact.at)
            puts.append(self._put(_event(record, fact) | kept, "attribute_not_exists(pk)"))
            if fact.kind is FactKind.UPLOAD_ACCEPTED:
                pointer = {"pk": f"MESH#{fact.details['mesh_message_id']}", "sk": "MESH"}
                puts.append(self._put(pointer | {"message_id": record.message_id} | kept))
        return [*puts, *(self._put_notice(notice, held=record.legal_hold) for notice in notices)]


def _explanation(history: History, kind: NoticeKind) -> dict[str, str]:
    """Pick the details that a notice of this kind needs."""
    details: dict[str, Any] = {}
    match kind:
        case NoticeKind.INVALID:
            details = {"reasons": "\n".join(history.of(FactKind.REQUEST_REFUSED)[0].details["reasons"])}
        case NoticeKind.REFUSED:
            details = dict(history.of(FactKind.UPLOAD_REFUSED)[-1].details)
        case NoticeKind.UNRESOLVED:
            details = dict(history.of(FactKind.RECIPIENT_UNRESOLVED)[-1].details)
        case NoticeKind.VOIDED:
            details = dict(history.of(FactKind.VOIDED)[-1].details)
        case NoticeKind.UNDELIVERED:
            details = dict(history.of(FactKind.REPORT)[-1].details)
        case NoticeKind.REJECTED | NoticeKind.CONTRADICTION | NoticeKind.UNKNOWN_CODE:
            details = {"codes": ", ".join(sorted(str(fact.details["code"]) for fact in history.of(FactKind.RESPONSE)))}
        case NoticeKind.OVERDUE:
            details = {"missing": " and ".join(history.missing_acknowledgements)}
        case NoticeKind.STUCK:
            details = {"attempts": history.attempts}
    return {name: str(value) for name, value in details.items()}


def _event(record: MessageRecord, fact: Fact) -> Item:
    """Write a fact, so that it can be read as an audit event by itself: what, who, when, and the message's hash."""
    built = record.history.of(FactKind.BUILT)
    return {
        "pk": f"MESSAGE#{record.message_id}",
        "sk": f"EVENT#{fact.identity}",
        "kind": fact.kind.value,
        "source": fact.source,
        "details": json.dumps(fact.details, sort_keys=True),
        "message_id": record.message_id,
        "mailbox": record.mailbox,
        **({"sha256": built[0].details["sha256"]} if built else {}),
        **in_time(record.message_id + fact.identity, fact.at),
    }


def _fact(item: Item) -> Fact:
    return Fact(
        kind=FactKind(item["kind"]),
        identity=item["sk"].removeprefix("EVENT#"),
        at=_time(item["at"]),
        source=item["source"],
        details=json.loads(item["details"]),
    )
