"""Adapters over the SQS queues. Queue messages hold ids, but no personal data and no documents.

Only the intake queue, which has a separate KMS key, also holds the keys of dropped objects, as S3's events do.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from gpconnect_messaging.stated_times import read_stated

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


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


class SendQueue:
    """Puts messages on the queue that the sender reads."""

    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client = client
        self._url = url

    def put(self, message_id: str, mailbox: str) -> None:
        """Queue a message, grouped by mailbox for fair delivery: a busy sender does not delay the others."""
        self._client.send_message(
            QueueUrl=self._url, MessageBody=json.dumps({"message_id": message_id}), MessageGroupId=mailbox
        )

    def canary(self, canary_id: str) -> None:
        """Queue a canary, which the sender ends."""
        self._client.send_message(
            QueueUrl=self._url, MessageBody=json.dumps({"canary": canary_id}), MessageGroupId=CANARIES
        )


class IntakeQueue:
    """Puts requests on the queue that the builder reads: kept requests as ids, dropped ones as S3 events."""

    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client = client
        self._url = url

    def release(self, request_id: str, mailbox: str) -> None:
        """Queue a held request for the builder, grouped by mailbox for fair delivery."""
        self._client.send_message(
            QueueUrl=self._url, MessageBody=json.dumps({"release": request_id}), MessageGroupId=mailbox
        )

    def resubmit(self, request_id: str, mailbox: str) -> None:
        """Queue a request that an operator resubmitted under this id."""
        self._client.send_message(
            QueueUrl=self._url, MessageBody=json.dumps({"again": request_id}), MessageGroupId=mailbox
        )

    def announce(self, bucket: str, key: str, version: str, at: datetime) -> None:
        """Queue a dropped request that S3 never announced, as an S3 event with the time of the drop."""
        event = {
            "source": "aws.s3",
            "detail-type": "Object Created",
            "time": at.astimezone(UTC).isoformat(),
            "detail": {"bucket": {"name": bucket}, "object": {"key": key, "version-id": version}},
        }
        self._client.send_message(QueueUrl=self._url, MessageBody=json.dumps(event), MessageGroupId=UNANNOUNCED)

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
        self._client.send_message(
            QueueUrl=self._url,
            MessageBody=json.dumps({"kind": "canary", "canary": canary_id}),
            MessageGroupId=CANARIES,
        )
