"""Redrive: what ended in a dead-letter queue goes back to the queue that it came from, all of it or what is chosen.

Each message is received, put on its source queue, and only then deleted here. A crash in between leaves it in both,
and one that was received and not put comes back by itself: what is taken twice is done once, for every identity is ours
and none is SQS's (docs/adr/0022). With it goes when it was first queued, so that an old request does not pass for a
new one.

Looking hides the messages from others for the time that it takes, and consumes nothing.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from gpconnect_messaging.ledger.audit import AuditTrail
from gpconnect_messaging.ledger.lifecycle import Status
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.operators import checked_actor, checked_reason
from gpconnect_messaging.queues import QUEUED_AT, first_queued, queue_url
from gpconnect_messaging.replay.rate_limiter import RateLimiter
from gpconnect_messaging.requests.identity import Identifiers
from gpconnect_messaging.requests.senders import sender_of_queue

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MOST_LOOKED_AT = 1_000
"""How many messages one look takes at most."""

_PAGE = 10
_HIDDEN_SECONDS = 120
"""How long a look, or a redrive's step, may have a message to itself."""
_LONGEST_HIDDEN_SECONDS = 43_200
_ID = re.compile(r"[0-9a-f-]{36}")
_ERROR_CODE = "ERROR_CODE"
"""The attribute in which EventBridge says why a dead letter of its own is one."""


class Lane(StrEnum):
    """Which way the dead letters were going."""

    INTAKE = "intake"
    SEND = "send"


class Kind(StrEnum):
    """What a dead letter is about."""

    DROPPED = "a dropped request"
    QUEUED = "a request from the queue"
    HELD = "a held request whose time had come"
    ORDERED = "a request to be taken in again"
    MESSAGE = "a message to be sent"
    CANARY = "a canary"
    UNREADABLE = "not readable"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One message of a dead-letter queue. It holds nothing personal: of its body, only ids of ours.

    `id` is SQS's own, by which it can be chosen while it is there. `subject` is the request's or message's id; None
    where it has none that we could read. `status` is the ledger's word about it; None where the ledger has nothing.
    """

    id: str
    kind: Kind
    subject: str | None
    queued_at: datetime
    """When it was first queued (UTC)."""
    receives: int
    mailbox: str | None = None
    status: Status | None = None
    error: str | None = None
    """What EventBridge says, where it could not put it on the queue at all."""
    moves: bool = True
    why: str = ""
    """What becomes of it when it is moved, or why it is left and what to do instead."""
    moved: bool = False


@dataclass(frozen=True, slots=True)
class _Held:
    """A received message, as SQS has it."""

    handle: str
    body: str
    group: str | None
    source: str | None
    """ARN of the queue that SQS moved it from; None for what EventBridge put here itself."""
    attributes: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Redrive:
    """One dead-letter queue and the queue that it came from: the intake's, or the sender function's.

    What came on a sending system's own queue goes back there: on another it would be no sender's.
    """

    lane: Lane
    sqs: "SQSClient"
    dead_letters_url: str
    queue_url: str
    ledger: Ledger
    trail: AuditTrail
    identifiers: Callable[[], Identifiers]
    """Asked only where a dead letter is a request that has no id of ours yet."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def look(self, most: int = MOST_LOOKED_AT) -> list[DeadLetter]:
        """List what is there, the longest-standing first, and what would become of each; nothing is consumed."""
        found = list(self._receive(most))
        try:
            return sorted((letter for letter, _ in found), key=lambda letter: letter.queued_at)
        finally:
            for _, held in found:
                self._put_back(held)

    def run(
        self, *, actor: str, reason: str, pace: RateLimiter, chosen: Collection[str] | None = None
    ) -> Iterator[DeadLetter]:
        """Move what can be moved, all of it or the chosen ones (by `id` or `subject`); say of each what was done.

        What is left stays where it is. `reason` is kept in the audit trail, and must name no patient. Raises
        ActorError, ReasonError; ClientError breaks it off: the same call goes on with what is left.
        """
        checked_actor(actor)
        reason = checked_reason(reason)
        left: list[_Held] = []
        moved: set[str | None] = set()
        try:
            for letter, held in self._receive(hidden=_HIDDEN_SECONDS + int(_PAGE / pace.per_second)):
                wanted = chosen is None or letter.id in chosen or letter.subject in chosen
                if letter.subject in moved:  # twice there, or back already: once is enough for one run
                    left.append(held)
                    continue
                if not (wanted and letter.moves):
                    left.append(held)
                    if wanted:
                        yield letter
                    continue
                pace.wait()
                self._move(letter, held, actor, reason)
                moved.add(letter.subject)
                yield replace(letter, moved=True)
        finally:
            for held in left:
                self._put_back(held)

    def _move(self, letter: DeadLetter, held: _Held, actor: str, reason: str) -> None:
        # Told first: what was moved and never recorded nobody could explain.
        self.trail.record(
            actor, "redrive", at=self.now(), message_id=letter.subject, mailbox=letter.mailbox,
            details={"dead_letter": letter.id, "kind": letter.kind.value, "reason": reason},
        )  # fmt: skip
        # A sender's own attributes are nothing to the builder.
        first: Any = {QUEUED_AT: {"DataType": "String", "StringValue": letter.queued_at.isoformat()}}
        # Fairness between mailboxes: see queues.
        group: dict[str, Any] = {"MessageGroupId": held.group} if held.group else {}
        queue = self.queue_url
        if held.source and sender_of_queue(held.source):
            queue = queue_url(queue, held.source)
        self.sqs.send_message(QueueUrl=queue, MessageBody=held.body, MessageAttributes=first, **group)
        self.sqs.delete_message(QueueUrl=self.dead_letters_url, ReceiptHandle=held.handle)

    def _put_back(self, held: _Held) -> None:
        with suppress(ClientError):  # it comes back by itself, only later
            self.sqs.change_message_visibility(
                QueueUrl=self.dead_letters_url, ReceiptHandle=held.handle, VisibilityTimeout=0
            )

    def _receive(self, most: int | None = None, *, hidden: int = _HIDDEN_SECONDS) -> Iterator[tuple[DeadLetter, _Held]]:
        """Receive until nothing more comes, each message once; each is hidden from others for so many seconds."""
        seen: set[str] = set()
        while most is None or len(seen) < most:
            answer = self.sqs.receive_message(
                QueueUrl=self.dead_letters_url,
                MaxNumberOfMessages=_PAGE if most is None else min(_PAGE, most - len(seen)),
                VisibilityTimeout=min(hidden, _LONGEST_HIDDEN_SECONDS),
                # Long: a short poll asks some of SQS's servers only, and may find none although there are some.
                WaitTimeSeconds=1,
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
            if not answer.get("Messages"):
                return
            for each in answer["Messages"]:
                if each["MessageId"] in seen:
                    continue  # its time was over; it is hidden anew
                seen.add(each["MessageId"])
                attributes: Any = each.get("Attributes", {})
                held = _Held(
                    handle=each["ReceiptHandle"],
                    body=each["Body"],
                    group=attributes.get("MessageGroupId"),
                    source=attributes.get("DeadLetterQueueSourceArn"),
                    attributes=each.get("MessageAttributes", {}),
                )
                letter = DeadLetter(
                    id=each["MessageId"],
                    kind=Kind.UNREADABLE,
                    subject=None,
                    queued_at=first_queued(attributes.get("SentTimestamp"), _text(held, QUEUED_AT)),
                    receives=int(attributes.get("ApproximateReceiveCount", 0)),
                    error=_text(held, _ERROR_CODE),
                )
                yield self._known(self._read(letter, held.body, sender_of_queue(held.source or ""))), held

    def _read(self, letter: DeadLetter, body: str, queue_of: str) -> DeadLetter:
        """Say what a body is about; every body of the intake queue is one that the builder has an answer to."""
        if queue_of:
            subject = str(self.identifiers().queued_request_id(body.encode(), queue_of))
            return replace(letter, kind=Kind.QUEUED, subject=subject)
        try:
            parsed = json.loads(body)
        except (ValueError, RecursionError):
            parsed = None
        if self.lane is Lane.SEND:
            match parsed:
                case {"message_id": str(message_id)} if _ID.fullmatch(message_id):
                    return replace(letter, kind=Kind.MESSAGE, subject=message_id)
                case {"canary": str()}:
                    return replace(letter, kind=Kind.CANARY)
            return letter
        match parsed:
            case {"kind": "canary", "canary": str(), **others} if not others:
                return replace(letter, kind=Kind.CANARY)
            case {"release": str(request_id), **others} if not others and _ID.fullmatch(request_id):
                return replace(letter, kind=Kind.HELD, subject=request_id)
            case {"again": str(request_id), **others} if not others and _ID.fullmatch(request_id):
                return replace(letter, kind=Kind.ORDERED, subject=request_id)
            case {"source": "aws.s3", "detail": {"bucket": {"name": str(bucket)}, "object": {"key": str(key), **more}}}:
                return replace(letter, kind=Kind.DROPPED, subject=self._dropped(bucket, key, more))
        return replace(letter, kind=Kind.QUEUED, subject=str(self.identifiers().queued_request_id(body.encode())))

    def _dropped(self, bucket: str, key: str, more: Mapping[Any, Any]) -> str:
        return str(self.identifiers().dropped_request_id(bucket, key, str(more.get("version-id", ""))))

    def _known(self, letter: DeadLetter) -> DeadLetter:
        """Say what the ledger has of it, and what becomes of it on its queue."""
        record = self.ledger.find(letter.subject) if letter.subject else None
        if record:
            letter = replace(letter, mailbox=record.mailbox, status=record.status)
        match letter.kind:
            case Kind.CANARY:
                return _stays(
                    letter, "It has no patient, and its time is over: newer ones show whether the way is free."
                )
            case Kind.UNREADABLE:
                return _stays(letter, "It names no message, and would come back: find out who put it there.")
            case Kind.MESSAGE | Kind.HELD if record is None:
                return _stays(
                    letter, "The ledger has nothing of this id, so it would come back: find out who put it there."
                )
            case Kind.ORDERED if letter.subject and self.ledger.find_order(letter.subject) is None:
                return _stays(letter, "Nobody ordered it, so it would come back: find out who put it there.")
            case Kind.MESSAGE if letter.status in (Status.BUILT, Status.UNCERTAIN):
                return replace(letter, why="The sender sends it, when any wait of its own is over.")
            case Kind.HELD if letter.status in (Status.HELD, Status.RELEASING):
                return replace(letter, why="The builder builds it, if its time has come.")
            case _ if record:
                return replace(letter, why=f"It is {record.status} already: nothing more is done.")
        if letter.subject and self.ledger.find_claim(letter.subject):
            return replace(letter, why="It has its version: the builder finishes its messages, or finds them.")
        return replace(letter, why="It is taken in, as of when it first came.")


def _stays(letter: DeadLetter, why: str) -> DeadLetter:
    return replace(letter, moves=False, why=why)


def _text(held: _Held, name: str) -> str | None:
    found: str | None = held.attributes.get(name, {}).get("StringValue")
    return found
