"""Adapters over the SQS queues. Queue messages hold ids, but no personal data and no documents.

Only the intake queue, which has a separate KMS key, also holds the keys of dropped objects, as S3's events do.
"""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from gpconnect_messaging.stated_times import read_stated

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_MOST_IN_A_CALL = 10
"""SQS takes no more entries in a call."""

CANARIES = "canaries"
"""The message group of canaries, for fair delivery among the mailboxes' messages."""


QUEUED_AT = "QueuedAt"
"""The attribute of a re-queued message that states when it was first queued."""

UNANNOUNCED = "unannounced"
"""The message group of requests that the listing of the drop found."""


def queue_url(beside: str, arn: str) -> str:
    """Return the URL of the queue with this ARN, from the URL of another queue in the same account and region."""
    return f"{beside.rpartition('/')[0]}/{arn.rpartition(':')[2]}"


def first_queued(sent: str | None, stated: str | None) -> datetime:
    """Return when a message was first queued (UTC): SQS's time, or an earlier one if it was re-queued since.

    `sent` is SQS's SentTimestamp in milliseconds since 1970; None stands for now. `stated` is the attribute QUEUED_AT.
    """
    at = datetime.fromtimestamp(int(sent) / 1000, UTC) if sent else datetime.now(UTC)
    return min(at, read_stated(stated) or at)


class _Queue:
    """A queue; the message groups make delivery fair: a busy mailbox does not delay the others."""

    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client, self._url = client, url
        self._lock, self._at_once = threading.Lock(), 1
        self._entries: list[Any] = []

    @contextmanager
    def together(self) -> Iterator[None]:
        """Send what this block queues, in any thread, ten entries in a call, and the rest at the end.

        What a failed call does not queue is due again by the ledger.
        """
        self._at_once = _MOST_IN_A_CALL
        try:
            yield
        finally:
            self._at_once = 1
            self._send()

    def _put(self, body: dict[str, Any], group: str) -> None:
        with self._lock:
            entry = {"MessageBody": json.dumps(body), "MessageGroupId": group}
            self._entries.append({"Id": str(len(self._entries)), **entry})
            if len(self._entries) == self._at_once:
                self._send()

    def _send(self) -> None:
        entries, self._entries = self._entries, []
        if entries and (failed := self._client.send_message_batch(QueueUrl=self._url, Entries=entries).get("Failed")):
            raise ClientError({"Error": {"Code": failed[0]["Code"]}}, "SendMessageBatch")


class SendQueue(_Queue):
    """Puts messages on the queue that the sender reads."""

    def put(self, message_id: str, mailbox: str) -> None:
        """Queue a message, grouped by mailbox."""
        self._put({"message_id": message_id}, mailbox)

    def canary(self, canary_id: str) -> None:
        """Queue a canary, which the sender ends."""
        self._put({"canary": canary_id}, CANARIES)


class IntakeQueue(_Queue):
    """Puts requests on the queue that the builder reads: kept requests as ids, dropped ones as S3 events."""

    def release(self, request_id: str, mailbox: str) -> None:
        """Queue a held request for the builder, grouped by mailbox."""
        self._put({"release": request_id}, mailbox)

    def resubmit(self, request_id: str, mailbox: str) -> None:
        """Queue a request that an operator resubmitted under this id."""
        self._put({"again": request_id}, mailbox)

    def announce(self, bucket: str, key: str, version: str, at: datetime) -> None:
        """Queue a dropped request that S3 never announced, as an S3 event with the time of the drop."""
        detail = {"bucket": {"name": bucket}, "object": {"key": key, "version-id": version}}
        put = {"source": "aws.s3", "detail-type": "Object Created", "time": at.astimezone(UTC).isoformat()}
        self._put(put | {"detail": detail}, UNANNOUNCED)

    def later(self, body: str, queued_at: datetime, delay: timedelta) -> None:
        """Queue a request again after a delay of at most 15 minutes (SQS's limit), with all tries left.

        `queued_at` is when the request was first queued (UTC).
        """
        self._client.send_message(
            QueueUrl=self._url,
            MessageBody=body,
            DelaySeconds=round(delay.total_seconds()),
            MessageAttributes={QUEUED_AT: {"DataType": "String", "StringValue": queued_at.isoformat()}},
        )

    def canary(self, canary_id: str) -> None:
        """Queue a canary that the ledger expects, for the builder."""
        self._put({"kind": "canary", "canary": canary_id}, CANARIES)


LISTED_TOGETHER = 10
"""Messages of an inbox in one entry of the queue, as SQS takes entries in one call."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry of the inbox queue: messages of a mailbox, by MESH id, or one that is to be received alone.

    `at` is when it was queued (UTC), and `receives` how often SQS delivered it.
    """

    mailbox: str
    mesh_message_ids: tuple[str, ...]
    alone: bool
    at: datetime
    receives: int
    handle: str

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> "Listed":
        """Read an SQS record of a Lambda event. Raises ValueError."""
        match json.loads(record["body"]):
            case {"mailbox": str(mailbox), "listed": [*ids]}:
                alone = False
            case {"mailbox": str(mailbox), "alone": str(mesh_message_id)}:
                alone, ids = True, [mesh_message_id]
            case _:
                raise ValueError("the entry names no mailbox and messages")
        at = first_queued(record["attributes"]["SentTimestamp"], None)
        receives = int(record["attributes"]["ApproximateReceiveCount"])
        return cls(mailbox, tuple(map(str, ids)), alone, at, receives, record["receiptHandle"])


class InboxQueue(_Queue):
    """Puts the messages of inboxes on the queue that the poller collects from."""

    def put(self, mailbox: str, mesh_message_ids: Sequence[str]) -> None:
        """Queue messages, ten in an entry, grouped by mailbox."""
        with self.together():
            for start in range(0, len(mesh_message_ids), LISTED_TOGETHER):
                listed = list(mesh_message_ids[start : start + LISTED_TOGETHER])
                self._put({"mailbox": mailbox, "listed": listed}, mailbox)

    def put_alone(self, mailbox: str, mesh_message_ids: Sequence[str]) -> None:
        """Queue messages, one in an entry."""
        with self.together():
            for mesh_message_id in mesh_message_ids:
                self._put({"mailbox": mailbox, "alone": mesh_message_id}, mailbox)

    def remove(self, entry: Listed) -> None:
        """Remove an entry whose run fails."""
        self._client.delete_message(QueueUrl=self._url, ReceiptHandle=entry.handle)
