"""The queues that we write to. What we put there is ids: no personal data and no documents.

Only the intake queue, which has a key of its own, also has keys of dropped objects, as S3's events have.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from gpconnect_messaging.stated_times import read_stated

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


CANARIES = "canaries"
"""The group in which canaries are taken fairly among the mailboxes' messages."""


QUEUED_AT = "QueuedAt"
"""The attribute in which a message that was put on the queue again says when it was first queued."""

UNANNOUNCED = "unannounced"
"""The group of requests that were found in the drop."""


def queue_url(beside: str, arn: str) -> str:
    """Give the URL of the queue with this ARN, from the URL of another queue of the same account and region."""
    return f"{beside.rpartition('/')[0]}/{arn.rpartition(':')[2]}"


def first_queued(sent: str | None, stated: str | None) -> datetime:
    """Say when a message was first queued (UTC): when SQS took it, or earlier, where it was put there again since.

    `sent` is SQS's own word, in milliseconds since 1970; now, where it gives none. `stated` is the attribute QUEUED_AT.
    """
    at = datetime.fromtimestamp(int(sent) / 1000, UTC) if sent else datetime.now(UTC)
    return min(at, read_stated(stated) or at)


class SendQueue:
    """Puts messages on the queue that the sender reads."""

    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client = client
        self._url = url

    def put(self, message_id: str, mailbox: str) -> None:
        """Queue a message; messages are taken fairly by mailbox, so that one busy sender does not delay the others."""
        self._client.send_message(
            QueueUrl=self._url, MessageBody=json.dumps({"message_id": message_id}), MessageGroupId=mailbox
        )

    def canary(self, canary_id: str) -> None:
        """Queue a canary, which the sender ends."""
        self._client.send_message(
            QueueUrl=self._url, MessageBody=json.dumps({"canary": canary_id}), MessageGroupId=CANARIES
        )


class IntakeQueue:
    """Puts requests on the queue that the builder reads: kept ones by their ids, dropped ones as S3's events."""

    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client = client
        self._url = url

    def release(self, request_id: str, mailbox: str) -> None:
        """Have the builder build a held request; requests are taken fairly by mailbox."""
        self._client.send_message(
            QueueUrl=self._url, MessageBody=json.dumps({"release": request_id}), MessageGroupId=mailbox
        )

    def again(self, request_id: str, mailbox: str) -> None:
        """Have the builder take in once more what an operator ordered under this id."""
        self._client.send_message(
            QueueUrl=self._url, MessageBody=json.dumps({"again": request_id}), MessageGroupId=mailbox
        )

    def announce(self, bucket: str, key: str, version: str, at: datetime) -> None:
        """Have the builder take in a dropped request that nothing announced: as S3's event, dropped at that time."""
        event = {
            "source": "aws.s3",
            "detail-type": "Object Created",
            "time": at.astimezone(UTC).isoformat(),
            "detail": {"bucket": {"name": bucket}, "object": {"key": key, "version-id": version}},
        }
        self._client.send_message(QueueUrl=self._url, MessageBody=json.dumps(event), MessageGroupId=UNANNOUNCED)

    def later(self, body: str, queued_at: datetime, delay: timedelta) -> None:
        """Have the builder take a request again after at most 15 minutes (SQS's longest), with all its tries.

        `queued_at` is when it was first queued (UTC).
        """
        self._client.send_message(
            QueueUrl=self._url,
            MessageBody=body,
            DelaySeconds=round(delay.total_seconds()),
            MessageAttributes={QUEUED_AT: {"DataType": "String", "StringValue": queued_at.isoformat()}},
        )

    def canary(self, canary_id: str) -> None:
        """Have the builder take a canary, which the ledger expects."""
        self._client.send_message(
            QueueUrl=self._url,
            MessageBody=json.dumps({"kind": "canary", "canary": canary_id}),
            MessageGroupId=CANARIES,
        )
