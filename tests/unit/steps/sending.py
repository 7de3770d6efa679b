"""The send step over memory, with a MESH whose next answers the test chooses."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.stored_names import EventType, Status
from gpconnect_messaging.mesh.chunking import Chunking
from gpconnect_messaging.mesh.errors import Authentication
from gpconnect_messaging.steps.send import Sender
from tests import stored
from tests.fakes.mesh import Client, Connections, Mood
from tests.fakes.product import TO_PRACTICE, Product

MESSAGE_ID = "00000000-0000-8000-8000-000000000001"
WHOLE, CHUNKED = 200, 9_000
"""Sizes in bytes: one request, and three chunks."""
CHUNKING = Chunking(largest_whole=5_000, chunk_bytes=4_000, smallest_chunk=0)


class RefusedCredentials:
    """A MESH that does not accept our credentials."""

    def __init__(self, _port: str, client: Client) -> None:
        self.check = client.check  # asks MESH nothing

    def __getattr__(self, operation: str) -> Any:
        raise Authentication(operation, "answered 403", status=403)


class Sending(Product):
    """A built message, and the sender that is to upload it."""

    longest_gzipped = CHUNKING.largest_whole

    def __init__(self, size: int = WHOLE, to: str = TO_PRACTICE) -> None:
        super().__init__(drop=None)
        self.sender = replace(self.sender, chunking=CHUNKING)
        self.content = bytes(number % 251 for number in range(size))
        self.stored(MESSAGE_ID, self.content, encounter="e1", to=to, organisation="A20047")

    def send(self, *moods: Mood, time_left: Callable[[], bool] = lambda: True) -> Status:
        """Let the queue bring the message, with these answers of MESH."""
        self.mesh.moods.extend(moods)
        try:
            return self.sender.send(MESSAGE_ID, time_left)
        finally:
            self.mesh.moods.clear()

    def damage(self) -> None:
        """Change the last byte of the stored message."""
        key = f"messages/{MESSAGE_ID}"
        body = stored.replaced(self.outgoing.objects[key], self.content[:-1] + b"?")
        self.outgoing.put_object(Key=key, Body=body)

    def refused_credentials(self) -> Sender:
        """The sender, with credentials that MESH does not accept."""
        return replace(self.sender, mesh=Connections(self.mesh, RefusedCredentials))  # type: ignore[arg-type]

    def record(self, event: LedgerEvent) -> None:
        """Record an event as another process would."""
        self.ledger.record(MESSAGE_ID, event)

    @property
    def history(self) -> MessageHistory:
        """What the ledger has of the message."""
        return self.row(MESSAGE_ID).history

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
