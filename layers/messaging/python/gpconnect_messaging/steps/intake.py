"""Intake: turn a new request into messages, hold it, or refuse it.

A request is new until the ledger has it: it was dropped, queued, or resubmitted by an operator.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from gpconnect_messaging.decision import Course, Decision, decide, known_practice, warn_at
from gpconnect_messaging.derived_ids import encounter_key_of
from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.precedence import RequestTimes, object_of, put_before
from gpconnect_messaging.ledger.received_objects import Receiver
from gpconnect_messaging.ledger.records import Claim, DropContent, MessageRecord, Origin
from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.mailboxes.directory import UnknownMailboxError
from gpconnect_messaging.mailboxes.senders import Sender
from gpconnect_messaging.mailboxes.settings import MailboxSettings
from gpconnect_messaging.quoting import NOT_OURS
from gpconnect_messaging.request_rules import broken_sender_rules
from gpconnect_messaging.requests.models import LARGEST_REQUEST, Request, Withdrawal, parse, parse_request
from gpconnect_messaging.requests.plausibility import implausible_withdrawal
from gpconnect_messaging.requests.refusal import Reason, RequestRefusedError
from gpconnect_messaging.sizes import in_megabytes
from gpconnect_messaging.stated_times import read_stated
from gpconnect_messaging.steps.lookup import Registration
from gpconnect_messaging.steps.message_pipeline import BuildResult, MessagePipeline, UnknownRequestError
from gpconnect_messaging.steps.named_files import NamingRequest
from gpconnect_messaging.steps.warning import warning
from gpconnect_messaging.storage import NotThereError, whole_second
from gpconnect_messaging.usecases.redaction import redacted


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


@dataclass(frozen=True, slots=True)
class _Received:
    """A request as it was received.

    `versions` are the document versions that were checked before; None: the newest. Two are of a resubmitted request:
    `received_as` is the first request id, and `files_of` the time (UTC) whose files the request means.
    """

    request_id: UUID
    raw: bytes
    origin: Origin
    drop_event: _DropEvent = _DropEvent()
    versions: tuple[str, ...] | None = None
    received_as: str = ""
    files_of: datetime | None = None
    claim: Claim | None = None
    """The version that the request was given before, by a builder that did not finish."""


@dataclass(frozen=True, kw_only=True)
class Intake(MessagePipeline):
    """Builds requests that are new to the ledger."""

    def dropped(self, bucket: str, key: str, version: str, arrived: datetime | None, sequencer: str) -> BuildResult:
        """Build the request that was dropped as this object version; document keys are relative to the folder.

        `arrived` is when the request was dropped (UTC), and `sequencer` S3's number of the event, as far as they are
        known. The receipt is written before the object is read, so that the balance misses an unreadable request.
        Raises NotReadyError.
        """
        request_id = self.identifiers.dropped_request_id(bucket, key, version)
        arrived = read_stated(arrived) or self.now()
        origin = Origin(folder=folder_of(key), arrived=arrived, dropped=True)
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
        return self._build(_Received(request_id, raw, origin, drop_event))

    def queued(self, raw: bytes, arrived: datetime | None = None, queue_of: str = "") -> BuildResult:
        """Build a request that came whole as a queue message; document keys are whole keys of the drop bucket.

        `arrived` is when the request was put on the queue (UTC), if known; `queue_of` names the sender that owns the
        queue. Raises NotReadyError.
        """
        request_id = self.identifiers.queued_request_id(raw, queue_of)
        self.evidence.receipt(str(request_id))
        origin = Origin(arrived=read_stated(arrived), queue_of=queue_of)
        return self._build(_Received(request_id, raw, origin), needs_own_id=True)

    def resubmitted(self, request_id: str) -> BuildResult:
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
        return self._build(
            _Received(UUID(request_id), raw, order.origin, versions=versions, received_as=first, files_of=self.now())
        )

    def _build(self, received: _Received, *, needs_own_id: bool = False) -> BuildResult:
        """Build a new request."""
        request_id, raw, origin = received.request_id, received.raw, received.origin
        arrived = self.evidence.keep_request(str(request_id), raw, origin.arrived or self.now())
        received = replace(received, origin=replace(origin, arrived=arrived, document_versions=()))
        encounter = self.ledger.encounter_of(str(request_id))
        if encounter and (known_row := encounter.records.get(str(request_id))):
            return self._as_recorded(known_row)
        received = replace(received, claim=encounter.claims.get(str(request_id)) if encounter else None)
        asked: Request | Withdrawal | None = None
        try:
            asked = parse(raw)
            if needs_own_id and asked.request_id is None:
                raise RequestRefusedError.because("request_id", "is missing: a request on the queue needs one")
            self._require_sender(asked, origin)
            mailbox = self._mailbox(asked)
            if isinstance(asked, Withdrawal):
                return self._withdraw(received, asked, arrived)
            return self._build_request(received, redacted(asked), mailbox, arrived)
        except RequestRefusedError as refused:
            return self._refuse(request_id, asked, refused.reasons, received.origin)

    def _build_request(
        self, received: _Received, request: Request, mailbox: MailboxSettings, arrived: datetime
    ) -> BuildResult:
        """Build a request that may use the mailbox, or hold it. Raises RequestRefusedError."""
        request_id, drop_event, claim = received.request_id, received.drop_event, received.claim
        if claim and (known := self._known(request, mailbox, claim)):
            return known
        claimed = claim.document_versions if claim else received.versions
        names_files = request.documents or any(resource.key for resource in request.resources)
        if drop_event.replaced and claimed is None and names_files:
            rule = "was replaced or removed before it was received: the files beside it may be another request's"
            raise RequestRefusedError.because("request", rule)
        encounter_key = self.identifiers.of_encounter(mailbox.mailbox, request.encounter).key
        naming = NamingRequest(
            receiver=Receiver(received.received_as or str(request_id), encounter_key),
            folder=received.origin.folder,
            arrived=arrived,
            files_of=received.files_of or arrived,
            own_folder=received.origin.dropped,
            still_current=drop_event.still_current,
        )
        content = self._content(request, claimed, naming)
        origin = replace(received.origin, document_versions=content.versions)
        drop_content: DropContent | None = None
        if claim is None:
            drop_content, original_id = self._drop_content(received, content.digests)
            if original_id:
                return self._repeat(request_id, request, original_id, origin)
        course = decide(request, mailbox, practice=None, arrived=arrived, now=self.now()).course
        registration = self._look_up(request_id, request, mailbox, claim, held=course is Course.HOLD)
        request = registration.of(request)
        drafts = self._drafts(request, mailbox, content)
        now = self.now()
        late_warning_at = warn_at(request, mailbox, arrived=arrived, now=now)
        if claim is None:
            practice = known_practice(request) if registration.certain else None
            decision = decide(request, mailbox, practice=practice, arrived=arrived, now=now)
            decision, events = self._apply_lookup(registration, decision)
            times = _request_times(request.consultation.updated, arrived, drop_event)
            if decision.course is not Course.SEND:
                result = self._hold(request_id, request, decision, times, origin, drop_content, events, late_warning_at)
                return replace(result, unanswered=registration.unanswered)
            claim = self.ledger.claim(
                str(request_id),
                drafts.messages[0].encounter,
                content.versions,
                drafts.messages[0].created_at,
                asked=times,
                recipients=[draft.recipient.key for draft in drafts.messages],
                registration=registration.details,
                origin=origin,
                content=drop_content,
            )
            if claim is None:  # a newer request came first: this one becomes no message
                return self._hold(request_id, request, decision, times, origin, drop_content)
        if claim.document_versions != content.versions:
            # Another builder claimed the request meanwhile: use the same versions.
            content = self._content(request, claim.document_versions, naming)
            drafts = replace(drafts, assembled=None)
        return self._store_all(
            str(request_id), drafts, claim, content, arrived=arrived, late_warning_at=late_warning_at
        )

    def _drop_content(self, received: _Received, digests: Sequence[str]) -> tuple[DropContent | None, str]:
        """Return the content of a dropped request, to be recorded, and the id of the request that it repeats.

        The id is "" where it repeats none. The content is None where it must not be recorded: the request came by the
        queue, or a later version of the object was received before. A refused request may be dropped again unchanged,
        to be checked again: that is no repeat. Raises NotThereError.
        """
        request_id, drop_event = received.request_id, received.drop_event
        if not drop_event.s3_object:
            return None, ""
        known = self.ledger.find_content(drop_event.s3_object)
        if known and known.request_id == str(request_id):  # another builder has just recorded it
            return None, ""
        content = DropContent(
            s3_object=drop_event.s3_object,
            content=self.identifiers.digest(
                "dropped content", hashlib.sha256(received.raw).hexdigest(), *digests
            ).hex(),
            request_id=str(request_id),
            sequencer=drop_event.sequencer,
            arrived=received.origin.arrived,
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
        event = ledger_events.repeated(at=self.now(), of_request_id=original_id)
        row = self._row(request_id, asked, (event,), asked.mailbox)
        encounter = self.ledger.encounter(row.encounter_key)
        if isinstance(asked, Request) and encounter.newest and encounter.newest.deletion:
            event = ledger_events.superseded(
                at=self.now(), by_request_id=encounter.newest_request_id, arrived_later=True
            )
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

    def _apply_lookup(self, registration: Registration, decision: Decision) -> tuple[Decision, tuple[LedgerEvent, ...]]:
        """Hold a request that PDS contradicts for a person, and one that it has not answered about until it does."""
        if registration.certain:
            return decision, ()
        held = replace(decision, course=Course.HOLD, requirement="GPCM-SD-CS-072")
        if registration.differs:
            event = ledger_events.differs(
                at=self.now(), fields=registration.differs, comparison=registration.comparison
            )
            return replace(held, why="PDS has the patient's details otherwise"), (event,)
        unanswered = replace(held, why="PDS gave no answer yet")
        return (unanswered if decision.course is Course.SEND else decision), ()

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
            ledger_events.not_required(at=now, requirement=decision.requirement, why=decision.why)
            if decision.course is Course.NOT_REQUIRED
            else ledger_events.held(
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

    def _withdraw(self, received: _Received, withdrawal: Withdrawal, arrived: datetime) -> BuildResult:
        """Stop the held reports of a deleted consultation, and warn of those that were sent (GPCM-SD-CS-077).

        Raises RequestRefusedError; LedgerBusyError.
        """

        def warn(sent: Sequence[MessageRecord]) -> str:
            try:
                request = redacted(parse_request(self.evidence.request(sent[0].request_id)))
            except (NotThereError, RequestRefusedError):
                request = None
            return self.evidence.keep_warning(str(request_id), warning(withdrawal, request, sent))

        request_id = received.request_id
        drop_content, original_id = self._drop_content(received, ())
        if original_id:
            return self._repeat(request_id, withdrawal, original_id, received.origin)
        if reasons := list(implausible_withdrawal(withdrawal, self.now())):
            raise RequestRefusedError(reasons)
        times = replace(_request_times(withdrawal.deleted, arrived, received.drop_event), deletion=True)
        row = self._row(request_id, withdrawal, (), withdrawal.mailbox)
        change = self.ledger.withdraw(row, times, warn, drop_content)
        self.notifier.notify(change.notifications)
        return self._as_recorded(change.record)

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
            # Requests that name no encounter do not belong together.
            encounter_key=self.identifiers.of_encounter(mailbox, encounter).key
            if asked
            else encounter_key_of(request_id),
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
