"""Turn a request into messages in memory, checked as the builder checks them: no AWS, no MESH, no ledger.

For users of the library without the rest of the product: a sender who wants to check a request before dropping it, or a
system with another transport. The caller decides what to do with the messages.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain

from gpconnect_messaging.assembly import SourceDocument, assemble, included_resources, require_fhir
from gpconnect_messaging.conformance import broken_requirements
from gpconnect_messaging.conformance.validation import warnings
from gpconnect_messaging.derived_ids import SHORTEST_SECRET, Identifiers
from gpconnect_messaging.documents.gate import REFUSING, DocumentGate
from gpconnect_messaging.documents.report import with_report
from gpconnect_messaging.identifiers import NumberRange, number_range
from gpconnect_messaging.itk3.compose import envelope
from gpconnect_messaging.itk3.envelope import Envelope
from gpconnect_messaging.itk3.message import Message
from gpconnect_messaging.itk3.supplied import Supplied
from gpconnect_messaging.mailboxes.settings import MailboxSettings
from gpconnect_messaging.request_rules import broken_rules
from gpconnect_messaging.requests.models import VERIFIED, Request, parse_request
from gpconnect_messaging.requests.refusal import Reason, RequestRefusedError
from gpconnect_messaging.routing.recipients import recipients
from gpconnect_messaging.usecases import USE_CASES
from gpconnect_messaging.usecases.redaction import redacted

Read = Callable[[str], bytes]
"""Returns the content of a file that the request names, by key. Errors are raised unchanged."""
ReadIfThere = Callable[[str], bytes | None]

_MAILBOX = "A1B2C"
"""Stands for the sending mailbox in a check without settings: its message is discarded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftMessage:
    """A message to one recipient that meets every checkable MUST.

    `message_id` is MessageHeader.id; `xml` is the whole message in UTF-8, FHIR STU3. `xml` and the envelope hold
    personal data, and are left out of the repr.
    """

    message_id: str
    envelope: Envelope
    xml: bytes = field(repr=False)
    warnings: tuple[str, ...] = ()
    """The SHOULDs that the message breaks."""


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
    documents = _opened(request, read, gate)
    message = Message(
        request=request,
        mailbox=mailbox,
        identifiers=identifiers,
        version=version,
        created_at=created_at,
        supplied=_supplied(request, read),
    )
    messages = [replace(message, recipient=recipient) for recipient in recipients(request)]
    return tuple(
        DraftMessage(
            message_id=str(assembled.message.message_id),
            envelope=envelope(assembled.message),
            xml=b"".join(assembled.stream()),
            warnings=assembled.warnings,
        )
        for assembled in assemble(messages, documents)
    )


def require_in_order(
    request: Request, beside: ReadIfThere, *, gate: DocumentGate = REFUSING, now: datetime | None = None
) -> tuple[list[str], tuple[str, ...]]:
    """Check a request as far as possible without settings; return the fields of missing files, and the warnings.

    `beside` returns the content of a file that the request names, None where there is none. Where a ready resource is
    missing, references are not checked. A warning is a SHOULD that the message would break. Raises
    GateUnavailableError; RequestRefusedError.
    """
    created_at = (now or datetime.now(UTC)).replace(microsecond=0)
    sent = redacted(request).with_number_status(VERIFIED)  # PDS may verify it
    contents = {key: beside(key) for _, key in sent.files}
    mailbox, reasons = _any_mailbox(sent, created_at)
    try:
        _opened(sent, contents.__getitem__, gate)
        supplied = _supplied(sent, contents.__getitem__)
    except RequestRefusedError as refused:
        reasons += [reason for reason in refused.reasons if reason not in reasons]
    if reasons:
        raise RequestRefusedError(reasons)
    warned: tuple[str, ...] = ()
    if not any(resource.key and contents[resource.key] is None for resource in sent.resources):
        message = Message(
            request=sent if sent.primary else with_report(sent),
            mailbox=mailbox,
            identifiers=Identifiers(bytes(SHORTEST_SECRET)),  # the composed message is discarded
            version=1,
            created_at=created_at,
            supplied=supplied,
        )
        written, specification = require_fhir(message), mailbox.specification
        warned = warnings(broken_requirements(written, envelope(message), specification, request.use_case))
    return [field for field, key in request.files if key in contents and contents[key] is None], warned


def _any_mailbox(request: Request, now: datetime) -> tuple[MailboxSettings, list[Reason]]:
    """Return settings under which the request breaks the fewest rules, and the reasons if it breaks some under any."""
    approved = (request.document_type.code,) if request.document_type else ()
    mailboxes = [
        MailboxSettings(
            mailbox=_MAILBOX, ods_code=request.organisation.ods_code, specification=version, document_types=approved
        )
        for version in USE_CASES[request.use_case].versions
    ]
    numbers = number_range(request.patient.nhs_number)
    broken = [list(broken_rules(request, mailbox, numbers, now)) for mailbox in mailboxes]
    common = [reason for reason in broken[0] if all(reason in reasons for reasons in broken)]
    every = list(dict.fromkeys(chain.from_iterable(broken))) if all(broken) else []
    return mailboxes[broken.index(min(broken, key=len))], common or every


def _opened(request: Request, read: ReadIfThere, gate: DocumentGate) -> list[SourceDocument]:
    """Read and open the existing documents, primary first."""
    documents, reasons = list[SourceDocument](), list[Reason]()
    for document in request.documents_in_order:
        if (content := read(document.key)) is None:
            continue
        verdict = gate.examine(document.content_type, [content])
        if verdict.refusal:
            reasons.append(Reason(f"documents[{request.documents.index(document)}]", verdict.refusal))
        documents.append(SourceDocument.of(content if verdict.text is None else verdict.text, verdict.content_type))
    if reasons:
        raise RequestRefusedError(reasons)
    return documents


def _supplied(request: Request, read: ReadIfThere) -> tuple[Supplied, ...]:
    """Read the existing ready resources, without confidential ones."""
    contents = [
        read(str(resource.key)) if resource.content is None else resource.content.encode()
        for resource in request.resources
    ]
    raw = ((index, content) for index, content in enumerate(contents) if content is not None)
    return tuple(included_resources(request, raw))
