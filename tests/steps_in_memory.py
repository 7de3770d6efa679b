"""The product's steps over memory, for tests that let them talk to a real MESH."""

import hashlib
import random
import uuid
from datetime import timedelta
from typing import Any

from gpconnect_messaging.itk3.envelope import Envelope
from gpconnect_messaging.ledger import lifecycle
from gpconnect_messaging.ledger.lifecycle import EventType, LedgerEvent, MessageHistory, Timeouts
from gpconnect_messaging.ledger.records import MessageRecord
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.mesh.chunking import Chunking
from gpconnect_messaging.notifications import Notifier
from gpconnect_messaging.steps.due_work import Sweep
from gpconnect_messaging.steps.poll import Poller
from gpconnect_messaging.steps.send import PostponedError, Sender
from gpconnect_messaging.storage import Evidence, Outbox
from tests.identifiers import IDENTIFIERS, key_of
from tests.in_memory import Bucket, Clock, Intake, Queue, Secrets, Table, Topic
from tests.local_mesh import SENDER, TO_PRACTICE, WORKFLOW, connections

PATIENCE = Timeouts(requeue_after=timedelta(minutes=10), resolve_after=timedelta(minutes=15))
SUBJECT = "Consultation report for Garth WRIGHT, NHS Number 9658218865, seen at Riverside"
CHUNKING = Chunking(largest_whole=20_000, chunk_bytes=8_000, smallest_chunk=0)


class Product:
    """The steps, over memory."""

    def __init__(self, url: str, secrets: Secrets | None = None) -> None:
        self.clock, self.bucket, self.topic, self.queue = Clock(), Bucket(), Topic(), Queue()
        s3: Any = self.bucket
        table: Any = Table()
        self.ledger = Ledger(table, "ledger", PATIENCE, self.clock)
        notifier = Notifier(self.topic, "topic", self.ledger)  # type: ignore[arg-type]
        self.mesh = connections(url, secrets)
        self.sender = Sender(
            outbox=Outbox(s3, "outbox"), ledger=self.ledger, mesh=self.mesh, notifier=notifier,
            lease=timedelta(minutes=3), timeouts=PATIENCE, chunking=CHUNKING, now=self.clock,
        )  # fmt: skip
        self.poller = Poller(
            evidence=Evidence(s3, "evidence"), ledger=self.ledger, mesh=self.mesh, notifier=notifier,
            identifiers=IDENTIFIERS, now=self.clock,
        )  # fmt: skip
        self.sweep = Sweep(
            ledger=self.ledger, send_queue=self.queue, intake_queue=Intake(), notifier=notifier,  # type: ignore[arg-type]
            timeouts=PATIENCE, now=self.clock,
        )  # fmt: skip

    def build(self, size: int, to: str = TO_PRACTICE) -> str:
        """Store a message of some size, as the builder does."""
        message_id = str(uuid.uuid4())
        content = f"<message id='{message_id}'>".encode() + random.Random(message_id).randbytes(size)
        envelope = Envelope(
            mailbox=SENDER, to=to, workflow_id=WORKFLOW, subject=SUBJECT, local_id="Y90001",
            file_name=f"{message_id}.xml",
        )  # fmt: skip
        self.bucket.objects[f"messages/{message_id}.json"] = envelope.to_json()
        self.bucket.objects[f"messages/{message_id}.xml"] = content
        built = lifecycle.built(
            at=self.clock(), sha256=hashlib.sha256(content).hexdigest(), size=len(content),
            infrastructure_due=timedelta(days=30), business_due=timedelta(days=30),
        )  # fmt: skip
        self.ledger.create(
            MessageRecord(
                message_id=message_id, request_id=message_id, mailbox=SENDER,
                encounter=message_id, encounter_key=key_of(SENDER, message_id),
                version=1,
                created_at=self.clock(), history=MessageHistory((built,)),
            )
        )  # fmt: skip
        self.queue.put(message_id, SENDER)
        return message_id

    def send(self, message_id: str) -> None:
        """Send, as the queue would have it: what is postponed comes again."""
        try:
            self.sender.send(message_id)
        except PostponedError:
            self.queue.put(message_id, SENDER)

    def events(self, message_id: str, *kinds: EventType) -> list[LedgerEvent]:
        """What the ledger has of a message, of these kinds."""
        return self.history(message_id).of(*kinds)

    def history(self, message_id: str) -> MessageHistory:
        """Everything that the ledger has of a message."""
        record = self.ledger.find(message_id)
        assert record is not None
        return record.history
