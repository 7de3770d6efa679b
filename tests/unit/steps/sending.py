"""The send step over memory, with a MESH whose next answers the test chooses."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gpconnect_messaging.itk3.envelope import Envelope
from gpconnect_messaging.ledger import lifecycle
from gpconnect_messaging.ledger.lifecycle import EventType, LedgerEvent, MessageHistory, Timeouts
from gpconnect_messaging.ledger.records import MessageRecord
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.mesh.chunking import Chunking
from gpconnect_messaging.mesh.errors import Authentication
from gpconnect_messaging.notifications import Notifier
from gpconnect_messaging.steps.send import Sender
from gpconnect_messaging.storage import Outbox
from tests.identifiers import key_of
from tests.in_memory import Bucket, Clock, Table, Topic
from tests.model.mesh import Client, Connections, Mesh, Mood

MAILBOX = "Y90001OT001"
PATIENCE = Timeouts(requeue_after=timedelta(minutes=10), resolve_after=timedelta(minutes=15))
LEASE = timedelta(minutes=3)
MESSAGE_ID = "00000000-0000-8000-8000-000000000001"
WHOLE, CHUNKED = 200, 9_000
"""Sizes in bytes: one request, and three chunks."""
CHUNKING = Chunking(largest_whole=5_000, chunk_bytes=4_000, smallest_chunk=0)


class RefusedCredentials:
    """A MESH that does not accept our credentials."""

    def __call__(self, _port: str, _client: Client) -> Any:
        raise Authentication("send", "answered 403", status=403)


class Sending:
    """A built message, and the sender that is to upload it."""

    def __init__(self, size: int = WHOLE, to: str = "GPPROVIDER_9658218865_19331114_WRIGHT") -> None:
        self.clock, self.bucket, self.topic = Clock(datetime(2026, 11, 20, 22, 0, tzinfo=UTC)), Bucket(), Topic()
        self.mesh = Mesh()
        self.ledger = Ledger(Table(), "ledger", PATIENCE, self.clock)  # type: ignore[arg-type]
        self.sender = Sender(
            outbox=Outbox(self.bucket, "outbox"),  # type: ignore[arg-type]
            ledger=self.ledger,
            mesh=Connections(self.mesh, lambda _port, client: client),  # type: ignore[arg-type]
            notifier=Notifier(self.topic, "topic", self.ledger),  # type: ignore[arg-type]
            lease=LEASE,
            timeouts=PATIENCE,
            chunking=CHUNKING,
            now=self.clock,
        )
        self.content = bytes(number % 251 for number in range(size))
        envelope = Envelope(
            mailbox=MAILBOX, to=to, workflow_id="GPCONNECT_SEND_DOCUMENT", subject="Report", local_id="Y90001",
            file_name=f"{MESSAGE_ID}.xml", organisation="A20047",
        )  # fmt: skip
        self.bucket.put_object(Key=f"messages/{MESSAGE_ID}.json", Body=envelope.to_json())
        self.bucket.put_object(Key=f"messages/{MESSAGE_ID}.xml", Body=self.content)
        event = lifecycle.built(
            at=self.clock(), sha256=hashlib.sha256(self.content).hexdigest(), size=size,
            infrastructure_due=timedelta(days=2), business_due=timedelta(days=7),
        )  # fmt: skip
        self.ledger.create(
            MessageRecord(
                message_id=MESSAGE_ID, request_id="r1", mailbox=MAILBOX,
                encounter="e1", encounter_key=key_of(MAILBOX, "e1"),
                version=1,
                created_at=self.clock(), history=MessageHistory((event,)),
            )
        )  # fmt: skip

    def send(self, *moods: Mood, time_left: Callable[[], bool] = lambda: True) -> lifecycle.Status:
        """Let the queue bring the message, with these answers of MESH."""
        self.mesh.moods.extend(moods)
        try:
            return self.sender.send(MESSAGE_ID, time_left)
        finally:
            self.mesh.moods.clear()

    def refused_credentials(self) -> Sender:
        """The sender, with credentials that MESH does not accept."""
        return replace(self.sender, mesh=Connections(self.mesh, RefusedCredentials()))  # type: ignore[arg-type]

    def record(self, event: LedgerEvent) -> None:
        """Record an event as another process would."""
        self.ledger.record(MESSAGE_ID, event)

    @property
    def history(self) -> MessageHistory:
        """What the ledger has of the message."""
        found = self.ledger.find(MESSAGE_ID)
        assert found is not None
        return found.history

    def events(self, *kinds: EventType) -> list[LedgerEvent]:
        """The message's events of these kinds."""
        return self.history.of(*kinds)

    @property
    def copies(self) -> list[bytes]:
        """The complete copies that MESH has."""
        return [
            b"".join(upload.chunks[number] for number in sorted(upload.chunks))
            for upload in self.mesh.copies(MESSAGE_ID)
        ]
