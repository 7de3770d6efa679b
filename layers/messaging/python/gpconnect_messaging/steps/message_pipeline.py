"""What a new request and a held one share on the way to stored messages: look up, assemble, store and queue.

One pipeline makes the messages of both, so that a held request becomes the message that it would have become at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

from gpconnect_messaging.assembly import AssembledMessage, SourceDocument, assemble
from gpconnect_messaging.decision import known_practice
from gpconnect_messaging.derived_ids import Identifiers
from gpconnect_messaging.documents.gate import REFUSING, DocumentGate
from gpconnect_messaging.documents.opened import active_content
from gpconnect_messaging.identifiers import NumberRange
from gpconnect_messaging.itk3.compose import envelope
from gpconnect_messaging.itk3.message import Message
from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.received_objects import ReceivedObjects
from gpconnect_messaging.ledger.records import Claim, MessageRecord
from gpconnect_messaging.ledger.status_rules import status_of
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.mailboxes.directory import MailboxDirectory, UnknownMailboxError
from gpconnect_messaging.mailboxes.senders import SenderDirectory
from gpconnect_messaging.mailboxes.settings import MailboxSettings
from gpconnect_messaging.notifications import Notifier
from gpconnect_messaging.queues import SendQueue
from gpconnect_messaging.request_rules import broken_rules
from gpconnect_messaging.requests.models import VERIFIED, Request, Withdrawal
from gpconnect_messaging.requests.refusal import MOST_REASONS, Reason, RequestRefusedError
from gpconnect_messaging.routing.recipients import recipients
from gpconnect_messaging.steps.lookup import Registration, registration_from_request
from gpconnect_messaging.steps.named_files import FileFinder, NamingRequest
from gpconnect_messaging.steps.request_content import ContentReader, RequestContent
from gpconnect_messaging.steps.scanning import Scanned, unscanned
from gpconnect_messaging.storage import DropBucket, Evidence, Outbox, whole_second

REPLACEMENT_WINDOW = timedelta(hours=24)
"""How long after the original a replacement should come (GPCM-SD-037)."""


class UnknownRequestError(Exception):
    """The intake queue names a held request that the ledger does not have."""


@dataclass(frozen=True, slots=True)
class BuildResult:
    """The result of building a request: an id and a status.

    The id is the message's, or the request's where there is no message. `copies` are the messages that carry the same
    document to further recipients.
    """

    message_id: str
    status: Status
    copies: "tuple[BuildResult, ...]" = ()
    unanswered: Exception | None = None
    """Why PDS gave no answer when it was asked: the request is held, and PDS is asked again."""
    gave_up: Exception | None = None
    """The error that the request caused on the last receive, for which it is refused."""


@dataclass(frozen=True, slots=True)
class Drafts:
    """A request's messages as if they were the encounter's first; `assembled` is None where the documents changed."""

    messages: Sequence[Message]
    assembled: Sequence[AssembledMessage] | None


@dataclass(frozen=True, kw_only=True)
class MessagePipeline:
    """The adapters of the build step, and the parts that intake and release share."""

    drop: DropBucket
    outbox: Outbox
    evidence: Evidence
    ledger: Ledger
    received: ReceivedObjects
    mailboxes: MailboxDirectory
    send_queue: SendQueue
    notifier: Notifier
    numbers: NumberRange
    identifiers: Identifiers
    senders: SenderDirectory | None = None
    """None: no senders are configured, and every request may use every mailbox."""
    lookup: Callable[[UUID, Request, MailboxSettings, bool], Registration] = registration_from_request
    scanned: Scanned = unscanned
    document_wait: timedelta = timedelta(0)
    """How long a request waits for named documents and ready resources that are not in the drop."""
    gate: DocumentGate = REFUSING
    report_logo: Path | None = None
    report_fonts: tuple[Path, ...] = ()
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def _content(self, request: Request, claimed: tuple[str, ...] | None, naming: NamingRequest) -> RequestContent:
        """Read the files that a request names. Raises RequestRefusedError; NotReadyError; GateUnavailableError."""
        files = FileFinder(
            drop=self.drop,
            received=self.received,
            scanned=self.scanned,
            patience=self.document_wait,
            now=self.now,
        )
        return ContentReader(drop=self.drop, files=files, gate=self.gate).read(request, claimed, naming)

    def _mailbox(self, asked: Request | Withdrawal) -> MailboxSettings:
        try:
            return self.mailboxes.settings(asked.mailbox)
        except UnknownMailboxError:
            raise RequestRefusedError.because("mailbox", "is not a sending mailbox of this environment") from None

    def _known(self, request: Request, mailbox: MailboxSettings, claim: Claim) -> BuildResult | None:
        """Return the messages of a repeated request, if all are stored: none of them must be written again."""
        encounter = self.identifiers.of_encounter(mailbox.mailbox, request.encounter)
        ids = [encounter.message_id(claim.version, recipient.key) for recipient in recipients(request)]
        records = [record for message_id in ids if (record := self.ledger.find(str(message_id)))]
        return _joined([self._queue(record) for record in records]) if len(records) == len(ids) else None

    def _look_up(
        self, request_id: UUID, request: Request, mailbox: MailboxSettings, claim: Claim | None, *, held: bool
    ) -> Registration:
        """Look up the patient's registered practice: once for a message, however often it is built.

        A request that is `held` first is looked up when it is released.

        There is no lookup for a request that breaks a rule (the NHS number may be wrong), or that is not sent. Whether
        the patient must be fully described depends on the answer, and is judged by `_drafts`.
        """
        if claim is not None:
            return Registration.recorded(claim.registration)
        answered = request.with_number_status(VERIFIED)
        if reasons := list(broken_rules(answered, mailbox, self.numbers, self.now())):
            raise RequestRefusedError(reasons)
        if not request.clinically_relevant:
            return Registration.stated(request)
        return self.lookup(request_id, request, mailbox, held)

    def _drafts(self, request: Request, mailbox: MailboxSettings, content: RequestContent) -> Drafts:
        """Assemble and check the messages of a request, one per recipient, as if they were the encounter's first.

        Raises RequestRefusedError.
        """
        now = whole_second(self.now())
        if reasons := list(broken_rules(request, mailbox, self.numbers, now)):
            raise RequestRefusedError(reasons)
        first = Message(
            request=request,
            mailbox=mailbox,
            identifiers=self.identifiers,
            version=1,
            created_at=now,
            supplied=content.supplied,
        )
        messages = [replace(first, recipient=recipient) for recipient in recipients(request)]
        return Drafts(messages, self._assemble(messages, content))

    def _assemble(self, messages: Sequence[Message], content: RequestContent) -> list[AssembledMessage]:
        documents = [
            SourceDocument(file.content_type, file.size, partial(self.drop.chunks, file)) for file in content.documents
        ]
        return assemble(messages, documents, logo=self.report_logo, fonts=self.report_fonts)

    def _store_all(
        self,
        request_id: str,
        drafts: Drafts,
        claim: Claim,
        content: RequestContent,
        *,
        arrived: datetime,
        late_warning_at: datetime | None,
        was_held: bool = False,
    ) -> BuildResult:
        """Store and queue the messages with the claimed version and time; a request that `was_held` is released.

        A draft that has them already is stored as it is. Raises RequestRefusedError where a message breaks a
        requirement in this version.
        """
        messages = [
            replace(draft, version=claim.version, created_at=claim.created_at, supplied=content.supplied)
            for draft in drafts.messages
        ]
        assembled = drafts.assembled
        if assembled is None or messages != list(drafts.messages):
            assembled = self._assemble(messages, content)
        records = [self._store(request_id, message, claim, content, arrived, late_warning_at) for message in assembled]
        # In one change: a request is never stored by half.
        ids = [record.message_id for record in records]
        released = ledger_events.released(at=self.now(), message_ids=ids) if was_held else None
        return _joined([self._queue(record) for record in self.ledger.create_all(records, released)])

    def _store(
        self,
        request_id: str,
        assembled: AssembledMessage,
        claim: Claim,
        content: RequestContent,
        arrived: datetime,
        late_warning_at: datetime | None,
    ) -> MessageRecord:
        """Put a message into the outbox; return the record to create."""
        message = assembled.message
        message_id = str(message.message_id)
        sha256 = self.outbox.put(message_id, envelope(message), assembled.stream())
        event = ledger_events.built(
            at=self.now(),
            sha256=sha256,
            size=assembled.written.size,
            infrastructure_due=message.mailbox.infrastructure_deadline,
            business_due=message.mailbox.business_deadline,
            advice=(*self._advice(message), *assembled.warnings, *active_content(content.documents)),
            to_mailbox=message.recipient.mailbox,
            to_organisation=message.recipient.ods_code or known_practice(message.request),
            registration=claim.registration,
            arrived=arrived,
            warn_at=late_warning_at,
        )
        return MessageRecord(
            message_id=message_id,
            request_id=request_id,
            mailbox=message.mailbox.mailbox,
            encounter=message.request.encounter,
            encounter_key=message.encounter.key,
            version=message.version,
            recipient=message.recipient.key,
            created_at=message.created_at,
            history=MessageHistory((event,)),
            messages=len(recipients(message.request)),
        )

    def _queue(self, record: MessageRecord) -> BuildResult:
        if record.status is Status.BUILT and not record.history.unrecognised:
            self.send_queue.put(record.message_id, record.mailbox)
        return BuildResult(record.message_id, record.status)

    def _advice(self, message: Message) -> tuple[str, ...]:
        """Name the advice (SHOULD NOT) that the message goes against."""
        if message.version == 1:
            return ()
        first = message.encounter.message_id(1, message.recipient.key)
        original = self.ledger.find(str(first))
        late = original is not None and message.created_at - original.created_at > REPLACEMENT_WINDOW
        return ("GPCM-SD-037: the replacement comes more than 24 hours after the original",) if late else ()

    def _recorded(self, row_id: str) -> MessageRecord:
        """Read a row as it is now. Raises UnknownRequestError."""
        row = self.ledger.find(row_id)
        if row is None:
            raise UnknownRequestError("the ledger has no such request")
        return row

    def _as_recorded(self, row: MessageRecord) -> BuildResult:
        """Return the result of a request that has a row; the messages that it was released as are re-queued."""
        records = [record for message_id in row.history.became if (record := self.ledger.find(message_id))]
        return (
            _joined([self._queue(record) for record in records]) if records else BuildResult(row.message_id, row.status)
        )

    def _refused(self, reasons: Sequence[Reason]) -> LedgerEvent:
        scans = [reason.scan for reason in reasons if reason.scan]
        return ledger_events.request_refused(at=self.now(), reasons=_listed(reasons), scans=scans)

    def _settle(self, row: MessageRecord, event: LedgerEvent, claim: Claim | None = None) -> BuildResult:
        """Record the outcome of a held request, unless another builder or a newer request was faster."""
        expected = Status.RELEASING if claim else Status.HELD
        change = self.ledger.record(row.message_id, event, only_if=lambda history: status_of(history) is expected)
        if change is None:
            return self._as_recorded(self._recorded(row.message_id))
        self.notifier.notify(change.notifications)
        return BuildResult(row.message_id, change.record.status)


def _joined(results: Sequence[BuildResult]) -> BuildResult:
    """Join the results of one request: the first message, and the copies to further recipients."""
    return replace(results[0], copies=tuple(results[1:]))


def _listed(reasons: Sequence[Reason]) -> list[str]:
    """Return the first `MOST_REASONS` reasons as text."""
    listed = [str(reason) for reason in reasons[:MOST_REASONS]]
    return listed if len(reasons) <= MOST_REASONS else [*listed, f"… and {len(reasons) - MOST_REASONS} more"]
