"""A place in memory: the product's own adapters over fakes, as an operator's commands and pages see it."""

import json
from datetime import timedelta
from typing import Any

from gpcm.environment import OperatorEnvironment
from gpconnect_messaging.ledger.lifecycle import LedgerEvent, MessageHistory
from gpconnect_messaging.ledger.records import MessageRecord
from tests.identifiers import SECRET, key_of
from tests.in_memory import Bucket, Clock, Secrets, Table, Topic
from tests.unit.ledger.events import at

MAILBOX = "Y90001OT001"
TABLE = "ledger"
ENCOUNTER = "Mrs Wright on Tuesday"
"""What a careless sender calls an encounter: it must not be shown."""

_OUTPUTS = {
    "LedgerTableName": TABLE,
    "DropBucketName": "drop",
    "OutboxBucketName": "outbox",
    "EvidenceBucketName": "evidence",
    "IntakeQueueUrl": "https://queues/intake",
    "SendQueueUrl": "https://queues/send",
    "IntakeDeadLetterQueueUrl": "https://queues/intake-dead",
    "SendDeadLetterQueueUrl": "https://queues/send-dead",
    "NoticesTopicArn": "topic",
    "BuilderFunctionName": "builder",
    "SenderFunctionName": "sender",
    "PollerFunctionName": "poller",
    "MailboxParameters": "/mailboxes",
    "MailboxSecrets": "mailboxes",
    "MeshSecretName": "mesh",
    "IdentifiersSecretName": "identifiers",
}
_POLLER = {
    "LEDGER_TABLE": TABLE,
    "NOTICES_TOPIC_ARN": "topic",
    "EVIDENCE_BUCKET": "evidence",
    "IDENTIFIERS_SECRET": "identifiers",
    "INTAKE_QUEUE_URL": "https://queues/intake",
    "SEND_QUEUE_URL": "https://queues/send",
    "MAILBOX_PARAMETERS": "/mailboxes",
    "MESH_URL": "http://localhost:1",
    "MAILBOX_SECRETS": "mailboxes",
    "MESH_SECRET": "mesh",
    "EVENT_RULE": "requests-dropped",
    "DROP_BUCKET": "drop",
    "EVENT_SOURCE_MAPPINGS": "builder-mapping,sender-mapping",
    "KEYS": "records-key,intake-key",
    "DOCUMENT_WAIT_SECONDS": "600",
}


_BUILDER = {
    name: _POLLER[name]
    for name in (
        "LEDGER_TABLE", "NOTICES_TOPIC_ARN", "EVIDENCE_BUCKET", "IDENTIFIERS_SECRET", "MAILBOX_PARAMETERS",
        "DROP_BUCKET", "INTAKE_QUEUE_URL", "DOCUMENT_WAIT_SECONDS",
    )
} | {"NHS_NUMBERS": "test", "OUTBOX_BUCKET": "outbox", "SEND_QUEUE_URL": "https://queues/send"}  # fmt: skip


class Switches:
    """EventBridge, Lambda's mappings and KMS: the state of each part."""

    def __init__(self) -> None:
        self.states = {
            "requests-dropped": "ENABLED", "builder-mapping": "Enabled", "sender-mapping": "Enabled",
            "records-key": "Enabled", "intake-key": "Enabled",
        }  # fmt: skip

    def describe_rule(self, *, Name: str) -> dict[str, Any]:  # noqa: N803
        return {"State": self.states[Name]}

    def get_event_source_mapping(self, *, UUID: str) -> dict[str, Any]:  # noqa: N803
        return {"State": self.states[UUID]}

    def describe_key(self, *, KeyId: str) -> dict[str, Any]:  # noqa: N803
        return {"KeyMetadata": {"KeyState": self.states[KeyId]}}


class Functions(Switches):
    """Lambda, as far as it tells what a function is told, and what feeds it."""

    def __init__(self) -> None:
        super().__init__()
        self.of_senders: dict[str, str] = {}
        """What the builder is told of configured senders."""

    def get_function_configuration(self, *, FunctionName: str) -> dict[str, Any]:  # noqa: N803
        return {"Environment": {"Variables": {"poller": _POLLER, "builder": _BUILDER | self.of_senders}[FunctionName]}}


class Queues:
    """SQS: how much waits in each queue."""

    def __init__(self) -> None:
        self.depths: dict[str, tuple[int, int, int]] = {}
        self._looked: set[str] = set()
        self.sent: list[tuple[str, Any]] = []
        self.letters: dict[str, list[dict[str, Any]]] = {}
        """What a dead-letter queue gives to whoever receives."""

    def receive_message(self, *, QueueUrl: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        return {"Messages": self.letters.get(QueueUrl, [])} if self._first_look(QueueUrl) else {}

    def change_message_visibility(self, *, QueueUrl: str, **_: Any) -> None:  # noqa: N803
        self._looked.discard(QueueUrl)

    def _first_look(self, url: str) -> bool:
        first = url not in self._looked
        self._looked.add(url)
        return first

    def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:  # noqa: N803
        return {"Attributes": dict(zip(AttributeNames, map(str, self.depths.get(QueueUrl, (0, 0, 0))), strict=True))}

    def send_message(self, *, QueueUrl: str, MessageBody: str, **_: Any) -> None:  # noqa: N803
        self.sent.append((QueueUrl, json.loads(MessageBody)))


class Parameters:
    """Parameter Store: the mailboxes' settings."""

    def __init__(self) -> None:
        self.values = {f"/mailboxes/{MAILBOX}": json.dumps({"mailbox": MAILBOX, "ods_code": "Y90001"})}

    def get_parameter(self, *, Name: str) -> dict[str, Any]:  # noqa: N803
        return {"Parameter": {"Value": self.values[Name]}}

    def get_paginator(self, _operation: str) -> "Parameters":
        return self

    def paginate(self, *, Path: str) -> list[dict[str, Any]]:  # noqa: N803
        return [{"Parameters": [{"Name": name} for name in self.values if name.startswith(Path)]}]


class PlaceInMemory(OperatorEnvironment):
    """A place over fakes, and what tests do behind its back."""

    def __init__(self) -> None:
        self.clock = Clock(at(180))
        self.dynamodb, self.bucket, self.topic, self.queue_depths = Table(), Bucket(self.clock), Topic(), Queues()
        self.parameters = Parameters()
        self.switches = Functions()
        self.secrets = Secrets({"identifiers": {"secret": SECRET}})
        clients: dict[str, Any] = {
            "events": self.switches,
            "kms": self.switches,
            "dynamodb": self.dynamodb,
            "s3": self.bucket,
            "sns": self.topic,
            "sqs": self.queue_depths,
            "lambda": self.switches,
            "ssm": self.parameters,
            "secretsmanager": self.secrets,
        }
        super().__init__(name="a test", client=clients.__getitem__, outputs=_OUTPUTS, now=self.clock)

    def have(self, message_id: str, *events: LedgerEvent, **changes: Any) -> str:
        """Have a message to which these things happened; give its id."""
        given: dict[str, Any] = {
            "message_id": message_id,
            "request_id": message_id,
            "mailbox": MAILBOX,
            "version": 1,
            "created_at": self.clock(),
            "history": MessageHistory(events[:1]),
        }
        given |= {"encounter": ENCOUNTER} | changes
        given["encounter_key"] = key_of(given["mailbox"], given["encounter"])
        self.ledger.create(MessageRecord(**given))
        for event in events[1:]:
            self.ledger.record(message_id, event)
        self.clock.advance(timedelta(seconds=1))
        return message_id
