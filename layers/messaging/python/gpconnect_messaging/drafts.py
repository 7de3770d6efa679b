"""Turn a request into messages in memory, checked as the builder checks them: no AWS, no MESH, no ledger.

For users of the library without the rest of the product: a sender who wants to check a request before dropping it, or a
system with another transport. The caller decides what to do with the messages.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from gpconnect_messaging.conformance import broken_musts
from gpconnect_messaging.documents.gate import REFUSING, DocumentGate
from gpconnect_messaging.documents.report import ReportRenderer, as_carried, with_report
from gpconnect_messaging.itk3.compose import ComposedMessage, NotFhirError, compose, envelope
from gpconnect_messaging.itk3.envelope import Envelope
from gpconnect_messaging.itk3.message import Message
from gpconnect_messaging.itk3.supplied import Supplied, read_supplied
from gpconnect_messaging.mailboxes.settings import MailboxSettings
from gpconnect_messaging.requests.identity import SHORTEST_SECRET, Identifiers
from gpconnect_messaging.requests.models import Request, parse_request
from gpconnect_messaging.requests.nhs_number import NumberRange
from gpconnect_messaging.requests.redaction import redacted
from gpconnect_messaging.requests.refusal import Reason, RequestRefusedError
from gpconnect_messaging.requests.rules import broken_alone, broken_rules
from gpconnect_messaging.routing.recipients import recipients
from gpconnect_messaging.sizes import in_megabytes
from gpconnect_messaging.specification import SPECIFICATIONS
from gpconnect_messaging.usecases import USE_CASES

Read = Callable[[str], bytes]
"""Returns the content of a file that the request names, by key. Errors are raised unchanged."""
ReadIfThere = Callable[[str], bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftMessage:
    """A message to one recipient that meets every checkable MUST.

    `message_id` is MessageHeader.id; `xml` is the whole message in UTF-8, FHIR STU3. `xml` and the envelope hold
    personal data, and are left out of the repr.
    """

    message_id: str
    envelope: Envelope
    xml: bytes = field(repr=False)


def draft_messages(
    raw: bytes,
    mailbox: MailboxSettings,
    read: Read,
    *,
    identifiers: Identifiers,
    version: int = 1,
    numbers: NumberRange = NumberRange.TEST,
    now: datetime | None = None,
    gate: DocumentGate = REFUSING,
) -> tuple[DraftMessage, ...]:
    """Build the messages of a request (JSON), one per recipient, the primary recipient first.

    `identifiers` derive the message ids, always with the same secret, which you keep. `version` is the version in the
    encounter, from 1; `now` is the creation time (UTC, default: now). The same request, secret, version and time give
    the same bytes. Without a primary document the report is rendered. `gate` opens the documents in a process that
    lives as long as this one.

    Raises GateUnavailableError; RequestRefusedError with a reason per broken rule; no reason repeats a value.
    """
    created_at = (now or datetime.now(UTC)).replace(microsecond=0)
    request = redacted(parse_request(raw))
    if request.mailbox != mailbox.mailbox:
        raise RequestRefusedError.because("mailbox", "is not the mailbox of the settings")
    if reasons := list(broken_rules(request, mailbox, numbers, created_at)):
        raise RequestRefusedError(reasons)
    documents, content_types = _opened(request, read, gate)
    request = as_carried(request, content_types)
    message = Message(
        request=request,
        mailbox=mailbox,
        identifiers=identifiers,
        version=version,
        created_at=created_at,
        supplied=_supplied(request, read),
    )
    if request.primary is None:
        renderer = ReportRenderer(message.specification.report, mailbox.report_page)
        documents = [renderer.render(request, version, read).content, *documents]
        message = replace(message, request=with_report(request))
    return tuple(_checked(replace(message, recipient=recipient), documents) for recipient in recipients(request))


def require_in_order(
    request: Request, beside: ReadIfThere, *, gate: DocumentGate = REFUSING, now: datetime | None = None
) -> list[str]:
    """Check a request as far as possible without settings; return the fields of the files that are missing.

    `beside` returns the content of a file that the request names, None where there is none. Where a ready resource is
    missing, references are not checked. Raises GateUnavailableError; RequestRefusedError.
    """
    created_at = (now or datetime.now(UTC)).replace(microsecond=0)
    sent = redacted(request)
    contents = {key: beside(key) for _, key in sent.files}
    reasons = list(broken_alone(sent, created_at))
    try:
        _opened(sent, contents.__getitem__, gate)
        supplied = _supplied(sent, contents.__getitem__)
    except RequestRefusedError as refused:
        reasons += refused.reasons
    if reasons:
        raise RequestRefusedError(reasons)
    if not any(resource.key and contents[resource.key] is None for resource in sent.resources):
        version = next(number for number, prescribed in SPECIFICATIONS.items() if sent.use_case in prescribed.wordings)
        message = Message(
            request=sent if sent.primary else with_report(sent),
            mailbox=MailboxSettings(mailbox=sent.mailbox, ods_code=sent.organisation.ods_code, specification=version),
            identifiers=Identifiers(bytes(SHORTEST_SECRET)),  # the composed message is discarded
            version=1,
            created_at=created_at,
            supplied=supplied,
        )
        _composed(message, [])
    return [field for field, key in request.files if key in contents and contents[key] is None]


def require_conformance(message: Message, written: ComposedMessage) -> None:
    """Check that a written message meets every checkable MUST, and the mailbox's size limit.

    Raises RequestRefusedError.
    """
    broken = broken_musts(written, envelope(message), message.mailbox.specification)
    if broken:
        raise RequestRefusedError([Reason(rule.id, f"{rule.message} ({rule.path})") for rule in broken])
    limit = message.mailbox.max_message_bytes
    if written.size > limit:
        size = f"make a message of {in_megabytes(written.size)}"
        raise RequestRefusedError.because(
            "documents", f"{size}, more than the mailbox's limit of {in_megabytes(limit)}"
        )


def _opened(request: Request, read: ReadIfThere, gate: DocumentGate) -> tuple[list[bytes], list[str]]:
    """Read and open the existing documents, primary first; return their content and the content types to send."""
    documents, content_types, reasons = [], [], []
    for document in request.documents_in_order:
        if (content := read(document.key)) is None:
            continue
        verdict = gate.examine(document.content_type, [content])
        if verdict.refusal:
            reasons.append(Reason(f"documents[{request.documents.index(document)}]", verdict.refusal))
        documents.append(content if verdict.text is None else verdict.text)
        content_types.append(verdict.content_type)
    if reasons:
        raise RequestRefusedError(reasons)
    return documents, content_types


def _supplied(request: Request, read: ReadIfThere) -> tuple[Supplied, ...]:
    """Read the existing ready resources, without confidential ones."""
    allowed = USE_CASES[request.use_case].resource_types
    included = []
    for index, resource in enumerate(request.resources):
        raw = read(str(resource.key)) if resource.content is None else resource.content.encode()
        if raw is None:
            continue
        supplied = read_supplied(index, resource.content_type, raw, allowed)
        if not (resource.confidential or supplied.labelled_confidential):
            included.append(supplied)
    return tuple(included)


def _composed(message: Message, documents: list[bytes]) -> ComposedMessage:
    try:
        return compose(message, map(len, documents))
    except NotFhirError as error:
        raise RequestRefusedError.because("request", f"cannot be written as FHIR: see {error}") from None


def _checked(message: Message, documents: list[bytes]) -> DraftMessage:
    written = _composed(message, documents)
    require_conformance(message, written)
    return DraftMessage(
        message_id=str(message.message_id),
        envelope=envelope(message),
        xml=b"".join(written.stream(lambda index: [documents[index]])),
    )
