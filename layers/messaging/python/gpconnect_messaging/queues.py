"""The send queue. A message on it is an id and nothing else: the queue holds no personal data and no documents."""

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


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
