"""Build: from a request to a stored message, its ledger row and its place on the send queue.

The order makes every crash harmless: the request is kept first; its version and time are claimed once; the message is
stored before the ledger knows of it, and queued after. A repeat derives the same ids, writes the same bytes, and finds
the earlier row; the sweep queues what was stored and not queued.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from uuid import UUID

from gpconnect_messaging.documents.report import RenderedReport, ReportRenderer, with_report
from gpconnect_messaging.documents.types import PROBE_BYTES, mismatch
from gpconnect_messaging.itk3.compose import NotFhirError, compose, envelope
from gpconnect_messaging.itk3.message import Message
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
from gpconnect_messaging.storage import DropBucket, DropFile, Evidence, NotThereError, Outbox

LARGEST_REQUEST = 1_048_576
"""Longest request.json, in bytes; a queue message cannot be longer either."""

_renderer = cache(ReportRenderer)
"""One renderer per paper size: fonts are read once."""


@dataclass(frozen=True, slots=True)
class Built:
    """What became of a request: the message's id (a refused request's own id) and its status."""

    message_id: str
    status: Status


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
        return self._build(request_id, raw, folder, [])

    def queued(self, raw: bytes) -> Built:
        """Build a request that came whole as a queue message; its documents' keys are whole keys of the drop bucket."""
        try:
            given = parse_request(raw).request_id
        except RequestRefusedError:
            given = None  # _build finds the same faults again, and reports them
        if given is not None:
            return self._build(identity.queued_request_id(given), raw, "", [])
        # Without an id of its own, the request is known by its bytes, so that a repeat is told from a new one.
        missing = Reason("request_id", "is missing: a request on the queue needs a unique id of its own")
        return self._build(identity.queued_request_id(raw.decode(errors="replace")), raw, "", [missing])

    def _build(self, request_id: UUID, raw: bytes, folder: str, reasons: list[Reason]) -> Built:
        self.evidence.keep_request(str(request_id), raw)
        request: Request | None = None
        try:
            request = parse_request(raw)
            if reasons:
                raise RequestRefusedError(reasons)
            mailbox = self._mailbox(request)
            claim = self.ledger.find_claim(str(request_id))
            files = self._documents(request, folder, claim)
            self._check(request, mailbox, files)
        except RequestRefusedError as refused:
            return self._refuse(request_id, request, refused.reasons)
        if claim is None:
            versions = [file.version for file in files]
            claim = self.ledger.claim(str(request_id), mailbox.mailbox, request.encounter, versions)
            if list(claim.document_versions) != versions:
                files = self._documents(
                    request, folder, claim
                )  # another builder claimed it meanwhile: read what it read
        message = Message(request=request, mailbox=mailbox, version=claim.version, created_at=claim.created_at)
        return self._store(request_id, message, files)

    def _mailbox(self, request: Request) -> MailboxSettings:
        try:
            return self.mailboxes.settings(request.mailbox)
        except UnknownMailboxError:
            raise RequestRefusedError.because("mailbox", "is not a sending mailbox of this environment") from None

    def _documents(self, request: Request, folder: str, claim: Claim | None) -> list[DropFile]:
        """Find the documents, primary first, and see that each is what the request says it is."""
        places = [request.documents.index(document) for document in request.documents_in_order]
        versions = claim.document_versions if claim else [None] * len(places)
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

    def _check(self, request: Request, mailbox: MailboxSettings, files: list[DropFile]) -> None:
        reasons = list(broken_rules(request, mailbox, self.numbers, self.now()))
        if not reasons:
            trial = Message(request=request, mailbox=mailbox, version=1, created_at=self.now().replace(microsecond=0))
            trial, sources = self._with_report(trial, files)
            try:
                size = compose(trial, [source.size for source in sources]).size
            except NotFhirError as error:
                raise RequestRefusedError.because("request", f"cannot be written as FHIR: see {error}") from None
            if size > mailbox.max_message_bytes:
                rule = f"make a message of {size} bytes, more than the mailbox's limit of {mailbox.max_message_bytes}"
                reasons.append(Reason("documents", rule))
        if reasons:
            raise RequestRefusedError(reasons)

    def _store(self, request_id: UUID, message: Message, files: list[DropFile]) -> Built:
        message_id = str(message.message_id)
        message, sources = self._with_report(message, files)
        composed = compose(message, [source.size for source in sources])
        sha256 = self.outbox.put(
            message_id, envelope(message), composed.stream(lambda index: self._read(sources[index]))
        )
        fact = lifecycle.built(
            at=self.now(),
            sha256=sha256,
            size=composed.size,
            infrastructure_due=message.mailbox.infrastructure_deadline,
            business_due=message.mailbox.business_deadline,
        )
        change = self.ledger.create(
            MessageRecord(
                message_id=message_id,
                request_id=str(request_id),
                mailbox=message.mailbox.mailbox,
                encounter=message.request.encounter,
                version=message.version,
                created_at=message.created_at,
                history=History((fact,)),
            )
        )
        if change.record.status is Status.BUILT:
            self.send_queue.put(message_id, message.mailbox.mailbox)
        return Built(message_id, change.record.status)

    def _with_report(self, message: Message, files: list[DropFile]) -> tuple[Message, list[DropFile | RenderedReport]]:
        """Render the primary document where the request has none; deterministic, so a repeat sends the same bytes."""
        request = message.request
        if request.primary:
            return message, [*files]
        by_key = dict(zip((document.key for document in request.documents_in_order), files, strict=True))
        renderer = _renderer(message.mailbox.report_page, self.report_logo, self.report_fonts)
        report = renderer.render(request, message.version, lambda key: b"".join(self.drop.chunks(by_key[key])))
        return replace(message, request=with_report(request)), [report, *files]

    def _read(self, source: DropFile | RenderedReport) -> Iterable[bytes]:
        return source.chunks() if isinstance(source, RenderedReport) else self.drop.chunks(source)

    def _refuse(self, request_id: UUID, request: Request | None, reasons: list[Reason] | tuple[Reason, ...]) -> Built:
        now = self.now()
        change = self.ledger.create(
            MessageRecord(
                message_id=str(request_id),
                request_id=str(request_id),
                # What could not be read is not known; a mailbox id has a form that holds no one's name.
                mailbox=request.mailbox if request else "-",
                encounter=request.encounter if request else "-",
                version=0,
                created_at=now.replace(microsecond=0),
                history=History((lifecycle.request_refused(at=now, reasons=map(str, reasons)),)),
            )
        )
        self.notifier.tell(change.notices)
        return Built(str(request_id), change.record.status)
