"""Send: take a built message, upload it to MESH, and record what became of the upload.

The ledger knows of every upload before it starts, so that none is forgotten and none is repeated unnoticed (safety
rule 2). What may have reached MESH is UNCERTAIN, and waits for the sweep; what never left goes back to the queue.

A care provider other than the registered practice gets the message in the one mailbox that MESH names for it; asking is
part of the attempt, so that it waits and fails as uploads do.
"""

import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import BinaryIO, cast

from gpconnect_messaging.ledger import lifecycle
from gpconnect_messaging.ledger.lifecycle import Fact, FactKind, History, Patience, Status, due_at
from gpconnect_messaging.ledger.records import MessageRecord
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.mailboxes.connections import MeshConnections
from gpconnect_messaging.mesh.errors import Authentication, Busy, NeverLeft, Refused, Uncertain
from gpconnect_messaging.mesh.models import Outgoing
from gpconnect_messaging.notices import Notifier
from gpconnect_messaging.storage import Outbox

_IN_MEMORY = 8 * 1024 * 1024
_MAILBOX = re.compile(r"[!-~]{1,100}")


class UnknownMessageError(Exception):
    """The send queue names a message that the ledger does not have."""


class PostponedError(Exception):
    """Nothing reached MESH this time: the queue must bring the message again."""


@dataclass(frozen=True, kw_only=True)
class Sender:
    """The send step and what it works with."""

    outbox: Outbox
    ledger: Ledger
    mesh: MeshConnections
    notifier: Notifier
    lease: timedelta
    patience: Patience
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def send(self, message_id: str) -> Status:
        """Upload a message, unless it was sent or somebody is sending it; return its status afterwards.

        Raises PostponedError where the upload may be tried again, UnknownMessageError, DamagedMessageError.
        """
        record = self.ledger.find(message_id)
        if record is None:
            raise UnknownMessageError("the ledger has no such message")
        if not self._may_start(record.history):
            return record.status
        attempt = record.history.attempts + 1
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as content:
            # Everything that can fail without MESH comes first: it must not cost an attempt.
            envelope = self.outbox.envelope(message_id)
            self.outbox.copy_message(message_id, record.history.of(FactKind.BUILT)[0].details["sha256"], content)
            client = self.mesh.to(record.mailbox)
            outgoing = Outgoing(
                to=envelope.to or envelope.organisation,
                workflow_id=envelope.workflow_id,
                subject=envelope.subject,
                local_id=envelope.local_id,
                file_name=envelope.file_name,
            )
            client.check(outgoing)
            started = lifecycle.upload_started(at=self.now(), attempt=attempt, lease=self.lease)
            if self.ledger.record(message_id, started, only_if=self._still(attempt)) is None:
                return self._status(message_id)
            resolved: str | None = None
            try:
                if not envelope.to:
                    found = client.endpoint_lookup(envelope.organisation, envelope.workflow_id).mailboxes
                    if len(found) != 1 or not _MAILBOX.fullmatch(found[0].mailbox_id):
                        return self._unresolved(message_id, attempt, envelope.organisation, len(found))
                    resolved = found[0].mailbox_id
                    outgoing = replace(outgoing, to=resolved)
                sent = client.send(outgoing, cast("BinaryIO", content))
            except (NeverLeft, Busy) as error:
                return self._postponed(record, attempt, error.problem)
            except Authentication as error:
                self.mesh.not_accepted(record.mailbox)
                return self._postponed(record, attempt, error.problem)
            except Uncertain as error:
                why = error.problem
                fact = lifecycle.upload_uncertain(at=self.now(), attempt=attempt, why=why, source="sender")
                return self._record(message_id, fact)
            except Refused as error:
                fact = lifecycle.upload_refused(
                    at=self.now(), attempt=attempt, http_status=error.status or 0, error=error.problem
                )
                return self._record(message_id, fact)
        fact = lifecycle.upload_accepted(
            at=self.now(), attempt=attempt, mesh_message_id=sent.message_id, resolved_mailbox=resolved
        )
        return self._record(message_id, fact)

    def _unresolved(self, message_id: str, attempt: int, organisation: str, mailboxes: int) -> Status:
        """None, several or a malformed one: a person decides (GPCM-SD-OC-159, GPCM-SD-GE-286)."""
        fact = lifecycle.recipient_unresolved(
            at=self.now(), attempt=attempt, organisation=organisation, mailboxes=mailboxes
        )
        return self._record(message_id, fact)

    def _may_start(self, history: History) -> bool:
        if history.status is Status.BUILT:
            return True
        # An uncertain upload is repeated only after its wait, however often the queue brings it.
        due = due_at(history, self.patience)
        return (
            history.status is Status.UNCERTAIN
            and due is not None
            and (due <= self.now() or history.facts[-1].kind is FactKind.QUEUED_AGAIN)
        )

    def _still(self, attempt: int) -> Callable[[History], bool]:
        return lambda history: self._may_start(history) and history.attempts == attempt - 1

    def _postponed(self, record: MessageRecord, attempt: int, why: str) -> Status:
        self._record(record.message_id, lifecycle.upload_postponed(at=self.now(), attempt=attempt, why=why))
        raise PostponedError(why)

    def _record(self, message_id: str, fact: Fact) -> Status:
        change = self.ledger.record(message_id, fact)
        if change is None:
            raise UnknownMessageError("the ledger has lost the message")
        self.notifier.tell(change.notices)
        return change.record.status

    def _status(self, message_id: str) -> Status:
        record = self.ledger.find(message_id)
        if record is None:
            raise UnknownMessageError("the ledger has lost the message")
        return record.status
