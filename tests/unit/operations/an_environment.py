"""A place in memory: the product's own adapters over fakes, as an operator's commands and pages see it."""

import uuid
from datetime import timedelta
from typing import Any

from gpcm.environment import OperatorEnvironment
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.records import MessageRecord
from tests.fakes.clock import Clock
from tests.fakes.deployed_parts import DeployedParts
from tests.fakes.dynamodb import Table
from tests.fakes.parameter_store import Parameters
from tests.fakes.s3 import Bucket
from tests.fakes.secrets_manager import Secrets
from tests.fakes.sns import Topic
from tests.fakes.sqs import Sqs
from tests.identifiers import SECRET, ids_of, key_of
from tests.unit.ledger.events import BUILT, at

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
    "InboxQueueUrl": "https://queues/inbox",
    "IntakeDeadLetterQueueUrl": "https://queues/intake-dead",
    "SendDeadLetterQueueUrl": "https://queues/send-dead",
    "InboxDeadLetterQueueUrl": "https://queues/inbox-dead",
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
    "INBOX_QUEUE_URL": "https://queues/inbox",
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


class PlaceInMemory(OperatorEnvironment):
    """A place over fakes, and what tests do behind its back."""

    def __init__(self) -> None:
        self.clock = Clock(at(180))
        self.dynamodb, self.bucket, self.topic = Table(), Bucket(self.clock), Topic()
        self.sqs = Sqs(self.clock, *(value for value in _OUTPUTS.values() if value.startswith("https://queues/")))
        self.parameters = Parameters({f"/mailboxes/{MAILBOX}": {"mailbox": MAILBOX, "ods_code": "Y90001"}})
        self.switches = DeployedParts(
            {"requests-dropped": "ENABLED"}
            | dict.fromkeys(("builder-mapping", "sender-mapping", "records-key", "intake-key"), "Enabled"),
            {"poller": _POLLER, "builder": _BUILDER},
        )
        self.secrets = Secrets({"identifiers": {"secret": SECRET}})
        clients: dict[str, Any] = {
            "events": self.switches,
            "kms": self.switches,
            "dynamodb": self.dynamodb,
            "s3": self.bucket,
            "sns": self.topic,
            "sqs": self.sqs,
            "lambda": self.switches,
            "ssm": self.parameters,
            "secretsmanager": self.secrets,
        }
        super().__init__(name="a test", client=clients.__getitem__, outputs=_OUTPUTS, now=self.clock)

    def have_several(self) -> tuple[str, tuple[str, ...]]:
        """Have a request that became two messages; give the ids."""
        request_id, recipients = str(uuid.uuid4()), ("registered-practice", "B82617")
        identifiers = ids_of(MAILBOX, "Visit of several")
        claim = self.ledger.claim(request_id, identifiers, ("v",), at(0), recipients=recipients)
        assert claim is not None
        for message_id in claim.message_ids:
            self.have(message_id, BUILT, request_id=request_id, encounter="Visit of several")
        return request_id, tuple(claim.message_ids)

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
