"""MESH as the steps see it through its client: uploads taken, refused or lost sight of, an inbox, reports.

What the client does with HTTP has tests of its own (tests/unit/mesh, tests/integration/test_soak.py); here its words
are MESH's effects.
"""

import gzip
import hashlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from gpconnect_messaging.mesh.chunking import Part
from gpconnect_messaging.mesh.errors import NotFound, NotSent, Refused, RetryLater, Uncertain
from gpconnect_messaging.mesh.models import (
    EndpointLookup,
    Mailbox,
    MessageHeaders,
    OutboundMessage,
    SendReceipt,
    Tracking,
)
from tests.crash_injection import Died


class Mood(Enum):
    """What MESH does with the next upload."""

    TAKES = auto()
    REFUSES = auto()
    BUSY = auto()
    UNREACHABLE = auto()
    TAKES_UNHEARD = auto()
    """It takes the upload, and its answer is lost."""
    LOSES_UNHEARD = auto()
    """It takes nothing, and the client cannot know."""


@dataclass
class Upload:
    """A message that MESH has, or has some chunks of."""

    id: str
    file_name: str
    chunks: dict[int, bytes]
    total: int

    outgoing: OutboundMessage | None = None
    """None for an upload that a test made up."""

    @property
    def complete(self) -> bool:
        return len(self.chunks) == self.total

    @property
    def sha256(self) -> str:
        return hashlib.sha256(b"".join(self.chunks[number] for number in sorted(self.chunks))).hexdigest()


@dataclass
class Mesh:
    """The service: what it has, for both sides."""

    uploads: dict[str, Upload] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    """File names of uploads that were answered no."""
    moods: deque[Mood] = field(default_factory=deque)
    """What MESH does with the next uploads, one after the other."""
    mood: Mood = Mood.TAKES
    """What it does with the uploads after them."""
    failures: dict[str, Exception] = field(default_factory=dict)
    """What MESH answers to `tracking` or `endpoint_lookup`, or to questions about one upload, by MESH id."""
    tracked: list[str] = field(default_factory=list)
    """The MESH ids that it was asked about, in order."""
    looked_up: list[tuple[str, str]] = field(default_factory=list)
    """The organisations and workflows that the directory was asked about, in order."""
    directory: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The mailboxes of organisations other than the practice, by ODS code."""
    inboxes: dict[str, dict[str, tuple[MessageHeaders, bytes]]] = field(default_factory=dict)
    acknowledged: list[tuple[str, str]] = field(default_factory=list)
    """Mailbox and MESH id, in order."""
    before_acknowledging: Callable[[str, str], None] = lambda _mailbox, _mesh_message_id: None
    practice: str = "A20047OT001"
    """Where all messages of ours are routed to."""
    recipient: str | None = None
    """What tracking says of an upload's recipient, where that is not the practice."""
    delivered_ever: dict[str, tuple[MessageHeaders, bytes]] = field(default_factory=dict)
    handed: set[str] = field(default_factory=set)
    """File names of uploads that MESH was given, whatever became of them."""
    tracking_silent: int = 0
    """How many more questions about an upload's recipient MESH leaves open."""
    directory_silent: int = 0
    """How many more questions about a practice's mailbox the directory leaves open."""
    silences: Counter[str] = field(default_factory=Counter)
    """How often MESH left open where an upload, or what is for a practice, goes: by MESH id, and by ODS code."""
    deadly: set[str] = field(default_factory=set)
    """MESH ids of what takes all the memory of a process that downloads it."""

    def deliver(self, mailbox: str, body: bytes, **headers: Any) -> str:
        """Put a message into an inbox; return its id."""
        mesh_message_id = f"IN{len(self.delivered_ever) + 1:06}"
        found = MessageHeaders(message_id=mesh_message_id, recipient=mailbox, **headers)
        self.delivered_ever[mesh_message_id] = found, body
        self.inboxes.setdefault(mailbox, {})[mesh_message_id] = found, body
        return mesh_message_id

    def show_again(self, mailbox: str, mesh_message_id: str) -> None:
        """Offer a message again that was acknowledged: the answer to that was lost, or MESH was restored."""
        self.inboxes[mailbox][mesh_message_id] = self.delivered_ever[mesh_message_id]

    @property
    def taken(self) -> list[Upload]:
        """The complete uploads, oldest first."""
        return [upload for upload in self.uploads.values() if upload.complete]

    @property
    def sent(self) -> list[str]:
        """The message ids of the complete uploads, oldest first."""
        return [upload.file_name.removesuffix(".xml") for upload in self.taken]

    @property
    def addresses(self) -> list[str]:
        """Where the complete uploads are for, oldest first."""
        return [upload.outgoing.to for upload in self.taken if upload.outgoing]

    def knows(self, mesh_message_id: str) -> None:
        """Add a complete, empty upload of another sender under this MESH id."""
        self.uploads[mesh_message_id] = Upload(mesh_message_id, f"{mesh_message_id}.xml", {1: b""}, 1)

    def copies(self, message_id: str) -> list[Upload]:
        """The complete copies of a message of ours, oldest first."""
        return [upload for upload in self.taken if upload.file_name == f"{message_id}.xml"]


@dataclass
class Client:
    """MESH for one mailbox, in the words of `MeshClient`."""

    mesh: Mesh
    mailbox: str

    def handshake(self) -> None:
        pass

    def check(self, outgoing: OutboundMessage) -> None:
        assert outgoing.to

    def send(self, outgoing: OutboundMessage, content: bytes, *, gzipped: bool) -> SendReceipt:
        return self._taken("send", outgoing, 1, 1, gzip.decompress(content) if gzipped else content, None)

    def send_part(
        self,
        outgoing: OutboundMessage,
        part: Part,
        blocks: Iterable[bytes],
        *,
        message_id: str | None,
        smallest_chunk: int,
    ) -> SendReceipt:
        if message_id is not None and message_id not in self.mesh.uploads:
            raise NotFound("send_part", "unknown")
        return self._taken("send_part", outgoing, part.number, part.total, b"".join(blocks), message_id)

    def inbox(self) -> Iterator[str]:
        return iter(list(self.mesh.inboxes.get(self.mailbox, {})))

    def head(self, mesh_message_id: str) -> MessageHeaders:
        return self._waiting(mesh_message_id)[0]

    def download_into(self, mesh_message_id: str, sink: Any, **_: Any) -> MessageHeaders:
        headers, body = self._waiting(mesh_message_id)
        if mesh_message_id in self.mesh.deadly:
            raise Died
        sink.write(body)
        return headers

    def acknowledge(self, mesh_message_id: str) -> None:
        self._waiting(mesh_message_id)
        self.mesh.before_acknowledging(self.mailbox, mesh_message_id)
        del self.mesh.inboxes[self.mailbox][mesh_message_id]
        self.mesh.acknowledged.append((self.mailbox, mesh_message_id))

    def tracking(self, mesh_message_id: str) -> Tracking:
        self.mesh.tracked.append(mesh_message_id)
        if failure := self.mesh.failures.get(mesh_message_id, self.mesh.failures.get("tracking")):
            raise failure
        if mesh_message_id not in self.mesh.uploads:
            raise NotFound("tracking", "unknown")
        complete = self.mesh.uploads[mesh_message_id].complete
        status = "accepted" if complete else "uploading"
        recipient = self.mesh.practice if self.mesh.recipient is None else self.mesh.recipient
        if self.mesh.tracking_silent:
            self.mesh.tracking_silent -= 1
            self.mesh.silences[mesh_message_id] += 1
            recipient = ""
        return Tracking(message_id=mesh_message_id, status=status, recipient=recipient)

    def endpoint_lookup(self, ods_code: str, workflow_id: str) -> EndpointLookup:
        self.mesh.looked_up.append((ods_code, workflow_id))
        if failure := self.mesh.failures.get("endpoint_lookup"):
            raise failure
        if self.mesh.directory_silent:
            self.mesh.directory_silent -= 1
            self.mesh.silences[ods_code] += 1
            return EndpointLookup(mailboxes=())
        practice = (self.mesh.practice,) if self.mesh.practice.startswith(ods_code) else ()
        listed = self.mesh.directory.get(ods_code, practice)
        return EndpointLookup(mailboxes=tuple(Mailbox(mailbox_id=mailbox) for mailbox in listed))

    def _waiting(self, mesh_message_id: str) -> tuple[MessageHeaders, bytes]:
        try:
            return self.mesh.inboxes[self.mailbox][mesh_message_id]
        except KeyError:
            raise NotFound("download", "not in the inbox") from None

    def _taken(
        self, operation: str, outgoing: OutboundMessage, number: int, total: int, content: bytes, known: str | None
    ) -> SendReceipt:
        mood = self.mesh.moods.popleft() if self.mesh.moods else self.mesh.mood
        match mood:
            case Mood.REFUSES:
                self.mesh.refused.add(outgoing.file_name)
                raise Refused(operation, "answered 417", status=417, event="SEND", code="12")
            case Mood.BUSY:
                raise RetryLater(operation, "answered 429", status=429)
            case Mood.UNREACHABLE:
                raise NotSent(operation, "no connection")
            case Mood.LOSES_UNHEARD:
                self.mesh.handed.add(outgoing.file_name)
                raise Uncertain(operation, "the answer was lost", message_id=known)
        self.mesh.handed.add(outgoing.file_name)
        mesh_message_id = known or f"OUT{len(self.mesh.uploads) + 1:06}"
        upload = self.mesh.uploads.setdefault(mesh_message_id, Upload(mesh_message_id, outgoing.file_name, {}, total))
        upload.chunks[number], upload.outgoing = content, outgoing
        if mood is Mood.TAKES_UNHEARD:
            raise Uncertain(operation, "the answer was lost", message_id=known)
        return SendReceipt(message_id=mesh_message_id)


@dataclass
class Connections:
    """MESH for every mailbox of ours, in the words of `MeshConnections`."""

    mesh: Mesh
    port: Callable[[str, Any], Any] = lambda _name, client: client
    forgotten: list[tuple[str, str]] = field(default_factory=list)
    """The organisations and workflows whose mailboxes are to be asked for again, in order."""

    def to(self, mailbox: str) -> Any:
        return self.port("mesh", Client(self.mesh, mailbox))

    def authorised(self, mailbox: str, act: Callable[[Any], Any]) -> Any:
        return act(self.to(mailbox))

    def endpoint_lookup(self, mailbox: str, ods_code: str, workflow_id: str) -> EndpointLookup:
        found: EndpointLookup = self.authorised(mailbox, lambda client: client.endpoint_lookup(ods_code, workflow_id))
        return found

    def forget_lookup(self, ods_code: str, workflow_id: str) -> None:
        self.forgotten.append((ods_code, workflow_id))
