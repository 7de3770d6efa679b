"""Build: from a request to a stored message, its ledger row and its place on the send queue.

The order makes every crash harmless: the request is kept first; its version and time are claimed once; the message is
stored before the ledger knows of it, and queued after. A repeat derives the same ids, writes the same bytes, and finds
the earlier row; the sweep queues what was stored and not queued.

What is not to be sent now is checked in full, and becomes a row of the ledger under the request's own id: held, not
required, superseded. A held request is built from what was kept, and from the documents' versions of the time when it
was checked, once the sweep offers it again; its version is claimed only then, so that those sent are consecutive.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from uuid import UUID

from gpconnect_messaging.decision import Course, Decision, decide, known_practice, warn_at
from gpconnect_messaging.documents.gate import REFUSING, DocumentGate
from gpconnect_messaging.documents.opened import OpenedFile, active_content
from gpconnect_messaging.documents.report import RenderedReport, ReportRenderer, as_carried, with_report
from gpconnect_messaging.draft_messages import require_conformance
from gpconnect_messaging.itk3.compose import ComposedMessage, NotFhirError, compose, envelope
from gpconnect_messaging.itk3.message import Message
from gpconnect_messaging.itk3.supplied import LARGEST_RESOURCE, Supplied, read_supplied
from gpconnect_messaging.ledger import lifecycle
from gpconnect_messaging.ledger.lifecycle import EventType, LedgerEvent, MessageHistory, Status
from gpconnect_messaging.ledger.precedence import RequestTimes, object_of, put_before
from gpconnect_messaging.ledger.records import Claim, DropContent, MessageRecord, Origin
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.mailboxes.directory import MailboxDirectory, UnknownMailboxError
from gpconnect_messaging.mailboxes.senders import SenderDirectory
from gpconnect_messaging.mailboxes.settings import MailboxSettings
from gpconnect_messaging.notifications import Notifier
from gpconnect_messaging.queues import SendQueue
from gpconnect_messaging.quoting import NOT_OURS
from gpconnect_messaging.requests.identity import Identifiers
from gpconnect_messaging.requests.models import LARGEST_REQUEST, Request, Withdrawal, parse, parse_request
from gpconnect_messaging.requests.nhs_number import NumberRange
from gpconnect_messaging.requests.plausibility import implausible_withdrawal
from gpconnect_messaging.requests.redaction import redacted
from gpconnect_messaging.requests.refusal import Reason, RequestRefusedError
from gpconnect_messaging.requests.rules import broken_rules
from gpconnect_messaging.requests.senders import Sender, broken_sender_rules
from gpconnect_messaging.routing.recipients import recipients
from gpconnect_messaging.sizes import in_megabytes
from gpconnect_messaging.stated_times import read_stated
from gpconnect_messaging.steps.lookup import Registration, registration_from_request
from gpconnect_messaging.steps.named_files import FileFinder, NamingRequest
from gpconnect_messaging.steps.scanning import Scanned, unscanned
from gpconnect_messaging.steps.warning import warning
from gpconnect_messaging.storage import DropBucket, DropFile, Evidence, NotThereError, Outbox, Receiver, whole_second
from gpconnect_messaging.usecases import USE_CASES

REPLACEMENT_WINDOW = timedelta(hours=24)
"""How long after the original a replacement should come (GPCM-SD-037)."""

CLOCKS_DIFFER = timedelta(minutes=1)
"""How much earlier than the builder's clock says a held request may be offered to it."""

MOST_REASONS = 50
"""How many broken rules are listed; the ledger's row and the notification have their limits."""

_renderer = cache(ReportRenderer)
"""One renderer per design and paper size: fonts are read once."""


class UnknownRequestError(Exception):
    """The intake queue names a held request that the ledger does not have."""


@dataclass(frozen=True, slots=True)
class BuildResult:
    """What became of a request: the message's id (or the request's own, where it is none) and its status.

    `copies` are the messages to further recipients of the same document.
    """

    message_id: str
    status: Status
    copies: "tuple[BuildResult, ...]" = ()
    unanswered: Exception | None = None
    """Why PDS gave no answer, where it was asked and gave none: the request is held, and PDS asked again."""
    gave_up: Exception | None = None
    """What the request provoked on the queue's last receive, for which it is refused."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What a request names: its documents, primary first, its ready resources, and the versions of both in S3."""

    documents: tuple[OpenedFile, ...]
    ready: tuple[DropFile, ...]
    supplied: tuple[Supplied, ...]
    digests: tuple[str, ...]
    """SHA-256 (hex) of each file, in the order of `versions`."""

    @property
    def versions(self) -> tuple[str, ...]:
        return tuple(file.version for file in (*self.documents, *self.ready))


@dataclass(frozen=True, slots=True)
class _Put:
    """Which S3 object a request was put as (a hash of its key), and S3's sequencer of that; empty where not known.

    `replaced` says that S3 did not announce it, and that another version or a removal lies on it by now.
    """

    s3_object: str = ""
    sequencer: str = ""
    replaced: bool = False
    still_current: Callable[[], bool] = lambda: True
    """Ask S3 whether no other version and no removal lies on it yet."""


@dataclass(frozen=True, slots=True)
class _Composed:
    """A message with the report that was rendered for it, if any, written around its documents."""

    message: Message
    documents: tuple[OpenedFile, ...]
    sources: tuple["OpenedFile | RenderedReport", ...]
    written: ComposedMessage


@dataclass(frozen=True, kw_only=True)
class Builder:
    """The build step and what it works with."""

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
    """None: no senders are configured, and whoever may put a request may use every mailbox."""
    lookup: Callable[[UUID, Request, MailboxSettings], Registration] = registration_from_request
    scanned: Scanned = unscanned
    document_wait: timedelta = timedelta(0)
    """How long a request waits for documents and ready resources that it names and that are not in the drop."""
    gate: DocumentGate = REFUSING
    report_logo: Path | None = None
    report_fonts: tuple[Path, ...] = ()
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def dropped(self, bucket: str, key: str, version: str, arrived: datetime | None, sequencer: str) -> BuildResult:
        """Build the request that was dropped as this object version; its documents' keys are relative to its folder.

        `arrived` is when it was dropped (UTC), and `sequencer` S3's number of the event, as far as they are known. The
        receipt comes before the object is read: what cannot be read must be missed. Raises NotReadyError.
        """
        request_id = self.identifiers.dropped_request_id(bucket, key, version)
        arrived = read_stated(arrived) or self.now()
        origin = Origin(folder=folder_of(key), arrived=arrived)
        self.evidence.receipt(str(request_id))
        if bucket != self.drop.name:  # whoever may use the queue can write what looks like S3's event
            return self._refuse(request_id, None, [Reason("request", "lies in a bucket that is not the drop")])
        if not (version and version.isascii()):  # S3 always names one; without it, one object would be two requests
            return self._refuse(request_id, None, [Reason("request", "was announced without its object's version")])
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
                [Reason("request", f"is larger than {in_megabytes(LARGEST_REQUEST)}: leave out what is not needed")],
                origin,
            )

        def still_current() -> bool:
            return self.drop.current_version(key) == version

        replaced = not sequencer and not still_current()
        put = _Put(object_of(bucket, key), sequencer, replaced, still_current)
        built = self._build(request_id, raw, origin, put=put)
        self.drop.mark_received(key, version, Receiver(str(request_id)))
        return built

    def queued(self, raw: bytes, arrived: datetime | None = None, queue_of: str = "") -> BuildResult:
        """Build a request that came whole as a queue message; its documents' keys are whole keys of the drop bucket.

        `arrived` is when it was put on the queue (UTC), as far as that is known; `queue_of` names the sender whose own
        queue it is. Raises NotReadyError.
        """
        request_id = self.identifiers.queued_request_id(raw, queue_of)
        self.evidence.receipt(str(request_id))
        origin = Origin(arrived=read_stated(arrived) or self.now(), queue_of=queue_of)
        return self._build(request_id, raw, origin, needs_own_id=True)

    def again(self, request_id: str) -> BuildResult:
        """Take in once more, under an id of its own, the kept request that an operator ordered so.

        It is checked and decided on as if it came now, but stands among its encounter's requests where it first came.
        Raises UnknownRequestError; LedgerBusyError; NotReadyError.
        """
        order = self.ledger.find_order(request_id)
        if order is None:
            raise UnknownRequestError("nobody ordered this request to be taken in again")
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
        """Build a held request whose time has come; one that is not held any more is left as it is.

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
            )
            found = self._gather(request, origin.document_versions, naming)
            looked = self._look_up(UUID(request_id), request, mailbox, claim)
            if claim is None and (waits := self._still_waits(row, request, mailbox, looked)):
                return waits
            request = looked.of(request)
            trials = self._trials(request, mailbox, found)
            composed = self._check(trials, found)
        except RequestRefusedError as refused:
            return self._refuse_held(row, refused.reasons, claim)
        except NotThereError:
            return self._refuse_held(row, [Reason("request", "is not kept any longer: it waited for too long")], claim)
        claim = claim or self.ledger.start_release(
            request_id,
            trials[0].encounter,
            trials[0].created_at,
            recipients=[each.recipient.key for each in trials],
            registration=looked.details,
        )
        if claim is None:
            return self._as_recorded(self._recorded(request_id))
        try:
            stored = self._stored(
                request_id, trials, composed, claim, found, arrived=row.created_at, tell_at=row.history.warn_at
            )
            return self._released(request_id, stored)
        except RequestRefusedError as refused:
            return self._refuse_held(row, refused.reasons, claim)

    def give_up(self, request_id: str, why: str, origin: Origin | None = None) -> BuildResult:
        """Refuse a request that cannot be processed: it stays kept as it came, and a person is notified.

        `why` is one of our own sentences or the name of an error's type, and quotes nothing of the request. `origin`
        is of a new request; None for one that the ledger knows.
        """
        reasons = [Reason("request", f"could not be processed: {why}"), *self._made_before(request_id)]
        if row := self.ledger.find(request_id):
            return self._refuse_held(row, reasons, self.ledger.find_claim(request_id))
        asked: Request | Withdrawal | None
        try:
            asked = parse(self.evidence.request(request_id))
        except Exception:  # noqa: BLE001 - reading it may be what it provokes; then it is not known who asked
            asked = None
        order = self.ledger.find_order(request_id)
        return self._refuse(UUID(request_id), asked, reasons, order.origin if order else origin)

    def _made_before(self, request_id: str) -> Iterator[Reason]:
        """Name the messages that a request became before it failed: they are stored, and sent."""
        claim = self.ledger.find_claim(request_id)
        for message_id in claim.message_ids if claim else ():
            if self.ledger.find(message_id):
                yield Reason("request", f"message {message_id} was made of it before, and is sent all the same")

    def _build(
        self,
        request_id: UUID,
        raw: bytes,
        origin: Origin,
        versions: tuple[str, ...] | None = None,
        put: _Put = _Put(),
        *,
        received_as: str = "",
        files_of: datetime | None = None,
        needs_own_id: bool = False,
    ) -> BuildResult:
        """`versions` are the documents' as they were checked before; None: the newest. `put` is a dropped request's.

        `received_as` is the id under which a request came first that is taken in again, and `files_of` the time (UTC)
        whose files it means then.
        """
        received_as = received_as or str(request_id)
        arrived = self.evidence.keep_request(str(request_id), raw, origin.arrived or self.now())
        origin = replace(origin, arrived=arrived, document_versions=())
        if seen_before := self.ledger.find(str(request_id)):
            return self._as_recorded(seen_before)
        asked: Request | Withdrawal | None = None
        try:
            asked = parse(raw)
            if needs_own_id and asked.request_id is None:
                raise RequestRefusedError.because(
                    "request_id", "is missing: a request on the queue needs one of its own"
                )
            self._require_sender(asked, origin)
            mailbox = self._mailbox(asked)
            if isinstance(asked, Withdrawal):
                content, repeats = self._content(request_id, put, raw, ())
                if repeats:
                    return self._repeat(request_id, asked, repeats, origin)
                deleted = replace(_asked(asked.deleted, arrived, put), deletion=True)
                return self._withdraw(request_id, asked, deleted, content)
            request = redacted(asked)
            claim = self.ledger.find_claim(str(request_id))
            if claim and (known := self._known(request, mailbox, claim)):
                return known
            claimed = claim.document_versions if claim else versions
            names_files = request.documents or any(each.key for each in request.resources)
            if put.replaced and claimed is None and names_files:
                rule = "was replaced or removed before it was received: what lies beside it may be another's"
                raise RequestRefusedError.because("request", rule)
            naming = NamingRequest(
                receiver=Receiver(received_as, self.identifiers.of_encounter(mailbox.mailbox, request.encounter).key),
                folder=origin.folder,
                arrived=arrived,
                files_of=files_of or arrived,
                own_folder=bool(put.s3_object or origin.folder),
                still_current=put.still_current,
            )
            found = self._gather(request, claimed, naming)
            content, repeats = self._content(request_id, put, raw, found.digests) if claim is None else (None, "")
            if repeats:
                return self._repeat(request_id, request, repeats, replace(origin, document_versions=found.versions))
            looked = self._look_up(request_id, request, mailbox, claim)
            asked = request = looked.of(request)
            trials = self._trials(request, mailbox, found)
            composed = self._check(trials, found)
        except RequestRefusedError as refused:
            return self._refuse(request_id, asked, refused.reasons, origin)
        tell_at = warn_at(request, mailbox, arrived=arrived, now=self.now())
        if claim is None:
            decision = decide(
                request,
                mailbox,
                practice=known_practice(request) if looked.certain else None,
                arrived=arrived,
                now=self.now(),
            )
            decision, events = self._first_look_at(looked, decision)
            made = _asked(request.consultation.updated, arrived, put)
            checked = replace(origin, document_versions=found.versions)
            if decision.course is not Course.SEND:
                placed = self._place(request_id, request, decision, made, checked, content, events, tell_at)
                return replace(placed, unanswered=looked.unanswered)
            claim = self.ledger.claim(
                str(request_id),
                trials[0].encounter,
                found.versions,
                trials[0].created_at,
                asked=made,
                recipients=[each.recipient.key for each in trials],
                registration=looked.details,
                origin=checked,
                content=content,
            )
            if claim is None:  # a newer request came first: this one becomes no message
                return self._place(request_id, request, decision, made, checked, content)
        try:
            if claim.document_versions != found.versions:
                # Another builder claimed it meanwhile: read what it read.
                found = self._gather(request, claim.document_versions, naming)
            return self._stored(str(request_id), trials, composed, claim, found, arrived=arrived, tell_at=tell_at)
        except RequestRefusedError as refused:
            return self._refuse(request_id, asked, refused.reasons, origin)

    def _content(
        self, request_id: UUID, put: _Put, raw: bytes, digests: Sequence[str]
    ) -> tuple[DropContent | None, str]:
        """Say what a dropped request consists of, to be recorded with it, and which request it repeats, if any.

        The first is None where it is not to be recorded: it came by the queue, or a later version of its object was
        taken in before. A request that was refused is repeated by none: it is dropped again to be looked at again.
        Raises NotThereError.
        """
        if not put.s3_object:
            return None, ""
        known = self.ledger.find_content(put.s3_object)
        if known and known.request_id == str(request_id):  # another builder has just taken it in
            return None, ""
        content = DropContent(
            s3_object=put.s3_object,
            content=self.identifiers.digest("dropped content", hashlib.sha256(raw).hexdigest(), *digests).hex(),
            request_id=str(request_id),
            sequencer=put.sequencer,
            revision=known.revision if known else 0,
        )
        if known and known.content == content.content:
            row = self.ledger.find(known.request_id)
            if row is None or row.status is not Status.INVALID:
                return None, known.request_id
        return None if known and put_before(put.sequencer, known.sequencer) else content, ""

    def _repeat(self, request_id: UUID, asked: Request | Withdrawal, repeats: str, origin: Origin) -> BuildResult:
        """Give a copy of a request that was taken in its row: it becomes no message, and stops none.

        A copy of a report whose consultation was deleted since is not sent; a person is notified, who knows whether it
        was meant.
        """
        event = lifecycle.repeated(at=self.now(), of_request_id=repeats)
        row = self._row(request_id, asked, (event,), asked.mailbox)
        encounter = self.ledger.encounter(row.encounter_key)
        if isinstance(asked, Request) and encounter.newest and encounter.newest.deletion:
            event = lifecycle.superseded(at=self.now(), by_request_id=encounter.newest_request_id, arrived_later=True)
            row = replace(row, history=MessageHistory((event,)))
        change = self.ledger.create(row, origin)
        self.notifier.tell(change.notifications)
        return BuildResult(str(request_id), change.record.status)

    def _sender(self, origin: Origin) -> Sender | None:
        return self.senders.find(origin.folder, origin.queue_of) if self.senders else None

    def _require_sender(self, asked: Request | Withdrawal, origin: Origin) -> None:
        """See that a request names only what its sender may use. Raises RequestRefusedError; SenderSettingsError."""
        if self.senders and (reasons := list(broken_sender_rules(self._sender(origin), asked, origin.folder))):
            raise RequestRefusedError(reasons)

    def _look_up(
        self, request_id: UUID, request: Request, mailbox: MailboxSettings, claim: Claim | None
    ) -> Registration:
        """Find out what is known of the patient's practice: once for a message, however often it is built.

        Nobody is looked up for a request that breaks a rule (its number may be nobody's here), or that is not sent.
        """
        if claim is not None:
            return Registration.remembered(claim.registration)
        if reasons := list(broken_rules(request, mailbox, self.numbers, self.now())):
            raise RequestRefusedError(reasons)
        return self.lookup(request_id, request, mailbox) if request.clinically_relevant else Registration.said(request)

    def _first_look_at(self, looked: Registration, decision: Decision) -> tuple[Decision, tuple[LedgerEvent, ...]]:
        """Hold what PDS contradicts, for a person, and what it gives no answer about, until it does."""
        if looked.certain:
            return decision, ()
        held = replace(decision, course=Course.HOLD, requirement="GPCM-SD-CS-072")
        if looked.differs:
            event = lifecycle.differs(at=self.now(), fields=looked.differs, comparison=looked.comparison)
            return replace(held, why="PDS has the patient's details otherwise"), (event,)
        waits = replace(held, why="PDS gave no answer yet")
        return (waits if decision.course is Course.SEND else decision), ()

    def _still_waits(
        self, row: MessageRecord, request: Request, mailbox: MailboxSettings, looked: Registration
    ) -> BuildResult | None:
        """Record why a held request cannot become a message now, as PDS has it; None where it can."""
        now, history = self.now(), row.history
        event = lifecycle.differs(at=now, fields=looked.differs, comparison=looked.comparison)
        if looked.unanswered:
            times = len(history.of(EventType.LOOKUP_UNANSWERED)) + 1
            event = lifecycle.lookup_unanswered(at=now, times=times, why=str(looked.unanswered))
        elif not history.with_event(event).undecided_differences:
            decision = decide(request, mailbox, practice=looked.ods_code, arrived=row.created_at, now=now)
            if decision.course is not Course.NOT_REQUIRED:
                return None
            event = lifecycle.not_required(at=now, requirement=decision.requirement, why=decision.why)
        return replace(self._settle(row, event), unanswered=looked.unanswered)

    def _trials(self, request: Request, mailbox: MailboxSettings, found: "_Found") -> list[Message]:
        """Make the messages of a request, one for each recipient, as if they were the encounter's first."""
        trial = Message(
            request=request,
            mailbox=mailbox,
            identifiers=self.identifiers,
            version=1,
            created_at=whole_second(self.now()),
            supplied=found.supplied,
        )
        return [replace(trial, recipient=recipient) for recipient in recipients(request)]

    def _stored(
        self,
        request_id: str,
        trials: Sequence[Message],
        composed: Sequence["_Composed"],
        claim: Claim,
        found: "_Found",
        *,
        arrived: datetime,
        tell_at: datetime | None,
    ) -> BuildResult:
        """Store the messages in the version and at the time that were claimed for them, and queue them.

        Raises RequestRefusedError where a message breaks a requirement in this version.
        """
        messages = [
            replace(each, version=claim.version, created_at=claim.created_at, supplied=found.supplied)
            for each in trials
        ]
        documents = found.documents
        if messages != list(trials) or any(each.documents != documents for each in composed):
            composed = self._compose_checked(messages, found)
        return _together([self._store(request_id, each, claim, arrived, tell_at) for each in composed])

    def _place(
        self,
        request_id: UUID,
        request: Request,
        decision: Decision,
        asked: RequestTimes,
        origin: Origin,
        content: DropContent | None,
        more: tuple[LedgerEvent, ...] = (),
        tell_at: datetime | None = None,
    ) -> BuildResult:
        """Give a request that is not sent now its row: held or not required, or superseded at once."""
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
                warn_at=tell_at,
            )
        )
        row = self._row(request_id, request, (event, *more), request.mailbox)
        change = self.ledger.record_held(row, asked, origin, content)
        self.notifier.tell(change.notifications)
        return self._as_recorded(change.record)

    def _withdraw(
        self, request_id: UUID, withdrawal: Withdrawal, asked: RequestTimes, content: DropContent | None
    ) -> BuildResult:
        """Stop what is held of a deleted consultation, and warn of what was sent (GPCM-SD-CS-077).

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
        change = self.ledger.withdraw(row, asked, warn, content)
        self.notifier.tell(change.notifications)
        return self._as_recorded(change.record)

    def _released(self, request_id: str, built: BuildResult) -> BuildResult:
        event = lifecycle.released(
            at=self.now(), message_ids=[built.message_id, *(copy.message_id for copy in built.copies)]
        )
        self.ledger.record(request_id, event)
        return built

    def _recorded(self, row_id: str) -> MessageRecord:
        """Read a row as it is now. Raises UnknownRequestError."""
        row = self.ledger.find(row_id)
        if row is None:
            raise UnknownRequestError("the ledger has no such request")
        return row

    def _as_recorded(self, row: MessageRecord) -> BuildResult:
        """What became of a request with a row of its own, earlier; what it was released as is queued again."""
        records = [record for each in row.history.became if (record := self.ledger.find(each))]
        return (
            _together([self._queue(record) for record in records])
            if records
            else BuildResult(row.message_id, row.status)
        )

    def _known(self, request: Request, mailbox: MailboxSettings, claim: Claim) -> BuildResult | None:
        """Find the messages of a repeated request, if all are there: none of them must be written again."""
        encounter = self.identifiers.of_encounter(mailbox.mailbox, request.encounter)
        ids = [encounter.message_id(claim.version, recipient.key) for recipient in recipients(request)]
        records = [record for each in ids if (record := self.ledger.find(str(each)))]
        return _together([self._queue(record) for record in records]) if len(records) == len(ids) else None

    def _gather(self, request: Request, claimed: tuple[str, ...] | None, naming: NamingRequest) -> "_Found":
        """Find and read all that the request names, in the versions that were claimed if any were.

        Raises RequestRefusedError; NotReadyError.
        """
        documents = self._documents(request, claimed, naming)
        ready = self._ready_resources(request, claimed, naming)
        allowed = USE_CASES[request.use_case].resource_types
        supplied, digests = list[Supplied](), [document.sha256 for document in documents]
        for place, raw in self._raw_resources(request, ready):
            resource = request.resources[place]
            if place in ready:
                digests.append(hashlib.sha256(raw).hexdigest())
            read = read_supplied(place, resource.content_type, raw, allowed)
            if not (resource.confidential or read.labelled_confidential):  # what is must not be sent
                supplied.append(read)
        return _Found(tuple(documents), tuple(ready.values()), tuple(supplied), tuple(digests))

    def _mailbox(self, asked: Request | Withdrawal) -> MailboxSettings:
        try:
            return self.mailboxes.settings(asked.mailbox)
        except UnknownMailboxError:
            raise RequestRefusedError.because("mailbox", "is not a sending mailbox of this environment") from None

    def _account(self, asked: Request | Withdrawal | None, origin: Origin | None) -> str:
        """Give the mailbox on whose account a refused request goes, and whose contacts are notified.

        Where senders are configured it is one of the sender's own, whatever the request names. Elsewhere it is the one
        that the request names, where that is one of ours: another is whatever the sender wrote.
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
        """Find the documents, primary first, and open each. Raises GateUnavailableError."""
        places = [request.documents.index(document) for document in request.documents_in_order]
        versions = claimed[: len(places)] if claimed is not None else [None] * len(places)
        files: list[OpenedFile] = []
        reasons: dict[int, Sequence[Reason]] = {}
        for place, version in zip(places, versions, strict=True):
            document = request.documents[place]
            try:
                file = self._files.find(document.key, version, f"documents[{place}]", naming)
                sha256 = hashlib.sha256()
                verdict = self.gate.examine(document.content_type, _hashed(self.drop.chunks(file), sha256))
            except NotThereError:
                reasons[place] = [Reason(f"documents[{place}].key", "was removed before it could be read")]
                continue
            except RequestRefusedError as refused:
                reasons[place] = refused.reasons
                continue
            if verdict.refusal:
                reasons[place] = [Reason(f"documents[{place}]", verdict.refusal)]
            files.append(OpenedFile.of(file, verdict, sha256.hexdigest()))
        if reasons:  # in the order of the request, and not of the message
            raise RequestRefusedError([reason for place in sorted(reasons) for reason in reasons[place]])
        return files

    def _ready_resources(
        self, request: Request, claimed: tuple[str, ...] | None, naming: NamingRequest
    ) -> dict[int, DropFile]:
        """Find the files of the ready resources, by their place in the request."""
        keys = {place: each.key for place, each in enumerate(request.resources) if each.key is not None}
        versions = claimed[len(request.documents) :] if claimed is not None else [None] * len(keys)
        files: dict[int, DropFile] = {}
        for (place, key), version in zip(keys.items(), versions, strict=True):
            files[place] = self._files.find(key, version, f"resources[{place}]", naming)
        return files

    @property
    def _files(self) -> FileFinder:
        return FileFinder(
            drop=self.drop, ledger=self.ledger, scanned=self.scanned, patience=self.document_wait, now=self.now
        )

    def _raw_resources(self, request: Request, files: dict[int, DropFile]) -> Iterator[tuple[int, bytes]]:
        """Read the ready resources, from where they are; give each with its place in the request."""
        for place, resource in enumerate(request.resources):
            try:
                raw = (
                    resource.content.encode()
                    if resource.content is not None
                    else self.drop.read(files[place].key, files[place].version, LARGEST_RESOURCE)
                )
            except ValueError:
                raise RequestRefusedError.because(
                    f"resources[{place}]", f"is larger than {in_megabytes(LARGEST_RESOURCE)}"
                ) from None
            except NotThereError:
                raise RequestRefusedError.because(
                    f"resources[{place}].key", "was removed before it could be read"
                ) from None
            yield place, raw

    def _check(self, trials: Sequence[Message], found: _Found) -> list[_Composed]:
        """See that the request keeps the rules, and each of its messages the requirements; return them composed."""
        trial = trials[0]
        reasons = list(broken_rules(trial.request, trial.mailbox, self.numbers, trial.created_at))
        if reasons:
            raise RequestRefusedError(reasons)
        return self._compose_checked(trials, found)

    def _compose_checked(self, messages: Sequence[Message], found: _Found) -> list[_Composed]:
        """Write messages, and hold each as it is written against every MUST."""
        try:
            composed = [self._compose(each, found) for each in messages]
        except NotFhirError as error:
            raise RequestRefusedError.because("request", f"cannot be written as FHIR: see {error}") from None
        for each in composed:
            require_conformance(each.message, each.written)
        return composed

    def _compose(self, message: Message, found: _Found) -> _Composed:
        """Write a message; its primary document is rendered where the request has none.

        Rendering is deterministic, so a repeat sends the same bytes.
        """
        files = found.documents
        message = replace(message, request=as_carried(message.request, [file.content_type for file in files]))
        request = message.request
        if request.primary:
            return _Composed(message, files, files, compose(message, [file.size for file in files]))
        keys = [document.key for document in request.documents_in_order]
        design = message.specification.report
        renderer = _renderer(design, message.mailbox.report_page, self.report_logo, self.report_fonts)
        report = renderer.render(
            request, message.version, lambda key: b"".join(self.drop.chunks(files[keys.index(key)]))
        )
        sources: tuple[OpenedFile | RenderedReport, ...] = (report, *files)
        complete = replace(message, request=with_report(request))
        return _Composed(complete, files, sources, compose(complete, [source.size for source in sources]))

    def _read(self, source: "OpenedFile | RenderedReport") -> Iterable[bytes]:
        if isinstance(source, RenderedReport):
            return source.chunks()
        return self.drop.chunks(source) if source.text is None else [source.text]

    def _store(
        self, request_id: str, composed: _Composed, claim: Claim, arrived: datetime, tell_at: datetime | None
    ) -> BuildResult:
        message, sources = composed.message, composed.sources
        message_id = str(message.message_id)
        sha256 = self.outbox.put(
            message_id, envelope(message), composed.written.stream(lambda index: self._read(sources[index]))
        )
        event = lifecycle.built(
            at=self.now(),
            sha256=sha256,
            size=composed.written.size,
            infrastructure_due=message.mailbox.infrastructure_deadline,
            business_due=message.mailbox.business_deadline,
            advice=(*self._advice(message), *active_content(composed.documents)),
            to_mailbox=message.recipient.mailbox,
            to_organisation=message.recipient.ods_code or known_practice(message.request),
            registration=claim.registration,
            arrived=arrived,
            warn_at=tell_at if tell_at and tell_at > self.now() else None,
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
        if record.status is Status.BUILT:
            self.send_queue.put(record.message_id, record.mailbox)
        return BuildResult(record.message_id, record.status)

    def _advice(self, message: Message) -> tuple[str, ...]:
        """What a requirement advises against (SHOULD NOT), and the sender does all the same."""
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
        self.notifier.tell(change.notifications)
        return BuildResult(str(request_id), change.record.status)

    def _refuse_held(self, row: MessageRecord, reasons: Sequence[Reason], claim: Claim | None) -> BuildResult:
        """Refuse a request that was in order when it was held: a setting or a document has changed since."""
        return self._settle(row, self._refused(reasons), claim)

    def _refused(self, reasons: Sequence[Reason]) -> LedgerEvent:
        scans = [reason.scan for reason in reasons if reason.scan]
        return lifecycle.request_refused(at=self.now(), reasons=_listed(reasons), scans=scans)

    def _settle(self, row: MessageRecord, event: LedgerEvent, claim: Claim | None = None) -> BuildResult:
        """Record what became of a held request, unless another builder, or a newer request, was faster."""
        waiting = Status.RELEASING if claim else Status.HELD
        change = self.ledger.record(row.message_id, event, only_if=lambda history: history.status is waiting)
        if change is None:
            return self._as_recorded(self._recorded(row.message_id))
        self.notifier.tell(change.notifications)
        return BuildResult(row.message_id, change.record.status)

    def _row(
        self, request_id: UUID, asked: Request | Withdrawal | None, events: tuple[LedgerEvent, ...], mailbox: str
    ) -> MessageRecord:
        """Make the row of a request that is no message, on the account of a mailbox."""
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
    """Give the folder of a dropped request, with its slash; empty at the root of the bucket."""
    return key[: key.rfind("/") + 1]


def _asked(stated: datetime | None, arrived: datetime, put: _Put) -> RequestTimes:
    """Say where a request stands among those of its encounter: when it was made, as it says, or else when it came.

    Never later than it came: a sender's clock that is fast must not make what comes next look older.
    """
    return RequestTimes(
        stated=min(stated, arrived) if stated else arrived,
        arrived=arrived,
        s3_object=put.s3_object,
        sequencer=put.sequencer,
        undated=stated is None,
    )


def _hashed(chunks: Iterable[bytes], into: "hashlib._Hash") -> Iterator[bytes]:
    """Hash what is read, so that it is read once."""
    for chunk in chunks:
        into.update(chunk)
        yield chunk


def _together(built: Sequence[BuildResult]) -> BuildResult:
    """Join the messages of one request: the first, and its copies to others."""
    return replace(built[0], copies=tuple(built[1:]))


def _listed(reasons: Sequence[Reason]) -> list[str]:
    """Write the reasons down; a request with hundreds of faults is not read to the end by anybody."""
    listed = [str(reason) for reason in reasons[:MOST_REASONS]]
    return listed if len(reasons) <= MOST_REASONS else [*listed, f"… and {len(reasons) - MOST_REASONS} more"]
