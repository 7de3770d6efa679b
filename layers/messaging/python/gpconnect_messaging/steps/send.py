"""Send: upload a built message to MESH, and record the result.

The ledger records every upload before it starts, so that no upload is lost or repeated unnoticed (safety rule 2). A
message that did not leave goes back to the queue. An upload that may have reached MESH is resolved in recorded steps:

1. The MESH message id is known (the message has chunks): tracking says whether MESH has the whole message. If so, the
   message is sent; if not, the missing chunks follow under the same id; if MESH does not know the id, the upload starts
   again.
2. The id is not known, or tracking gives no answer: UNCERTAIN. After the wait the same bytes are sent again, unless a
   response came meanwhile. The receiver recognises a duplicate by the message id (20007, then no failure).

A care provider other than the registered practice gets the message in the one mailbox that MESH names for it. That
lookup is part of the attempt, so it waits and fails as an upload does.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.deadlines import Timeouts, due_at
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.records import MessageRecord
from gpconnect_messaging.ledger.status_rules import status_of
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.ledger.stored_names import EventType, Status
from gpconnect_messaging.mailboxes.connections import MeshConnections
from gpconnect_messaging.mailboxes.directory import CredentialsError
from gpconnect_messaging.mesh.chunking import Chunking, Part
from gpconnect_messaging.mesh.errors import Authentication, MeshError, NotFound, NotSent, Refused, RetryLater, Uncertain
from gpconnect_messaging.mesh.models import OutboundMessage, SendReceipt
from gpconnect_messaging.notifications import Notifier
from gpconnect_messaging.steps.upload import BeginningLostError, OutOfTimeError, Upload
from gpconnect_messaging.storage import DamagedMessageError, NotThereError, Outbox, StorageError, StoredMessage

_LONGEST_OBEYED = timedelta(minutes=15)
"""The longest Retry-After that is obeyed: a report has three hours, and after some tries a person is notified."""
# MESH's statuses of a message that it has as a whole (delivered or not), and of an incomplete one.
_COMPLETE = frozenset({"accepted", "acknowledged", "error", "undeliverable", "undelivered"})
_INCOMPLETE = "uploading"
_UNKNOWN_TO_MESH = "unknown to MESH"
_STATUSES = _COMPLETE | {_INCOMPLETE, _UNKNOWN_TO_MESH}


class UnknownMessageError(Exception):
    """The send queue names a message that the ledger does not have."""


class PostponedError(Exception):
    """The message did not reach MESH as a whole: the queue must deliver it again."""


class NotAuthorisedError(PostponedError):
    """MESH refused the credentials, and the secret that was read again is refused or unusable: correct the secret."""


@dataclass(frozen=True, kw_only=True)
class Sender:
    """The send step and the adapters that it uses."""

    outbox: Outbox
    ledger: Ledger
    mesh: MeshConnections
    notifier: Notifier
    lease: timedelta
    timeouts: Timeouts
    chunking: Chunking = field(default_factory=Chunking)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def send(self, message_id: str, time_left: Callable[[], bool] = lambda: True) -> Status:
        """Upload a message, unless it was sent or is being sent; return the status afterwards.

        A long message is sent in chunks while `time_left` allows one more. Raises PostponedError where the upload may
        be tried again or continued, UnknownMessageError, DamagedMessageError.
        """
        record = self.ledger.find(message_id)
        if record is None:
            raise UnknownMessageError("the ledger has no such message")
        if not self._may_start(record.history) or not self.ledger.earlier_left(record):
            return record.status  # an earlier version of the encounter goes first: the sweep re-queues this one
        attempt = record.history.attempts + 1
        built = record.history.of(EventType.BUILT)[0].details
        parts = self.chunking.parts(built["size"])
        # Checks that can fail without MESH come first: they must not use up an attempt.
        stored = self.outbox.open(message_id, built["sha256"])
        envelope = stored.envelope
        outgoing = OutboundMessage(
            to=envelope.to or envelope.organisation,
            workflow_id=envelope.workflow_id,
            subject=envelope.subject,
            local_id=envelope.local_id,
            file_name=envelope.file_name,
        )
        self.mesh.to(record.mailbox).check(outgoing)
        started = ledger_events.upload_started(at=self.now(), attempt=attempt, lease=self.lease, chunks=len(parts))
        change = self.ledger.record(message_id, started, only_if=self._still(attempt))
        if change is None or not change.recorded:
            return self._status(message_id)  # another sender was faster
        resolved: str | None = None
        try:
            if not envelope.to:
                lookup = self.mesh.endpoint_lookup(record.mailbox, envelope.organisation, envelope.workflow_id)
                resolved = lookup.only
                if resolved is None:
                    return self._unresolved(message_id, attempt, envelope.organisation, len(lookup.mailboxes))
                outgoing = replace(outgoing, to=resolved)
            sent = self._upload(record, attempt, parts, stored, outgoing, time_left)
        except NotSent as error:
            return self._postponed(record, attempt, error.problem)
        except RetryLater as error:
            return self._postponed(record, attempt, error.problem, wait=error.retry_after)
        except Authentication as error:
            return self._postponed(record, attempt, error.problem, NotAuthorisedError)
        except CredentialsError as error:
            # The secret could not be used: nothing was sent that MESH would have accepted.
            return self._postponed(record, attempt, str(error), NotAuthorisedError)
        except OutOfTimeError as error:
            return self._postponed(record, attempt, str(error))
        except BeginningLostError as error:
            return self._postponed(record, attempt, str(error), abandoned=error.mesh_message_id)
        except (DamagedMessageError, NotThereError, StorageError) as error:
            # The HTTP request ended early: MESH has accepted nothing of it.
            self._record(message_id, ledger_events.upload_postponed(at=self.now(), attempt=attempt, why=str(error)))
            raise
        except Uncertain as error:
            return self._uncertain(record, attempt, error)
        except Refused as error:
            if resolved:
                self.mesh.forget_lookup(envelope.organisation, envelope.workflow_id)
            event = ledger_events.upload_refused(
                at=self.now(), attempt=attempt, http_status=error.status or 0, error=error.problem
            )
            return self._record(message_id, event)
        event = ledger_events.upload_accepted(
            at=self.now(), attempt=attempt, mesh_message_id=sent.message_id, resolved_mailbox=resolved
        )
        return self._record(message_id, event)

    def _unresolved(self, message_id: str, attempt: int, organisation: str, mailboxes: int) -> Status:
        """MESH names no mailbox, several or a malformed one: a person decides (GPCM-SD-OC-159, GPCM-SD-GE-286)."""
        event = ledger_events.recipient_unresolved(
            at=self.now(), attempt=attempt, organisation=organisation, mailboxes=mailboxes
        )
        return self._record(message_id, event)

    def _upload(
        self,
        record: MessageRecord,
        attempt: int,
        parts: list[Part],
        stored: StoredMessage,
        outgoing: OutboundMessage,
        time_left: Callable[[], bool],
    ) -> SendReceipt:
        """Upload a short message, which was verified when it was read; stream a long one, and verify it meanwhile."""
        gzipped, message_id = stored.gzipped, record.message_id
        if gzipped is not None:
            return self.mesh.authorised(record.mailbox, lambda client: client.send(outgoing, gzipped, gzipped=True))

        def accepted(part: Part, mesh_message_id: str) -> None:
            event = ledger_events.chunk_accepted(
                at=self.now(), attempt=attempt, mesh_message_id=mesh_message_id, number=part.number,
                chunks=part.total, end=part.start + part.length,
            )  # fmt: skip
            self._record(message_id, event)

        return Upload(
            outbox=self.outbox,
            mesh=self.mesh,
            mailbox=record.mailbox,
            message_id=message_id,
            sha256=record.history.of(EventType.BUILT)[0].details["sha256"],
            outgoing=outgoing,
            parts=parts,
            smallest_chunk=self.chunking.smallest_chunk,
            begun=record.history.partial_uploads,
            accepted=accepted,
        ).run(time_left)

    def _uncertain(self, record: MessageRecord, attempt: int, error: Uncertain) -> Status:
        """Resolve an uncertain upload by tracking, where the MESH message id is known; else leave it to the sweep."""
        event = ledger_events.upload_uncertain(at=self.now(), attempt=attempt, why=error.problem, source="sender")
        if error.message_id is None:
            return self._record(record.message_id, event)
        mesh_message_id = error.message_id
        try:
            mesh_status = self.mesh.authorised(record.mailbox, lambda client: client.tracking(mesh_message_id)).status
        except NotFound:
            mesh_status = _UNKNOWN_TO_MESH
        except (MeshError, CredentialsError):
            return self._record(record.message_id, event)
        tracked = ledger_events.upload_tracked(
            at=self.now(), attempt=attempt, mesh_message_id=mesh_message_id,
            mesh_status=mesh_status if mesh_status in _STATUSES else "a status that we do not know",
        )  # fmt: skip
        self._record(record.message_id, tracked)
        if mesh_status in _COMPLETE:
            event = ledger_events.upload_accepted(at=self.now(), attempt=attempt, mesh_message_id=mesh_message_id)
        elif mesh_status == _INCOMPLETE:
            return self._postponed(record, attempt, "MESH has not all chunks")
        elif mesh_status == _UNKNOWN_TO_MESH:
            return self._postponed(record, attempt, mesh_status, abandoned=mesh_message_id)
        return self._record(record.message_id, event)

    def _may_start(self, history: MessageHistory) -> bool:
        if history.unrecognised:
            return False
        # The queue may deliver the message during a wait that MESH asked for or that an uncertain upload needs. The
        # wait still counts: after it, the sweep re-queues the message.
        match status_of(history):
            case Status.BUILT:
                due = history.not_before
            case Status.UNCERTAIN:
                due = due_at(history, self.timeouts)
            case _:
                return False
        return due is None or due <= self.now() or history.events[-1].kind is EventType.QUEUED_AGAIN

    def _still(self, attempt: int) -> Callable[[MessageHistory], bool]:
        return lambda history: self._may_start(history) and history.attempts == attempt - 1

    def _postponed(
        self,
        record: MessageRecord,
        attempt: int,
        why: str,
        error: type[PostponedError] = PostponedError,
        *,
        abandoned: str | None = None,
        wait: float | None = None,
    ) -> Status:
        at = self.now()
        not_before = at + min(timedelta(seconds=wait), _LONGEST_OBEYED) if wait else None
        event = ledger_events.upload_postponed(
            at=at, attempt=attempt, why=why, abandoned=abandoned, not_before=not_before
        )
        self._record(record.message_id, event)
        raise error(why)

    def _record(self, message_id: str, event: LedgerEvent) -> Status:
        change = self.ledger.record(message_id, event)
        if change is None:
            raise UnknownMessageError("the ledger has lost the message")
        self.notifier.notify(change.notifications)
        return change.record.status

    def _status(self, message_id: str) -> Status:
        record = self.ledger.find(message_id)
        if record is None:
            raise UnknownMessageError("the ledger has lost the message")
        return record.status
