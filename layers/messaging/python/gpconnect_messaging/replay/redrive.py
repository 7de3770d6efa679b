"""Redrive: puts all or some dead letters back on the queue that they came from.

A dead letter is received, put on the source queue, and only then deleted. A crash in between leaves it in both queues,
and a letter that was received and not put becomes visible again. Duplicates are processed once, since requests and
messages have ids that do not depend on SQS (docs/adr/0022). The time when a letter was first queued goes with it, so
that an old request is not taken for a new one.

Listing hides the letters from others for the time that it takes, and consumes nothing.
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

from gpconnect_messaging.derived_ids import Identifiers
from gpconnect_messaging.ledger.audit import AuditTrail
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.mailboxes.senders import sender_of_queue
from gpconnect_messaging.operators import checked_actor, checked_reason
from gpconnect_messaging.queues import QUEUED_AT, first_queued, queue_url
from gpconnect_messaging.replay.rate_limiter import RateLimiter

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MOST_LOOKED_AT = 1_000
"""How many dead letters `look` lists at most."""

_PAGE = 10
_HIDDEN_SECONDS = 120
"""Visibility timeout of a dead letter while it is listed or moved."""
_LONGEST_HIDDEN_SECONDS = 43_200
_ID = re.compile(r"[0-9a-f-]{36}")
_MESH_ID = re.compile(r"[0-9A-Za-z_-]{1,100}")
_ERROR_CODE = "ERROR_CODE"
"""The attribute in which EventBridge gives the reason for a dead letter that it wrote."""


class Lane(StrEnum):
    """The queue that the dead letters came from."""

    INTAKE = "intake"
    SEND = "send"
    INBOX = "inbox"


class Kind(StrEnum):
    """The kinds of dead letters."""

    DROPPED = "a dropped request"
    QUEUED = "a request from the queue"
    HELD = "a held request whose time had come"
    ORDERED = "a resubmitted request"
    MESSAGE = "a message to be sent"
    LISTED = "messages of an inbox"
    CANARY = "a canary"
    UNREADABLE = "not readable"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message of a dead-letter queue, without personal data: only ids are read from the body.

    `id` is the SQS id, by which it can be chosen while it is in the queue. `subject` is the id of the request or
    message, or the first MESH id; None where it cannot be read. `status` is the status in the ledger; None where the
    ledger has no row.
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
    """EventBridge's error code, where EventBridge could not put it on the queue."""
    moves: bool = True
    why: str = ""
    """What happens when it is moved; or why it stays, and what to do instead."""
    moved: bool = False


@dataclass(frozen=True, slots=True)
class _SqsMessage:
    """A received SQS message."""

    handle: str
    body: str
    group: str | None
    source: str | None
    """ARN of the queue that SQS moved it from; None where EventBridge put it here."""
    attributes: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Redrive:
    """A dead-letter queue and the source queue: of the builder, of the sender function, or of the poller.

    A request from a sending system's own queue goes back there, since the queue identifies the sender.
    """

    lane: Lane
    sqs: "SQSClient"
    dead_letters_url: str
    queue_url: str
    ledger: Ledger
    trail: AuditTrail
    identifiers: Callable[[], Identifiers]
    """Called only for a dead letter that is a request without an id."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def look(self, most: int = MOST_LOOKED_AT) -> list[DeadLetter]:
        """List the dead letters, oldest first, with what a redrive would do; nothing is consumed."""
        received = list(self._receive(most))
        try:
            return sorted((letter for letter, _ in received), key=lambda letter: letter.queued_at)
        finally:
            for _, message in received:
                self._put_back(message)

    def run(
        self, *, actor: str, reason: str, pace: RateLimiter, chosen: Collection[str] | None = None
    ) -> Iterator[DeadLetter]:
        """Move all dead letters that can be moved, or the chosen ones (by `id` or `subject`); yield the results.

        The others stay in the queue. `reason` is kept in the audit trail, and must not name a patient. Raises
        ActorError, ReasonError. After a ClientError the same call can be repeated for the rest.
        """
        checked_actor(actor)
        reason = checked_reason(reason)
        left: list[_SqsMessage] = []
        moved: set[str | None] = set()
        try:
            for letter, message in self._receive(hidden=_HIDDEN_SECONDS + int(_PAGE / pace.per_second)):
                wanted = chosen is None or letter.id in chosen or letter.subject in chosen
                if letter.subject in moved:  # a duplicate, or in the queue again: one move is enough for a run
                    left.append(message)
                    continue
                if not (wanted and letter.moves):
                    left.append(message)
                    if wanted:
                        yield letter
                    continue
                pace.wait()
                self._move(letter, message, actor, reason)
                moved.add(letter.subject)
                yield replace(letter, moved=True)
        finally:
            for message in left:
                self._put_back(message)

    def _move(self, letter: DeadLetter, message: _SqsMessage, actor: str, reason: str) -> None:
        # Recorded first: a move without a record could not be explained.
        self.trail.record(
            actor, "redrive", at=self.now(), message_id=letter.subject, mailbox=letter.mailbox,
            details={"dead_letter": letter.id, "kind": letter.kind.value, "reason": reason},
        )  # fmt: skip
        # The builder does not read a sender's attributes.
        first: Any = {QUEUED_AT: {"DataType": "String", "StringValue": letter.queued_at.isoformat()}}
        # Fairness between mailboxes: see queues.
        group: dict[str, Any] = {"MessageGroupId": message.group} if message.group else {}
        queue = self.queue_url
        if message.source and sender_of_queue(message.source):
            queue = queue_url(queue, message.source)
        self.sqs.send_message(QueueUrl=queue, MessageBody=message.body, MessageAttributes=first, **group)
        self.sqs.delete_message(QueueUrl=self.dead_letters_url, ReceiptHandle=message.handle)

    def _put_back(self, message: _SqsMessage) -> None:
        with suppress(ClientError):  # it becomes visible by itself, only later
            self.sqs.change_message_visibility(
                QueueUrl=self.dead_letters_url, ReceiptHandle=message.handle, VisibilityTimeout=0
            )

    def _receive(
        self, most: int | None = None, *, hidden: int = _HIDDEN_SECONDS
    ) -> Iterator[tuple[DeadLetter, _SqsMessage]]:
        """Receive until the queue is empty, without repeats; letters are hidden from others for `hidden` seconds."""
        seen: set[str] = set()
        while most is None or len(seen) < most:
            answer = self.sqs.receive_message(
                QueueUrl=self.dead_letters_url,
                MaxNumberOfMessages=_PAGE if most is None else min(_PAGE, most - len(seen)),
                VisibilityTimeout=min(hidden, _LONGEST_HIDDEN_SECONDS),
                # Long polling: a short poll asks only some of SQS's servers, and may miss messages.
                WaitTimeSeconds=1,
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
            if not answer.get("Messages"):
                return
            for received in answer["Messages"]:
                if received["MessageId"] in seen:
                    continue  # the visibility timeout was over; it is hidden again
                seen.add(received["MessageId"])
                attributes: Any = received.get("Attributes", {})
                message = _SqsMessage(
                    handle=received["ReceiptHandle"],
                    body=received["Body"],
                    group=attributes.get("MessageGroupId"),
                    source=attributes.get("DeadLetterQueueSourceArn"),
                    attributes=received.get("MessageAttributes", {}),
                )
                letter = DeadLetter(
                    id=received["MessageId"],
                    kind=Kind.UNREADABLE,
                    subject=None,
                    queued_at=first_queued(attributes.get("SentTimestamp"), _text(message, QUEUED_AT)),
                    receives=int(attributes.get("ApproximateReceiveCount", 0)),
                    error=_text(message, _ERROR_CODE),
                )
                yield self._judged(self._read(letter, message.body, sender_of_queue(message.source or ""))), message

    def _read(self, letter: DeadLetter, body: str, queue_of: str) -> DeadLetter:
        """Find the kind and subject of a body; the builder accepts every body of the intake queue."""
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
        if self.lane is Lane.INBOX:
            match parsed:
                case {"mailbox": str(), "listed": [str(mesh_id), *_]} | {"mailbox": str(), "alone": str(mesh_id)} if (
                    _MESH_ID.fullmatch(mesh_id)
                ):
                    return replace(letter, kind=Kind.LISTED, subject=mesh_id)
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

    def _judged(self, letter: DeadLetter) -> DeadLetter:
        """Add the ledger's status, and what would happen on the source queue."""
        record = self.ledger.find(letter.subject) if letter.subject else None
        if record:
            letter = replace(letter, mailbox=record.mailbox, status=record.status)
        match letter.kind:
            case Kind.LISTED:
                return replace(letter, why="The poller receives what MESH still has; the polls list it anyway.")
            case Kind.CANARY:
                return _stays(
                    letter, "It has no patient, and it is too old: newer canaries show whether requests pass."
                )
            case Kind.UNREADABLE:
                return _stays(
                    letter, "It names no message, and would become a dead letter again: find out who sent it."
                )
            case Kind.MESSAGE | Kind.HELD if record is None:
                return _stays(
                    letter,
                    "The ledger does not know this id, so it would become a dead letter again: find out who sent it.",
                )
            case Kind.ORDERED if letter.subject and self.ledger.find_order(letter.subject) is None:
                return _stays(
                    letter, "No operator ordered it, so it would become a dead letter again: find out who sent it."
                )
            case Kind.MESSAGE if letter.status in (Status.BUILT, Status.UNCERTAIN):
                return replace(letter, why="The sender sends it, after any wait that is still due.")
            case Kind.HELD if letter.status in (Status.HELD, Status.RELEASING):
                return replace(letter, why="The builder builds it, if the hold window is over.")
            case _ if record:
                return replace(letter, why=f"It is {record.status} already: nothing more is done.")
        if letter.subject and self.ledger.find_claim(letter.subject):
            return replace(letter, why="It has a version: the builder finishes the messages, or finds them.")
        return replace(letter, why="The builder processes it, with the time of first arrival.")


def _stays(letter: DeadLetter, why: str) -> DeadLetter:
    return replace(letter, moves=False, why=why)


def _text(message: _SqsMessage, name: str) -> str | None:
    text: str | None = message.attributes.get(name, {}).get("StringValue")
    return text
