"""Poll a mailbox: handshake, fetch what waits, keep it, let it land in the ledger, and acknowledge it last.

MESH forgets a message once it is acknowledged, so that comes after the raw message is stored and the ledger written
(safety rule 1). What cannot be read or matched is kept, told and acknowledged (rule 6): never dropped, never looped on.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from gpconnect_messaging.itk3.response_codes import REPLACEMENT_NOT_PROCESSED
from gpconnect_messaging.itk3.responses import Outcome, Response, UnreadableResponse, read_response
from gpconnect_messaging.ledger import lifecycle
from gpconnect_messaging.ledger.lifecycle import Fact, FactKind, Status
from gpconnect_messaging.ledger.records import MessageRecord, Received
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.mailboxes.connections import MeshConnections
from gpconnect_messaging.mesh.client import MeshClient
from gpconnect_messaging.mesh.errors import (
    ERROR_CODES,
    Authentication,
    Busy,
    DamagedContent,
    Gone,
    MeshError,
    NeverLeft,
    Refused,
)
from gpconnect_messaging.mesh.models import ReceivedMessage
from gpconnect_messaging.notices import Notifier
from gpconnect_messaging.requests.identity import message_id
from gpconnect_messaging.specification import RESPONSE_WORKFLOW_IDS
from gpconnect_messaging.storage import Evidence

_CLOSED = {Status.INVALID, Status.DELIVERED, Status.REJECTED}


@dataclass(slots=True)
class Polled:
    """What one poll of a mailbox found."""

    matched: int = 0
    unmatched: int = 0
    seen_before: int = 0
    left: int = 0
    """Still waiting in the inbox: time ran out."""


@dataclass(frozen=True, slots=True)
class _Unmatched:
    why: str


@dataclass(frozen=True, kw_only=True)
class Poller:
    """The polling step and what it works with."""

    evidence: Evidence
    ledger: Ledger
    mesh: MeshConnections
    notifier: Notifier
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def poll(self, mailbox: str, time_left: Callable[[], bool] = lambda: True) -> Polled:
        """Empty a mailbox's inbox, message by message while `time_left` says that there is time for one more.

        Raises MeshError where MESH cannot be reached, does not accept us, or would not give a message (after dealing
        with all others), and CredentialsError.
        """
        client = self.mesh.to(mailbox)
        polled = Polled()
        failures: list[MeshError] = []
        try:
            client.handshake()
            for mesh_message_id in client.inbox():
                if not time_left():
                    polled.left += 1
                    continue
                try:
                    self._take(client, mesh_message_id, polled)
                except (Refused, Busy, NeverLeft) as error:
                    failures.append(error)  # one message that MESH will not give must not hold up the others
        except Authentication:
            self.mesh.not_accepted(mailbox)
            raise
        if failures:
            raise failures[0]
        return polled

    def _take(self, client: MeshClient, mesh_message_id: str, polled: Polled) -> None:
        if self.ledger.find_received(client.mailbox, mesh_message_id) is not None:
            # Recorded before, and the acknowledgement was lost.
            polled.seen_before += 1
        else:
            try:
                message, damage = self._download(client, mesh_message_id)
            except Gone:
                return
            key = self.evidence.keep_received(client.mailbox, mesh_message_id, message, message.body)
            found = _Unmatched(damage) if damage else self._understand(client.mailbox, message)
            self._land(client.mailbox, mesh_message_id, key, found, polled)
        try:
            client.acknowledge(mesh_message_id)
        except Gone:
            return

    def _download(self, client: MeshClient, mesh_message_id: str) -> tuple[ReceivedMessage, str]:
        try:
            return client.download(mesh_message_id), ""
        except DamagedContent as error:
            damage = f"its content is damaged: {error.problem}"
        try:
            return client.download(mesh_message_id, as_served=True), damage
        except DamagedContent:
            head = client.head(mesh_message_id)
            return ReceivedMessage(message_id=head.message_id, workflow_id=head.workflow_id, sender=head.sender), damage

    def _land(
        self,
        mailbox: str,
        mesh_message_id: str,
        evidence_key: str,
        found: "tuple[MessageRecord, list[Fact]] | _Unmatched",
        polled: Polled,
    ) -> None:
        received = Received(
            mailbox=mailbox,
            mesh_message_id=mesh_message_id,
            at=self.now(),
            evidence_key=evidence_key,
            outcome="unmatched",
        )
        if isinstance(found, _Unmatched):
            polled.unmatched += 1
            self.notifier.tell(self.ledger.received(received, unmatched_because=found.why))
            return
        record, facts = found
        for fact in facts:
            change = self.ledger.record(record.message_id, fact)
            self.notifier.tell(change.notices if change else ())
            if fact.kind is FactKind.RESPONSE and fact.details["code"] == REPLACEMENT_NOT_PROCESSED:
                self._void_what_it_replaced(record)
        polled.matched += 1
        self.ledger.received(replace(received, outcome=record.message_id))

    def _void_what_it_replaced(self, record: MessageRecord) -> None:
        """The replacement failed: every version that it replaced, at the same recipient, is void (GPCM-SD-035)."""
        for version in range(1, record.version):
            earlier = message_id(record.mailbox, record.encounter, version, record.recipient)
            fact = lifecycle.voided(at=self.now(), by_message_id=record.message_id)
            change = self.ledger.record(str(earlier), fact)
            self.notifier.tell(change.notices if change else ())

    def _understand(self, mailbox: str, message: ReceivedMessage) -> tuple[MessageRecord, list[Fact]] | _Unmatched:
        if message.is_report:
            return self._report(message)
        if message.workflow_id not in RESPONSE_WORKFLOW_IDS:
            return _Unmatched("it came on a workflow that carries no acknowledgements")
        try:
            response = read_response(message.body)
        except UnreadableResponse as error:
            return _Unmatched(str(error))
        record = self._original(mailbox, response)
        if record is None:
            why = "could not read our message's id" if response.original_unreadable else "names no message of ours"
            return _Unmatched(f"it is a response that {why}")
        if record.mailbox != mailbox:
            return _Unmatched("it answers a message of another mailbox")
        return record, self._responses(message, response)

    def _report(self, message: ReceivedMessage) -> tuple[MessageRecord, list[Fact]] | _Unmatched:
        record = self.ledger.find_by_mesh_message_id(message.linked_message_id) if message.linked_message_id else None
        if record is None or not message.linked_message_id:
            return _Unmatched(f"it is a MESH report ({message.status_code or 'no code'}) on no message of ours")
        if message.status_success:
            return _Unmatched(
                f"it is a MESH report of success ({message.status_code or 'no code'}), which is not expected"
            )
        fact = lifecycle.report(
            at=self.now(),
            mesh_message_id=message.message_id,
            linked_mesh_message_id=message.linked_message_id,
            code=message.status_code,
            description=ERROR_CODES.get(message.status_code, "not a code that we know; see the evidence store"),
        )
        return record, [fact]

    def _original(self, mailbox: str, response: Response) -> MessageRecord | None:
        if response.identifier and (record := self.ledger.find(response.identifier)):
            return record
        if response.sender_reference:
            candidates = self.ledger.find_by_encounter(mailbox, response.sender_reference)
            still_open = [record for record in candidates if record.status not in _CLOSED]
            if len(still_open) == 1:
                return still_open[0]
        return None

    def _responses(self, message: ReceivedMessage, response: Response) -> list[Fact]:
        # One verdict for each level that the response speaks of; none at all is a response of unknown meaning.
        outcomes = response.outcomes or (Outcome(level=response.level, verdict=response.verdict, code=None),)
        return [
            lifecycle.response(
                at=self.now(),
                mesh_message_id=message.message_id,
                from_mailbox=message.sender,
                from_organisation=response.sender_ods_code,
                code=outcome.code,
                level=outcome.level,
                verdict=outcome.verdict,
            )
            for outcome in outcomes
        ]
