"""SQS as far as the product uses it: standard queues whose received messages are hidden for a while."""

# ruff: noqa: N803
# (The argument names are boto3's.)

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from tests.fakes.clock import Clock
from tests.fakes.faults import aws_error

_GROUP = re.compile(r"[A-Za-z0-9!-/:-@\[-`{-~]{1,128}")
_LARGEST = 1_048_576
"""A message with its attributes, in bytes."""
_LONGEST_DELAY = 900
_LONGEST_HIDDEN = 43_200


@dataclass
class Queued:
    """A message on a queue."""

    id: str
    body: str
    at: datetime
    group: str | None
    source: str | None
    """The ARN of the queue whose dead letter it is."""
    attributes: Mapping[str, Any]
    delayed_until: datetime
    hidden_until: datetime
    receives: int = 0

    def received(self) -> dict[str, Any]:
        """The message as `receive_message` gives it."""
        system = {
            "SentTimestamp": str(int(self.at.timestamp() * 1000)),
            "ApproximateReceiveCount": str(self.receives),
            "MessageGroupId": self.group,
            "DeadLetterQueueSourceArn": self.source,
        }
        return {
            "MessageId": self.id, "ReceiptHandle": self.id, "Body": self.body,
            "Attributes": {name: value for name, value in system.items() if value is not None},
            "MessageAttributes": dict(self.attributes),
        }  # fmt: skip


class Sqs:
    """An SQS client; `urls` are the queues that there are."""

    def __init__(self, clock: Clock, *urls: str) -> None:
        self.clock = clock
        self.queues: dict[str, dict[str, Queued]] = {url: {} for url in urls}
        self.sent: list[dict[str, Any]] = []
        """What `send_message` was given, in order."""
        self._numbers = count(1)

    def send_message(
        self,
        *,
        QueueUrl: str,
        MessageBody: str,
        MessageGroupId: str | None = None,
        DelaySeconds: int = 0,
        MessageAttributes: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Put a message on a queue."""
        queue = self._queue("SendMessage", QueueUrl)
        size = len(MessageBody.encode()) + len(json.dumps(MessageAttributes or {}))
        fits = 0 < size <= _LARGEST and MessageBody and 0 <= DelaySeconds <= _LONGEST_DELAY
        if not fits or not (MessageGroupId is None or _GROUP.fullmatch(MessageGroupId)):
            raise aws_error("SendMessage", "InvalidParameterValue")
        given = {"QueueUrl": QueueUrl, "MessageBody": MessageBody, "MessageGroupId": MessageGroupId,
                 "DelaySeconds": DelaySeconds, "MessageAttributes": MessageAttributes}  # fmt: skip
        self.sent.append({name: value for name, value in given.items() if value})
        message = self._message(MessageBody, self.clock.time, MessageGroupId, None, MessageAttributes or {})
        message.delayed_until += timedelta(seconds=DelaySeconds)
        queue[message.id] = message
        return {"MessageId": message.id}

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        """Put at most ten messages on a queue."""
        if not 1 <= len({entry["Id"] for entry in Entries}) == len(Entries) <= 10:
            raise aws_error("SendMessageBatch", "TooManyEntriesInBatchRequest")
        taken = [
            Sqs.send_message(self, QueueUrl=QueueUrl, **{name: entry[name] for name in entry if name != "Id"})
            | {"Id": entry["Id"], "MD5OfMessageBody": ""}
            for entry in Entries
        ]
        return {"Successful": taken, "Failed": []}

    def receive_message(
        self, *, QueueUrl: str, MaxNumberOfMessages: int = 1, VisibilityTimeout: int = 30, **_: Any
    ) -> dict[str, Any]:
        """Give the messages that are not hidden, and hide them."""
        queue = self._queue("ReceiveMessage", QueueUrl)
        if not (1 <= MaxNumberOfMessages <= 10 and 0 <= VisibilityTimeout <= _LONGEST_HIDDEN):
            raise aws_error("ReceiveMessage", "InvalidParameterValue")
        found = [message for message in queue.values() if self._state(message) == "waiting"][:MaxNumberOfMessages]
        for message in found:
            message.receives += 1
            message.hidden_until = self.clock.time + timedelta(seconds=VisibilityTimeout)
        return {"Messages": [message.received() for message in found]} if found else {}

    def delete_message(self, *, QueueUrl: str, ReceiptHandle: str) -> None:
        """Take a message off the queue; SQS does not say whether it was there."""
        self._queue("DeleteMessage", QueueUrl).pop(ReceiptHandle, None)

    def change_message_visibility(self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> None:
        """Hide a received message for so long from now on."""
        message = self._queue("ChangeMessageVisibility", QueueUrl).get(ReceiptHandle)
        if message is None or self._state(message) != "in work":
            raise aws_error("ChangeMessageVisibility", "MessageNotInflight")
        message.hidden_until = self.clock.time + timedelta(seconds=VisibilityTimeout)

    def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:
        """Count the messages that wait, are in work or are delayed."""
        states = [self._state(message) for message in self._queue("GetQueueAttributes", QueueUrl).values()]
        names = {"": "waiting", "NotVisible": "in work", "Delayed": "delayed"}
        known = {f"ApproximateNumberOfMessages{kind}": str(states.count(state)) for kind, state in names.items()}
        return {"Attributes": {name: known[name] for name in AttributeNames}}

    # What tests do with queues

    def put(
        self,
        url: str,
        body: str = "{}",
        *,
        at: datetime | None = None,
        group: str | None = None,
        source: str | None = None,
        receives: int = 0,
        **attributes: str,
    ) -> str:
        """Have a message on a queue that came at a time; return the id."""
        named = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
        message = self._message(body, at or self.clock.time, group, source, named)
        message.receives = receives
        self.queues[url][message.id] = message
        return message.id

    def fill(self, url: str, waiting: int, in_work: int = 0, delayed: int = 0) -> None:
        """Have so many messages on a queue."""
        for number in range(waiting + in_work + delayed):
            message = self.queues[url][self.put(url)]
            message.hidden_until += timedelta(seconds=30 * (waiting <= number < waiting + in_work))
            message.delayed_until += timedelta(seconds=30 * (number >= waiting + in_work))

    def bodies(self, url: str) -> list[str]:
        """The bodies of all messages on a queue, oldest first."""
        return [message.body for message in self.queues[url].values()]

    def take(self, url: str) -> list[str]:
        """Receive and delete all messages of a queue, whatever hides them; return the bodies."""
        taken = self.bodies(url)
        self.queues[url].clear()
        return taken

    @property
    def sent_bodies(self) -> list[tuple[str, Any]]:
        """What was sent, in order: the queue, and the body's data."""
        return [(message["QueueUrl"], json.loads(message["MessageBody"])) for message in self.sent]

    def _message(
        self, body: str, at: datetime, group: str | None, source: str | None, attributes: Mapping[str, Any]
    ) -> Queued:
        number, now = next(self._numbers), self.clock.time
        return Queued(f"sqs-{number}", body, at, group, source, attributes, now, now)

    def _queue(self, operation: str, url: str) -> dict[str, Queued]:
        if url not in self.queues:
            raise aws_error(operation, "QueueDoesNotExist")
        return self.queues[url]

    def _state(self, message: Queued) -> str:
        if message.delayed_until > self.clock.time:
            return "delayed"
        return "in work" if message.hidden_until > self.clock.time else "waiting"


@dataclass
class QueuedIds:
    """The ids on one queue, in messages that have them under one word; other messages are left."""

    sqs: Sqs
    url: str
    word: str

    @property
    def waiting(self) -> list[str]:
        """The ids, oldest first and without repeats."""
        return list(dict.fromkeys(self._found().values()))

    def take(self) -> list[str]:
        """Receive and delete the messages; return the ids, oldest first and without repeats."""
        taken = self.waiting
        for sqs_id in self._found():
            del self.sqs.queues[self.url][sqs_id]
        return taken

    def _found(self) -> dict[str, str]:
        bodies = {message.id: json.loads(message.body) for message in self.sqs.queues[self.url].values()}
        return {sqs_id: body[self.word] for sqs_id, body in bodies.items() if self.word in body}
