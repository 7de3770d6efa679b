"""Build: from a request to a stored message, its ledger row and its place on the send queue.

The order makes every crash harmless: the request is kept first; its version and time are claimed once; the message is
stored before the ledger knows of it, and queued after. A repeat derives the same ids, writes the same bytes, and finds
the earlier row; the sweep queues what was stored and not queued.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from uuid import UUID

from gpconnect_messaging.conformance import broken_musts
from gpconnect_messaging.documents.report import RenderedReport, ReportRenderer, with_report
from gpconnect_messaging.documents.types import PROBE_BYTES, mismatch
from gpconnect_messaging.itk3.compose import ComposedMessage, NotFhirError, compose, envelope
from gpconnect_messaging.itk3.message import Message
from gpconnect_messaging.itk3.supplied import LARGEST_RESOURCE, Supplied, read_supplied
from gpconnect_messaging.ledger import lifecycle
from gpconnect_messaging.ledger.lifecycle import History, Status
from gpconnect_messaging.ledger.records import Claim, MessageRecord
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.mailboxes.directory import MailboxDirectory, UnknownMailboxError
from gpconnect_messaging.mailboxes.settings import MailboxSettings
from gpconnect_messaging.notices import Notifier
from gpconnect_messaging.queues import SendQueue
from gpconnect_messaging.requests import identity
from gpconnect_messaging.requests.models import Request, parse_request
from gpconnect_messaging.requests.nhs_number import NumberRange
from gpconnect_messaging.requests.refusal import Reason, RequestRefusedError
from gpconnect_messaging.requests.rules import broken_rules
from gpconnect_messaging.routing.recipients import recipients
from gpconnect_messaging.storage import DropBucket, DropFile, Evidence, NotThereError, Outbox
from gpconnect_messaging.usecases import USE_CASES

REPLACEMENT_WINDOW = timedelta(hours=24)
"""How long after the original a replacement should come (GPCM-SD-037)."""

LARGEST_REQUEST = 1_048_576
"""Longest request.json, in bytes; a queue message cannot be longer either."""

MOST_REASONS = 50
"""How many broken rules are listed; the ledger's row and the notice have their limits."""

_renderer = cache(ReportRenderer)
"""One renderer per paper size: fonts are read once."""


@dataclass(frozen=True, slots=True)
class Built:
    """What became of a request: the message's id (a refused request's own id) and its status.

    `copies` are the messages to further recipients of the same document.
    """

    message_id: str
    status: Status
    copies: "tuple[Built, ...]" = ()


@dataclass(frozen=True, slots=True)
class _Found:
    """What a request names: its documents, primary first, its ready resources, and the versions of both in S3."""

    documents: tuple[DropFile, ...]
    versions: tuple[str, ...]
    supplied: tuple[Supplied, ...]


@dataclass(frozen=True, slots=True)
class _Composed:
    """A message with the report that was rendered for it, if any, written around its documents."""

    message: Message
    sources: tuple["DropFile | RenderedReport", ...]
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
    report_logo: Path | None = None
    report_fonts: tuple[Path, ...] = ()
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def dropped(self, bucket: str, key: str, version: str) -> Built:
        """Build the request that was dropped as this object version; its documents' keys are relative to its folder."""
        request_id = identity.dropped_request_id(bucket, key, version)
        try:
            raw = self.drop.read(key, version, LARGEST_REQUEST)
        except NotThereError:
            return self._refuse(request_id, None, [Reason("request", "was removed before it could be read")])
        except ValueError:
            return self._refuse(request_id, None, [Reason("request", f"is longer than {LARGEST_REQUEST} bytes")])
        folder = key[: key.rfind("/") + 1]
        return self._build(request_id, raw, folder)

    def queued(self, raw: bytes) -> Built:
        """Build a request that came whole as a queue message; its documents' keys are whole keys of the drop bucket."""
        return self._build(identity.queued_request_id(raw), raw, None)

    def _build(self, request_id: UUID, raw: bytes, folder: str | None) -> Built:
        self.evidence.keep_request(str(request_id), raw)
        if refused_before := self.ledger.find(str(request_id)):
            return Built(refused_before.message_id, refused_before.status)
        request: Request | None = None
        try:
            request = parse_request(raw)
            if folder is None and request.request_id is None:
                raise RequestRefusedError.because(
                    "request_id", "is missing: a request on the queue needs one of its own"
                )
            mailbox = self._mailbox(request)
            claim = self.ledger.find_claim(str(request_id))
            if claim and (known := self._known(request, mailbox, claim)):
                return known
            found = self._gather(request, folder or "", claim)
            trial = Message(
                request=request,
                mailbox=mailbox,
                version=1,
                created_at=self.now().replace(microsecond=0),
                supplied=found.supplied,
            )
            trials = [replace(trial, recipient=recipient) for recipient in recipients(request)]
            composed = self._check(trials, found)
        except RequestRefusedError as refused:
            return self._refuse(request_id, request, refused.reasons)
        first = claim is None
        if claim is None:
            claim = self.ledger.claim(
                str(request_id), mailbox.mailbox, request.encounter, found.versions, trial.created_at
            )
            if claim.document_versions != found.versions:
                # Another builder claimed it meanwhile: read what it read.
                first, found = False, self._gather(request, folder or "", claim)
        messages = [
            replace(each, version=claim.version, created_at=claim.created_at, supplied=found.supplied)
            for each in trials
        ]
        if not first or messages != trials:
            composed = [self._compose(message, found) for message in messages]
        return _together([self._store(request_id, each) for each in composed])

    def _known(self, request: Request, mailbox: MailboxSettings, claim: Claim) -> Built | None:
        """Find the messages of a repeated request, if all are there: none of them must be written again."""
        ids = [
            identity.message_id(mailbox.mailbox, request.encounter, claim.version, recipient.key)
            for recipient in recipients(request)
        ]
        records = [record for each in ids if (record := self.ledger.find(str(each)))]
        return _together([self._queue(record) for record in records]) if len(records) == len(ids) else None

    def _gather(self, request: Request, folder: str, claim: Claim | None) -> "_Found":
        """Find and read all that the request names, in the versions that were claimed if it is a repeat."""
        documents = self._documents(request, folder, claim)
        ready = self._ready_resources(request, folder, claim)
        versions = tuple(file.version for file in (*documents, *ready.values()))
        return _Found(tuple(documents), versions, tuple(self._supplied(request, ready)))

    def _mailbox(self, request: Request) -> MailboxSettings:
        try:
            return self.mailboxes.settings(request.mailbox)
        except UnknownMailboxError:
            raise RequestRefusedError.because("mailbox", "is not a sending mailbox of this environment") from None

    def _documents(self, request: Request, folder: str, claim: Claim | None) -> list[DropFile]:
        """Find the documents, primary first, and see that each is what the request says it is."""
        places = [request.documents.index(document) for document in request.documents_in_order]
        versions = claim.document_versions[: len(places)] if claim else [None] * len(places)
        files: list[DropFile] = []
        reasons: list[Reason] = []
        for place, version in zip(places, versions, strict=True):
            document = request.documents[place]
            try:
                file = self.drop.stat(folder + document.key, version)
                wrong = mismatch(document.content_type, *self.drop.ends(file, PROBE_BYTES))
            except NotThereError:
                reasons.append(Reason(f"documents[{place}].key", "names no file in the drop bucket"))
                continue
            if wrong:
                reasons.append(Reason(f"documents[{place}]", wrong))
            files.append(file)
        if reasons:
            raise RequestRefusedError(reasons)
        return files

    def _ready_resources(self, request: Request, folder: str, claim: Claim | None) -> dict[int, DropFile]:
        """Find the files of the ready resources, by their place in the request."""
        keys = {place: each.key for place, each in enumerate(request.resources) if each.key is not None}
        versions = claim.document_versions[len(request.documents) :] if claim else [None] * len(keys)
        files: dict[int, DropFile] = {}
        for (place, key), version in zip(keys.items(), versions, strict=True):
            try:
                files[place] = self.drop.stat(folder + key, version)
            except NotThereError:
                rule = "names no file in the drop bucket"
                raise RequestRefusedError.because(f"resources[{place}].key", rule) from None
        return files

    def _supplied(self, request: Request, files: dict[int, DropFile]) -> Iterator[Supplied]:
        """Read the ready resources, and keep back what must not be sent."""
        allowed = USE_CASES[request.use_case].resource_types
        for place, resource in enumerate(request.resources):
            try:
                raw = (
                    resource.content.encode()
                    if resource.content is not None
                    else self.drop.read(files[place].key, files[place].version, LARGEST_RESOURCE)
                )
            except ValueError:
                raise RequestRefusedError.because(
                    f"resources[{place}]", f"is longer than {LARGEST_RESOURCE} bytes"
                ) from None
            except NotThereError:
                raise RequestRefusedError.because(
                    f"resources[{place}].key", "was removed before it could be read"
                ) from None
            supplied = read_supplied(place, resource.content_type, raw, allowed)
            if not (resource.confidential or supplied.labelled_confidential):
                yield supplied

    def _check(self, trials: Sequence[Message], found: _Found) -> list[_Composed]:
        """See that the request keeps the rules, and each of its messages the requirements; return them composed."""
        trial = trials[0]
        reasons = list(broken_rules(trial.request, trial.mailbox, self.numbers, trial.created_at))
        if reasons:
            raise RequestRefusedError(reasons)
        try:
            composed = [self._compose(each, found) for each in trials]
        except NotFhirError as error:
            raise RequestRefusedError.because("request", f"cannot be written as FHIR: see {error}") from None
        limit = trial.mailbox.max_message_bytes
        for each in composed:
            broken = broken_musts(each.written, envelope(each.message), trial.mailbox.specification)
            if broken:
                raise RequestRefusedError([Reason(rule.id, f"{rule.message} ({rule.path})") for rule in broken])
            if each.written.size > limit:
                size = f"make a message of {each.written.size} bytes"
                raise RequestRefusedError.because("documents", f"{size}, more than the mailbox's limit of {limit}")
        return composed

    def _compose(self, message: Message, found: _Found) -> _Composed:
        """Write a message; its primary document is rendered where the request has none.

        Rendering is deterministic, so a repeat sends the same bytes.
        """
        request, files = message.request, found.documents
        if request.primary:
            return _Composed(message, files, compose(message, [file.size for file in files]))
        by_key = dict(zip((document.key for document in request.documents_in_order), files, strict=True))
        renderer = _renderer(message.mailbox.report_page, self.report_logo, self.report_fonts)
        report = renderer.render(request, message.version, lambda key: b"".join(self.drop.chunks(by_key[key])))
        sources: tuple[DropFile | RenderedReport, ...] = (report, *files)
        complete = replace(message, request=with_report(request))
        return _Composed(complete, sources, compose(complete, [source.size for source in sources]))

    def _read(self, source: "DropFile | RenderedReport") -> Iterable[bytes]:
        return source.chunks() if isinstance(source, RenderedReport) else self.drop.chunks(source)

    def _store(self, request_id: UUID, composed: _Composed) -> Built:
        message, sources = composed.message, composed.sources
        message_id = str(message.message_id)
        sha256 = self.outbox.put(
            message_id, envelope(message), composed.written.stream(lambda index: self._read(sources[index]))
        )
        fact = lifecycle.built(
            at=self.now(),
            sha256=sha256,
            size=composed.written.size,
            infrastructure_due=message.mailbox.infrastructure_deadline,
            business_due=message.mailbox.business_deadline,
            advice=self._advice(message),
        )
        change = self.ledger.create(
            MessageRecord(
                message_id=message_id,
                request_id=str(request_id),
                mailbox=message.mailbox.mailbox,
                encounter=message.request.encounter,
                version=message.version,
                recipient=message.recipient.key,
                created_at=message.created_at,
                history=History((fact,)),
                messages=len(recipients(message.request)),
            )
        )
        return self._queue(change.record)

    def _queue(self, record: MessageRecord) -> Built:
        if record.status is Status.BUILT:
            self.send_queue.put(record.message_id, record.mailbox)
        return Built(record.message_id, record.status)

    def _advice(self, message: Message) -> tuple[str, ...]:
        """What a requirement advises against (SHOULD NOT), and the sender does all the same."""
        if message.version == 1:
            return ()
        first = identity.message_id(message.mailbox.mailbox, message.request.encounter, 1, message.recipient.key)
        original = self.ledger.find(str(first))
        late = original is not None and message.created_at - original.created_at > REPLACEMENT_WINDOW
        return ("GPCM-SD-037: the replacement comes more than 24 hours after the original",) if late else ()

    def _refuse(self, request_id: UUID, request: Request | None, reasons: Sequence[Reason]) -> Built:
        now = self.now()
        if request is None:  # it may be one that could not be read at all, and so was not received yet
            self.evidence.receipt(str(request_id), b"")
        change = self.ledger.create(
            MessageRecord(
                message_id=str(request_id),
                request_id=str(request_id),
                # What could not be read is not known; a mailbox id has a form that holds no one's name.
                mailbox=request.mailbox if request else "-",
                encounter=request.encounter if request else "-",
                version=0,
                created_at=now.replace(microsecond=0),
                history=History((lifecycle.request_refused(at=now, reasons=_listed(reasons)),)),
            )
        )
        self.notifier.tell(change.notices)
        return Built(str(request_id), change.record.status)


def _together(built: Sequence[Built]) -> Built:
    """Join the messages of one request: the first, and its copies to others."""
    return replace(built[0], copies=tuple(built[1:]))


def _listed(reasons: Sequence[Reason]) -> list[str]:
    """Write the reasons down; a request with hundreds of faults is not read to the end by anybody."""
    listed = [str(reason) for reason in reasons[:MOST_REASONS]]
    return listed if len(reasons) <= MOST_REASONS else [*listed, f"… and {len(reasons) - MOST_REASONS} more"]
