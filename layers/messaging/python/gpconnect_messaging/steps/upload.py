"""Upload: stream a long message from S3 to MESH, part by part, in fixed memory, continuing where the last run ended.

The message is hashed during the upload. The last HTTP request is completed only if the hash is the one that the ledger
recorded: an upload of a message that was damaged in storage is never completed, and MESH delivers only complete ones.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from gpconnect_messaging.ledger.history import PartialUpload
from gpconnect_messaging.mailboxes.connections import MeshConnections
from gpconnect_messaging.mesh.chunking import Part
from gpconnect_messaging.mesh.errors import NotFound
from gpconnect_messaging.mesh.models import OutboundMessage, SendReceipt
from gpconnect_messaging.storage import DamagedMessageError, Outbox


class OutOfTimeError(Exception):
    """The function's time is nearly over. The chunks that MESH has stay valid: continue in the next run."""


class BeginningLostError(Exception):
    """MESH no longer knows the message whose chunks it accepted: start the upload again."""

    def __init__(self, mesh_message_id: str) -> None:
        super().__init__("MESH no longer knows the message that was begun")
        self.mesh_message_id = mesh_message_id


@dataclass(frozen=True, kw_only=True)
class Upload:
    """The upload of one message. `accepted` is called for every part that MESH accepted, except the last."""

    outbox: Outbox
    mesh: MeshConnections
    mailbox: str
    message_id: str
    sha256: str
    outgoing: OutboundMessage
    parts: Sequence[Part]
    smallest_chunk: int
    begun: Sequence[PartialUpload]
    accepted: Callable[[Part, str], object]

    def run(self, time_left: Callable[[], bool]) -> SendReceipt:
        """Send the missing parts: at least one, and more while `time_left`.

        Raises OutOfTimeError, BeginningLostError, DamagedMessageError, StorageError, and the errors of
        `MeshClient.send_part`; after any of them the accepted parts stay valid.
        """
        before = self._to_continue()
        mesh_message_id = before.mesh_message_id if before else None
        done = before.accepted if before else 0
        digest = hashlib.sha256()
        for part in self.parts[:done]:
            for block in self.outbox.read(self.message_id, part.start, part.length):
                digest.update(block)
        for part in self.parts[done:]:
            if part.number > done + 1 and not time_left():
                raise OutOfTimeError(f"time ran out before chunk {part.number} of {part.total}")
            digest, mesh_message_id = self._send(part, digest, mesh_message_id)
            if not part.is_last:
                self.accepted(part, mesh_message_id)
        if mesh_message_id is None:
            raise ValueError("a message has at least one part")
        return SendReceipt(message_id=mesh_message_id)

    def _to_continue(self) -> PartialUpload | None:
        """Return the partial upload with the most chunks among those with the same chunk boundaries."""
        ends = [part.start + part.length for part in self.parts]
        for partial in reversed(self.begun):
            if partial.chunks == len(self.parts) and partial.end == ends[partial.accepted - 1]:
                return partial
        return None

    def _send(self, part: Part, before: "hashlib._Hash", mesh_message_id: str | None) -> tuple["hashlib._Hash", str]:
        digest = before

        def blocks() -> Iterator[bytes]:
            nonlocal digest
            digest = before.copy()
            for block in self.outbox.read(self.message_id, part.start, part.length):
                digest.update(block)
                yield block
            if part.is_last and digest.hexdigest() != self.sha256:
                raise DamagedMessageError("the stored message is not the one that was built")

        try:
            sent = self.mesh.authorised(
                self.mailbox,
                lambda client: client.send_part(
                    self.outgoing,
                    part,
                    blocks(),
                    message_id=mesh_message_id,
                    smallest_chunk=self.smallest_chunk,
                ),
            )
        except NotFound:
            if mesh_message_id is None:
                raise
        else:
            return digest, sent.message_id
        raise BeginningLostError(mesh_message_id)
