"""Build: turn a request into a stored message with a ledger row and an entry on the send queue.

The order of the writes makes every crash harmless. The builder keeps the request first, claims the version and time
once, stores the message before it creates the ledger row, and queues the message last. A repeat derives the same ids,
writes the same bytes and finds the earlier row. The sweep queues a message that was stored and not queued.

A request that must not be sent now is checked in full and gets a ledger row under the request id: held, not required or
superseded. When the sweep releases a held request, the builder reads the kept request and the document versions that it
checked before. It claims the message version only then, so that the versions that are sent are consecutive.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

from gpconnect_messaging.assembly import AssembledMessage, SourceDocument, assemble, included_resources
from gpconnect_messaging.decision import Course, Decision, decide, known_practice, warn_at
from gpconnect_messaging.derived_ids import Identifiers
from gpconnect_messaging.documents.gate import REFUSING, DocumentGate
from gpconnect_messaging.documents.opened import OpenedFile, active_content
from gpconnect_messaging.identifiers import NumberRange
from gpconnect_messaging.itk3.compose import envelope
from gpconnect_messaging.itk3.message import Message
from gpconnect_messaging.itk3.supplied import LARGEST_RESOURCE, Supplied
from gpconnect_messaging.ledger import lifecycle
from gpconnect_messaging.ledger.lifecycle import EventType, LedgerEvent, MessageHistory, Status
from gpconnect_messaging.ledger.precedence import RequestTimes, object_of, put_before
from gpconnect_messaging.ledger.records import Claim, DropContent, MessageRecord, Origin
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.mailboxes.directory import MailboxDirectory, UnknownMailboxError
from gpconnect_messaging.mailboxes.senders import Sender, SenderDirectory
from gpconnect_messaging.mailboxes.settings import MailboxSettings
from gpconnect_messaging.notifications import Notifier
from gpconnect_messaging.queues import SendQueue
from gpconnect_messaging.quoting import NOT_OURS
from gpconnect_messaging.request_rules import broken_rules, broken_sender_rules
from gpconnect_messaging.requests.models import LARGEST_REQUEST, Request, Withdrawal, parse, parse_request
from gpconnect_messaging.requests.plausibility import implausible_withdrawal
from gpconnect_messaging.requests.refusal import Reason, RequestRefusedError
from gpconnect_messaging.routing.recipients import recipients
from gpconnect_messaging.sizes import in_megabytes
from gpconnect_messaging.stated_times import read_stated
from gpconnect_messaging.steps.lookup import Registration, registration_from_request
from gpconnect_messaging.steps.named_files import FileFinder, NamingRequest
from gpconnect_messaging.steps.scanning import Scanned, unscanned
from gpconnect_messaging.steps.warning import warning
from gpconnect_messaging.storage import DropBucket, DropFile, Evidence, NotThereError, Outbox, Receiver, whole_second
from gpconnect_messaging.usecases.redaction import redacted

REPLACEMENT_WINDOW = timedelta(hours=24)
"""How long after the original a replacement should come (GPCM-SD-037)."""

CLOCKS_DIFFER = timedelta(minutes=1)
"""How much earlier than the builder's clock says a held request may be released."""

MOST_REASONS = 50
"""How many broken rules are listed: the size of a ledger row and of a notification is limited."""


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
class _RequestContent:
    """The documents (primary first) and the ready resources that a request names, with their versions in S3."""

    documents: tuple[OpenedFile, ...]
    ready: tuple[DropFile, ...]
    supplied: tuple[Supplied, ...]
    digests: tuple[str, ...]
    """SHA-256 (hex) of the files, in the order of `versions`."""

    @property
    def versions(self) -> tuple[str, ...]:
        return tuple(file.version for file in (*self.documents, *self.ready))


@dataclass(frozen=True, slots=True)
class _DropEvent:
    """The S3 object of a dropped request (a hash of the key) and S3's sequencer; empty where not known.

    `replaced` is true where S3 did not announce the object, and it was replaced or removed since.
    """

    s3_object: str = ""
    sequencer: str = ""
    replaced: bool = False
    still_current: Callable[[], bool] = lambda: True
    """Ask S3 whether the object was neither replaced nor removed since."""


@dataclass(frozen=True, kw_only=True)
class Builder:
    """The build step and the adapters that it uses."""

    drop: DropBucket
    outbox: Outbox
    evidence: Evidence
    ledger: Ledger
    mailboxes: MailboxDirectory
    send_queue: SendQueue
    notifier: Notifier
    numbers: NumberRange
    identifiers: Identifiers
    senders: SenderDirectory | None = None
    """None: no senders are configured, and every request may use every mailbox."""
    lookup: Callable[[UUID, Request, MailboxSettings], Registration] = registration_from_request
    scanned: Scanned = unscanned
    document_wait: timedelta = timedelta(0)
    """How long a request waits for named documents and ready resources that are not in the drop."""
    gate: DocumentGate = REFUSING
    report_logo: Path | None = None
    report_fonts: tuple[Path, ...] = ()
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def dropped(self, bucket: str, key: str, version: str, arrived: datetime | None, sequencer: str) -> BuildResult:
        """Build the request that was dropped as this object version; document keys are relative to the folder.

        `arrived` is when the request was dropped (UTC), and `sequencer` S3's number of the event, as far as they are
        known. The receipt is written before the object is read, so that the balance misses an unreadable request.
        Raises NotReadyError.
        """
        request_id = self.identifiers.dropped_request_id(bucket, key, version)
        arrived = read_stated(arrived) or self.now()
        origin = Origin(folder=folder_of(key), arrived=arrived)
        self.evidence.receipt(str(request_id))
        if bucket != self.drop.name:  # anyone who may use the queue can imitate S3's event
            return self._refuse(request_id, None, [Reason("request", "lies in a bucket that is not the drop")])
        if not (version and version.isascii()):  # S3 always sends one; without it, one object would be two requests
            return self._refuse(request_id, None, [Reason("request", "was announced without an object version")])
        try:
            version = self.scanned(key, version, "request", arrived) or ""
            raw = self.drop.read(key, version, LARGEST_REQUEST)
        except RequestRefusedError as refused:
            return self._refuse(request_id, None, refused.reasons, origin)
        except NotThereError:
            return self._refuse(request_id, None, [Reason("request", "was removed before it could be read")], origin)
        except ValueError:
            return self._refuse(
                request_id,
                None,
                [
                    Reason(
                        "request",
                        f"is larger than {in_megabytes(LARGEST_REQUEST)}: leave out content that is not needed",
                    )
                ],
                origin,
            )

        def still_current() -> bool:
            return self.drop.current_version(key) == version

        replaced = not sequencer and not still_current()
        drop_event = _DropEvent(object_of(bucket, key), sequencer, replaced, still_current)
        result = self._build(request_id, raw, origin, drop_event=drop_event)
        self.drop.mark_received(key, version, Receiver(str(request_id)))
        return result

    def queued(self, raw: bytes, arrived: datetime | None = None, queue_of: str = "") -> BuildResult:
        """Build a request that came whole as a queue message; document keys are whole keys of the drop bucket.

        `arrived` is when the request was put on the queue (UTC), if known; `queue_of` names the sender that owns the
        queue. Raises NotReadyError.
        """
        request_id = self.identifiers.queued_request_id(raw, queue_of)
        self.evidence.receipt(str(request_id))
        origin = Origin(arrived=read_stated(arrived), queue_of=queue_of)
        return self._build(request_id, raw, origin, needs_own_id=True)

    def again(self, request_id: str) -> BuildResult:
        """Build a kept request that an operator resubmitted, under a new request id.

        The request is checked as if it came now, but keeps the order among the encounter's requests in which it first
        came. Raises UnknownRequestError; LedgerBusyError; NotReadyError.
        """
        order = self.ledger.find_order(request_id)
        if order is None:
            raise UnknownRequestError("this request was not resubmitted by an operator")
        self.evidence.receipt(request_id)
        try:
            raw = self.evidence.request(order.of)
        except NotThereError:
            return self._refuse(UUID(request_id), None, [Reason("request", "is not kept any longer")], order.origin)
        first = order.of
        while earlier := self.ledger.find_order(first):
            first = earlier.of
        versions = order.origin.document_versions or None
        return self._build(UUID(request_id), raw, order.origin, versions, received_as=first, files_of=self.now())

    def release(self, request_id: str) -> BuildResult:
        """Build a held request whose hold window is over; leave a request that is no longer held as it is.

        Raises UnknownRequestError; LedgerBusyError; NotReadyError.
        """
        row = self._recorded(request_id)
        origin = self.ledger.find_origin(request_id)
        if origin is None:
            raise UnknownRequestError("the ledger has no such held request")
        opens = row.history.release_at
        early = (
            opens is None
            or opens > self.now() + CLOCKS_DIFFER
            or row.history.waits_for_a_person
            or row.history.unrecognised
        )
        if row.status not in {Status.HELD, Status.RELEASING} or early:
            return self._as_recorded(row)
        request: Request | None = None
        claim = self.ledger.find_claim(request_id)
        try:
            request = redacted(parse_request(self.evidence.request(request_id)))
            mailbox = self._mailbox(request)
            if claim and (known := self._known(request, mailbox, claim)):
                return self._released(request_id, known)
            naming = NamingRequest(
                receiver=Receiver(request_id, row.encounter_key),
                folder=origin.folder,
                arrived=row.created_at,
                files_of=row.created_at,
                own_folder=False,
                still_current=_DropEvent().still_current,
            )
            content = self._gather(request, origin.document_versions, naming)
            registration = self._look_up(UUID(request_id), request, mailbox, claim)
            if claim is None and (still_held := self._still_held(row, request, mailbox, registration)):
                return still_held
            request = registration.of(request)
            trials = self._trials(request, mailbox, content)
            assembled: Sequence[AssembledMessage] | None = self._check(trials, content)
        except RequestRefusedError as refused:
            return self._refuse_held(row, refused.reasons, claim)
        except NotThereError:
            return self._refuse_held(row, [Reason("request", "is not kept any longer: it waited for too long")], claim)
        claim = claim or self.ledger.start_release(
            request_id,
            trials[0].encounter,
            trials[0].created_at,
            recipients=[trial.recipient.key for trial in trials],
            registration=registration.details,
        )
        if claim is None:
            return self._as_recorded(self._recorded(request_id))
        try:
            result = self._store_all(
                request_id,
                trials,
                assembled,
                claim,
                content,
                arrived=row.created_at,
                late_warning_at=row.history.warn_at,
            )
            return self._released(request_id, result)
        except RequestRefusedError as refused:
            return self._refuse_held(row, refused.reasons, claim)

    def give_up(self, request_id: str, why: str, origin: Origin | None = None) -> BuildResult:
        """Refuse a request that cannot be processed: the request stays kept, and a person is notified.

        `why` is a sentence of this product or the name of an error type, and quotes nothing of the request. `origin` is
        where a new request came from; None for a request that the ledger knows.
        """
        reasons = [Reason("request", f"could not be processed: {why}"), *self._messages_built_before(request_id)]
        if row := self.ledger.find(request_id):
            return self._refuse_held(row, reasons, self.ledger.find_claim(request_id))
        asked: Request | Withdrawal | None
        try:
            asked = parse(self.evidence.request(request_id))
        except Exception:  # noqa: BLE001 - reading the request may be the fault; then the sender is not known
            asked = None
        order = self.ledger.find_order(request_id)
        return self._refuse(UUID(request_id), asked, reasons, order.origin if order else origin)

    def _messages_built_before(self, request_id: str) -> Iterator[Reason]:
        """Name the messages that were built from a request before it failed: they are stored, and sent."""
        claim = self.ledger.find_claim(request_id)
        for message_id in claim.message_ids if claim else ():
            if self.ledger.find(message_id):
                yield Reason("request", f"message {message_id} was built from it before, and is sent all the same")

    def _build(
        self,
        request_id: UUID,
        raw: bytes,
        origin: Origin,
        versions: tuple[str, ...] | None = None,
        drop_event: _DropEvent = _DropEvent(),
        *,
        received_as: str = "",
        files_of: datetime | None = None,
        needs_own_id: bool = False,
    ) -> BuildResult:
        """Build a new request. `versions` are the document versions that were checked before; None: the newest.

        Two are of a resubmitted request: `received_as` is the first request id, and `files_of` the time (UTC) whose
        files the request means.
        """
        received_as = received_as or str(request_id)
        arrived = self.evidence.keep_request(str(request_id), raw, origin.arrived or self.now())
        origin = replace(origin, arrived=arrived, document_versions=())
        if known_row := self.ledger.find(str(request_id)):
            return self._as_recorded(known_row)
        asked: Request | Withdrawal | None = None
        try:
            asked = parse(raw)
            if needs_own_id and asked.request_id is None:
                raise RequestRefusedError.because("request_id", "is missing: a request on the queue needs one")
            self._require_sender(asked, origin)
            mailbox = self._mailbox(asked)
            if isinstance(asked, Withdrawal):
                drop_content, original_id = self._content(request_id, drop_event, raw, ())
                if original_id:
                    return self._repeat(request_id, asked, original_id, origin)
                times = replace(_request_times(asked.deleted, arrived, drop_event), deletion=True)
                return self._withdraw(request_id, asked, times, drop_content)
            request = redacted(asked)
            claim = self.ledger.find_claim(str(request_id))
            if claim and (known := self._known(request, mailbox, claim)):
                return known
            claimed = claim.document_versions if claim else versions
            names_files = request.documents or any(resource.key for resource in request.resources)
            if drop_event.replaced and claimed is None and names_files:
                rule = "was replaced or removed before it was received: the files beside it may be another request's"
                raise RequestRefusedError.because("request", rule)
            naming = NamingRequest(
                receiver=Receiver(received_as, self.identifiers.of_encounter(mailbox.mailbox, request.encounter).key),
                folder=origin.folder,
                arrived=arrived,
                files_of=files_of or arrived,
                own_folder=bool(drop_event.s3_object or origin.folder),
                still_current=drop_event.still_current,
            )
            content = self._gather(request, claimed, naming)
            checked = replace(origin, document_versions=content.versions)
            drop_content, original_id = (
                self._content(request_id, drop_event, raw, content.digests) if claim is None else (None, "")
            )
            if original_id:
                return self._repeat(request_id, request, original_id, checked)
            registration = self._look_up(request_id, request, mailbox, claim)
            asked = request = registration.of(request)
            trials = self._trials(request, mailbox, content)
            assembled: Sequence[AssembledMessage] | None = self._check(trials, content)
        except RequestRefusedError as refused:
            return self._refuse(request_id, asked, refused.reasons, origin)
        late_warning_at = warn_at(request, mailbox, arrived=arrived, now=self.now())
        if claim is None:
            decision = decide(
                request,
                mailbox,
                practice=known_practice(request) if registration.certain else None,
                arrived=arrived,
                now=self.now(),
            )
            decision, events = self._apply_lookup(registration, decision)
            times = _request_times(request.consultation.updated, arrived, drop_event)
            if decision.course is not Course.SEND:
                result = self._hold(
                    request_id, request, decision, times, checked, drop_content, events, late_warning_at
                )
                return replace(result, unanswered=registration.unanswered)
            claim = self.ledger.claim(
                str(request_id),
                trials[0].encounter,
                content.versions,
                trials[0].created_at,
                asked=times,
                recipients=[trial.recipient.key for trial in trials],
                registration=registration.details,
                origin=checked,
                content=drop_content,
            )
            if claim is None:  # a newer request came first: this one becomes no message
                return self._hold(request_id, request, decision, times, checked, drop_content)
        try:
            if claim.document_versions != content.versions:
                # Another builder claimed the request meanwhile: use the same versions.
                content, assembled = self._gather(request, claim.document_versions, naming), None
            return self._store_all(
                str(request_id), trials, assembled, claim, content, arrived=arrived, late_warning_at=late_warning_at
            )
        except RequestRefusedError as refused:
            return self._refuse(request_id, asked, refused.reasons, origin)

    def _content(
        self, request_id: UUID, drop_event: _DropEvent, raw: bytes, digests: Sequence[str]
    ) -> tuple[DropContent | None, str]:
        """Return the content of a dropped request, to be recorded, and the id of the request that it repeats.

        The id is "" where it repeats none. The content is None where it must not be recorded: the request came by the
        queue, or a later version of the object was received before. A refused request may be dropped again unchanged,
        to be checked again: that is no repeat. Raises NotThereError.
        """
        if not drop_event.s3_object:
            return None, ""
        known = self.ledger.find_content(drop_event.s3_object)
        if known and known.request_id == str(request_id):  # another builder has just recorded it
            return None, ""
        content = DropContent(
            s3_object=drop_event.s3_object,
            content=self.identifiers.digest("dropped content", hashlib.sha256(raw).hexdigest(), *digests).hex(),
            request_id=str(request_id),
            sequencer=drop_event.sequencer,
            revision=known.revision if known else 0,
        )
        if known and known.content == content.content:
            row = self.ledger.find(known.request_id)
            if row is None or row.status is not Status.INVALID:
                return None, known.request_id
        return None if known and put_before(drop_event.sequencer, known.sequencer) else content, ""

    def _repeat(self, request_id: UUID, asked: Request | Withdrawal, original_id: str, origin: Origin) -> BuildResult:
        """Record a repeat of an earlier request: it becomes no message, and supersedes none.

        A repeat of a report whose consultation was deleted since is not sent. A person is notified, who knows whether
        the repeat was meant.
        """
        event = lifecycle.repeated(at=self.now(), of_request_id=original_id)
        row = self._row(request_id, asked, (event,), asked.mailbox)
        encounter = self.ledger.encounter(row.encounter_key)
        if isinstance(asked, Request) and encounter.newest and encounter.newest.deletion:
            event = lifecycle.superseded(at=self.now(), by_request_id=encounter.newest_request_id, arrived_later=True)
            row = replace(row, history=MessageHistory((event,)))
        change = self.ledger.create(row, origin)
        self.notifier.notify(change.notifications)
        return BuildResult(str(request_id), change.record.status)

    def _sender(self, origin: Origin) -> Sender | None:
        return self.senders.find(origin.folder, origin.queue_of) if self.senders else None

    def _require_sender(self, asked: Request | Withdrawal, origin: Origin) -> None:
        """Check that the sender may use what the request names. Raises RequestRefusedError; SenderSettingsError."""
        if self.senders and (reasons := list(broken_sender_rules(self._sender(origin), asked, origin.folder))):
            raise RequestRefusedError(reasons)

    def _look_up(
        self, request_id: UUID, request: Request, mailbox: MailboxSettings, claim: Claim | None
    ) -> Registration:
        """Look up the patient's registered practice: once for a message, however often it is built.

        There is no lookup for a request that breaks a rule (the NHS number may be wrong), or that is not sent.
        """
        if claim is not None:
            return Registration.recorded(claim.registration)
        if reasons := list(broken_rules(request, mailbox, self.numbers, self.now())):
            raise RequestRefusedError(reasons)
        return (
            self.lookup(request_id, request, mailbox) if request.clinically_relevant else Registration.stated(request)
        )

    def _apply_lookup(self, registration: Registration, decision: Decision) -> tuple[Decision, tuple[LedgerEvent, ...]]:
        """Hold a request that PDS contradicts for a person, and one that PDS gave no answer about until it does."""
        if registration.certain:
            return decision, ()
        held = replace(decision, course=Course.HOLD, requirement="GPCM-SD-CS-072")
        if registration.differs:
            event = lifecycle.differs(at=self.now(), fields=registration.differs, comparison=registration.comparison)
            return replace(held, why="PDS has the patient's details otherwise"), (event,)
        unanswered = replace(held, why="PDS gave no answer yet")
        return (unanswered if decision.course is Course.SEND else decision), ()

    def _still_held(
        self, row: MessageRecord, request: Request, mailbox: MailboxSettings, registration: Registration
    ) -> BuildResult | None:
        """Record why PDS keeps a held request from becoming a message now; None where it can become one."""
        now, history = self.now(), row.history
        event = lifecycle.differs(at=now, fields=registration.differs, comparison=registration.comparison)
        if registration.unanswered:
            times = len(history.of(EventType.LOOKUP_UNANSWERED)) + 1
            event = lifecycle.lookup_unanswered(at=now, times=times, why=str(registration.unanswered))
        elif not history.with_event(event).undecided_differences:
            decision = decide(request, mailbox, practice=registration.ods_code, arrived=row.created_at, now=now)
            if decision.course is not Course.NOT_REQUIRED:
                return None
            event = lifecycle.not_required(at=now, requirement=decision.requirement, why=decision.why)
        return replace(self._settle(row, event), unanswered=registration.unanswered)

    def _trials(self, request: Request, mailbox: MailboxSettings, content: "_RequestContent") -> list[Message]:
        """Make the messages of a request, one per recipient, as if they were the encounter's first."""
        trial = Message(
            request=request,
            mailbox=mailbox,
            identifiers=self.identifiers,
            version=1,
            created_at=whole_second(self.now()),
            supplied=content.supplied,
        )
        return [replace(trial, recipient=recipient) for recipient in recipients(request)]

    def _store_all(
        self,
        request_id: str,
        trials: Sequence[Message],
        assembled: Sequence[AssembledMessage] | None,
        claim: Claim,
        content: "_RequestContent",
        *,
        arrived: datetime,
        late_warning_at: datetime | None,
    ) -> BuildResult:
        """Store and queue the messages with the claimed version and time.

        `assembled` are the messages of `trials`; None where the documents are others now. Raises RequestRefusedError
        where a message breaks a requirement in this version.
        """
        messages = [
            replace(trial, version=claim.version, created_at=claim.created_at, supplied=content.supplied)
            for trial in trials
        ]
        if assembled is None or messages != list(trials):
            assembled = self._assemble(messages, content)
        return _joined(
            [self._store(request_id, message, claim, content, arrived, late_warning_at) for message in assembled]
        )

    def _hold(
        self,
        request_id: UUID,
        request: Request,
        decision: Decision,
        times: RequestTimes,
        origin: Origin,
        drop_content: DropContent | None,
        more: tuple[LedgerEvent, ...] = (),
        late_warning_at: datetime | None = None,
    ) -> BuildResult:
        """Record a request that is not sent now: held, not required, or superseded at once."""
        now = self.now()
        event = (
            lifecycle.not_required(at=now, requirement=decision.requirement, why=decision.why)
            if decision.course is Course.NOT_REQUIRED
            else lifecycle.held(
                at=now,
                release_at=decision.release_at,
                by_a_person=decision.by_a_person,
                requirement=decision.requirement,
                why=decision.why,
                warn_at=late_warning_at,
            )
        )
        row = self._row(request_id, request, (event, *more), request.mailbox)
        change = self.ledger.record_held(row, times, origin, drop_content)
        self.notifier.notify(change.notifications)
        return self._as_recorded(change.record)

    def _withdraw(
        self, request_id: UUID, withdrawal: Withdrawal, times: RequestTimes, drop_content: DropContent | None
    ) -> BuildResult:
        """Stop the held reports of a deleted consultation, and warn of those that were sent (GPCM-SD-CS-077).

        Raises RequestRefusedError; LedgerBusyError.
        """

        def warn(sent: Sequence[MessageRecord]) -> str:
            try:
                request = redacted(parse_request(self.evidence.request(sent[0].request_id)))
            except (NotThereError, RequestRefusedError):
                request = None
            return self.evidence.keep_warning(str(request_id), warning(withdrawal, request, sent))

        if reasons := list(implausible_withdrawal(withdrawal, self.now())):
            raise RequestRefusedError(reasons)
        row = self._row(request_id, withdrawal, (), withdrawal.mailbox)
        change = self.ledger.withdraw(row, times, warn, drop_content)
        self.notifier.notify(change.notifications)
        return self._as_recorded(change.record)

    def _released(self, request_id: str, result: BuildResult) -> BuildResult:
        event = lifecycle.released(
            at=self.now(), message_ids=[result.message_id, *(copy.message_id for copy in result.copies)]
        )
        self.ledger.record(request_id, event)
        return result

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

    def _known(self, request: Request, mailbox: MailboxSettings, claim: Claim) -> BuildResult | None:
        """Return the messages of a repeated request, if all are stored: none of them must be written again."""
        encounter = self.identifiers.of_encounter(mailbox.mailbox, request.encounter)
        ids = [encounter.message_id(claim.version, recipient.key) for recipient in recipients(request)]
        records = [record for message_id in ids if (record := self.ledger.find(str(message_id)))]
        return _joined([self._queue(record) for record in records]) if len(records) == len(ids) else None

    def _gather(self, request: Request, claimed: tuple[str, ...] | None, naming: NamingRequest) -> "_RequestContent":
        """Find and read the files that the request names, in the claimed versions if there are any.

        Raises RequestRefusedError; NotReadyError.
        """
        documents = self._documents(request, claimed, naming)
        ready = self._ready_resources(request, claimed, naming)
        digests = [document.sha256 for document in documents]
        supplied = tuple(included_resources(request, self._raw_resources(request, ready, digests)))
        return _RequestContent(tuple(documents), tuple(ready.values()), supplied, tuple(digests))

    def _mailbox(self, asked: Request | Withdrawal) -> MailboxSettings:
        try:
            return self.mailboxes.settings(asked.mailbox)
        except UnknownMailboxError:
            raise RequestRefusedError.because("mailbox", "is not a sending mailbox of this environment") from None

    def _account(self, asked: Request | Withdrawal | None, origin: Origin | None) -> str:
        """Return the mailbox that a refused request is recorded under, and whose contacts are notified.

        Where senders are configured it is one of the sender's mailboxes, whatever the request names. Otherwise it is
        the mailbox that the request names, if that is a sending mailbox of this environment.
        """
        if self.senders:
            sender = self._sender(origin) if origin else None
            if sender is None:
                return NOT_OURS
            return asked.mailbox if asked and asked.mailbox in sender.mailboxes else sender.mailboxes[0]
        try:
            return self.mailboxes.settings(asked.mailbox).mailbox if asked else NOT_OURS
        except UnknownMailboxError:
            return NOT_OURS

    def _documents(self, request: Request, claimed: tuple[str, ...] | None, naming: NamingRequest) -> list[OpenedFile]:
        """Find and open the documents, primary first. Raises GateUnavailableError."""
        order = [request.documents.index(document) for document in request.documents_in_order]
        versions = claimed[: len(order)] if claimed is not None else [None] * len(order)
        files: list[OpenedFile] = []
        reasons: dict[int, Sequence[Reason]] = {}
        for index, version in zip(order, versions, strict=True):
            document = request.documents[index]
            try:
                file = self._files.find(document.key, version, f"documents[{index}]", naming)
                sha256 = hashlib.sha256()
                verdict = self.gate.examine(document.content_type, _hashed(self.drop.chunks(file), sha256))
                if verdict.refusal:
                    raise RequestRefusedError.because(f"documents[{index}]", verdict.refusal)
                files.append(OpenedFile.of(file, verdict, sha256.hexdigest()))
            except NotThereError:
                reasons[index] = [Reason(f"documents[{index}].key", "was removed before it could be read")]
            except RequestRefusedError as refused:
                reasons[index] = refused.reasons
        if reasons:  # in the order of the request, and not of the message
            raise RequestRefusedError([reason for index in sorted(reasons) for reason in reasons[index]])
        return files

    def _ready_resources(
        self, request: Request, claimed: tuple[str, ...] | None, naming: NamingRequest
    ) -> dict[int, DropFile]:
        """Find the files of the ready resources, by their index in the request."""
        keys = {index: resource.key for index, resource in enumerate(request.resources) if resource.key is not None}
        versions = claimed[len(request.documents) :] if claimed is not None else [None] * len(keys)
        files: dict[int, DropFile] = {}
        for (index, key), version in zip(keys.items(), versions, strict=True):
            files[index] = self._files.find(key, version, f"resources[{index}]", naming)
        return files

    @property
    def _files(self) -> FileFinder:
        return FileFinder(
            drop=self.drop, ledger=self.ledger, scanned=self.scanned, patience=self.document_wait, now=self.now
        )

    def _raw_resources(
        self, request: Request, files: dict[int, DropFile], digests: list[str]
    ) -> Iterator[tuple[int, bytes]]:
        """Yield the ready resources with their index in the request; add the files' SHA-256 (hex) to `digests`."""
        for index, resource in enumerate(request.resources):
            try:
                raw = (
                    resource.content.encode()
                    if resource.content is not None
                    else self.drop.read(files[index].key, files[index].version, LARGEST_RESOURCE)
                )
            except ValueError:
                raise RequestRefusedError.because(
                    f"resources[{index}]", f"is larger than {in_megabytes(LARGEST_RESOURCE)}"
                ) from None
            except NotThereError:
                raise RequestRefusedError.because(
                    f"resources[{index}].key", "was removed before it could be read"
                ) from None
            if index in files:
                digests.append(hashlib.sha256(raw).hexdigest())
            yield index, raw

    def _check(self, trials: Sequence[Message], content: _RequestContent) -> list[AssembledMessage]:
        """Check the request against the rules and the messages against the requirements; return the messages."""
        trial = trials[0]
        reasons = list(broken_rules(trial.request, trial.mailbox, self.numbers, trial.created_at))
        if reasons:
            raise RequestRefusedError(reasons)
        return self._assemble(trials, content)

    def _assemble(self, messages: Sequence[Message], content: _RequestContent) -> list[AssembledMessage]:
        documents = [
            SourceDocument(file.content_type, file.size, partial(self._read, file)) for file in content.documents
        ]
        return assemble(messages, documents, logo=self.report_logo, fonts=self.report_fonts)

    def _read(self, file: OpenedFile) -> Iterable[bytes]:
        return self.drop.chunks(file) if file.text is None else [file.text]

    def _store(
        self,
        request_id: str,
        assembled: AssembledMessage,
        claim: Claim,
        content: _RequestContent,
        arrived: datetime,
        late_warning_at: datetime | None,
    ) -> BuildResult:
        message = assembled.message
        message_id = str(message.message_id)
        sha256 = self.outbox.put(message_id, envelope(message), assembled.stream())
        event = lifecycle.built(
            at=self.now(),
            sha256=sha256,
            size=assembled.written.size,
            infrastructure_due=message.mailbox.infrastructure_deadline,
            business_due=message.mailbox.business_deadline,
            advice=(*self._advice(message), *active_content(content.documents)),
            to_mailbox=message.recipient.mailbox,
            to_organisation=message.recipient.ods_code or known_practice(message.request),
            registration=claim.registration,
            arrived=arrived,
            warn_at=late_warning_at,
        )
        change = self.ledger.create(
            MessageRecord(
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
        )
        return self._queue(change.record)

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

    def _refuse(
        self,
        request_id: UUID,
        asked: Request | Withdrawal | None,
        reasons: Sequence[Reason],
        origin: Origin | None = None,
    ) -> BuildResult:
        change = self.ledger.create(
            self._row(request_id, asked, (self._refused(reasons),), self._account(asked, origin)), origin
        )
        self.notifier.notify(change.notifications)
        return BuildResult(str(request_id), change.record.status)

    def _refuse_held(self, row: MessageRecord, reasons: Sequence[Reason], claim: Claim | None) -> BuildResult:
        """Refuse a request that was valid when it was held: a setting or a document has changed since."""
        return self._settle(row, self._refused(reasons), claim)

    def _refused(self, reasons: Sequence[Reason]) -> LedgerEvent:
        scans = [reason.scan for reason in reasons if reason.scan]
        return lifecycle.request_refused(at=self.now(), reasons=_listed(reasons), scans=scans)

    def _settle(self, row: MessageRecord, event: LedgerEvent, claim: Claim | None = None) -> BuildResult:
        """Record the outcome of a held request, unless another builder or a newer request was faster."""
        expected = Status.RELEASING if claim else Status.HELD
        change = self.ledger.record(row.message_id, event, only_if=lambda history: history.status is expected)
        if change is None:
            return self._as_recorded(self._recorded(row.message_id))
        self.notifier.notify(change.notifications)
        return BuildResult(row.message_id, change.record.status)

    def _row(
        self, request_id: UUID, asked: Request | Withdrawal | None, events: tuple[LedgerEvent, ...], mailbox: str
    ) -> MessageRecord:
        """Return the row of a request that became no message, under a mailbox."""
        encounter = asked.encounter if asked else NOT_OURS
        return MessageRecord(
            message_id=str(request_id),
            request_id=str(request_id),
            mailbox=mailbox,
            encounter=encounter,
            encounter_key=self.identifiers.of_encounter(mailbox, encounter).key,
            version=0,
            created_at=whole_second(self.now()),
            history=MessageHistory(events),
        )


def folder_of(key: str) -> str:
    """Return the folder of a dropped request with the slash; empty at the root of the bucket."""
    return key[: key.rfind("/") + 1]


def _request_times(stated: datetime | None, arrived: datetime, drop_event: _DropEvent) -> RequestTimes:
    """Return the times that order an encounter's requests: the time that the request states, or else the arrival.

    The stated time is never later than the arrival: a sender's fast clock must not make the next request look older.
    """
    return RequestTimes(
        stated=min(stated, arrived) if stated else arrived,
        arrived=arrived,
        s3_object=drop_event.s3_object,
        sequencer=drop_event.sequencer,
        undated=stated is None,
    )


def _hashed(chunks: Iterable[bytes], into: "hashlib._Hash") -> Iterator[bytes]:
    """Pass chunks on and hash them, so that they are read once."""
    for chunk in chunks:
        into.update(chunk)
        yield chunk


def _joined(results: Sequence[BuildResult]) -> BuildResult:
    """Join the results of one request: the first message, and the copies to further recipients."""
    return replace(results[0], copies=tuple(results[1:]))


def _listed(reasons: Sequence[Reason]) -> list[str]:
    """Return the first `MOST_REASONS` reasons as text: a longer list helps no reader."""
    listed = [str(reason) for reason in reasons[:MOST_REASONS]]
    return listed if len(reasons) <= MOST_REASONS else [*listed, f"… and {len(reasons) - MOST_REASONS} more"]
