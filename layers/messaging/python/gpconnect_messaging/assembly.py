"""Assemble the messages of a request: render the report if it has none, compose, and check against the requirements.

The builder and the library's `draft_messages` assemble here, so that both send the same bytes and refuse the same.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from gpconnect_messaging.conformance import Finding, broken_requirements
from gpconnect_messaging.conformance.validation import warnings
from gpconnect_messaging.documents.report import ReportRenderer, as_carried, with_report
from gpconnect_messaging.itk3.compose import ComposedMessage, NotFhirError, compose, envelope
from gpconnect_messaging.itk3.message import Message
from gpconnect_messaging.itk3.supplied import Supplied, read_supplied
from gpconnect_messaging.requests.models import Request
from gpconnect_messaging.requests.refusal import MOST_REASONS, Reason, RequestRefusedError
from gpconnect_messaging.sizes import in_megabytes
from gpconnect_messaging.usecases import USE_CASES

_CHUNK = 192 * 1024
_renderer = cache(ReportRenderer)
"""One renderer per design and paper size: fonts are read once."""


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """A document for a message: the content type that is sent, the size in bytes, and a reader of the content."""

    content_type: str
    size: int
    read: Callable[[], Iterable[bytes]] = field(repr=False)

    @classmethod
    def of(cls, content: bytes, content_type: str = "application/pdf") -> "SourceDocument":
        """Return a document whose content is in memory."""
        starts = range(0, len(content), _CHUNK)
        return cls(content_type, len(content), lambda: (content[start : start + _CHUNK] for start in starts))


@dataclass(frozen=True, slots=True)
class AssembledMessage:
    """A message that meets every checkable MUST, with the documents, one of which may be a rendered report."""

    message: Message
    written: ComposedMessage
    documents: tuple[SourceDocument, ...]
    warnings: tuple[str, ...] = ()
    """The SHOULDs that the message breaks, in words without personal data."""

    def stream(self) -> Iterator[bytes]:
        """Yield the message (UTF-8, FHIR STU3 XML) chunk by chunk. Raises DocumentChangedError."""
        return self.written.stream(lambda index: self.documents[index].read())


def included_resources(request: Request, raw: Iterable[tuple[int, bytes]]) -> Iterator[Supplied]:
    """Read ready resources, given with their index in the request; leave out confidential ones, which are never sent.

    Raises RequestRefusedError.
    """
    allowed = USE_CASES[request.use_case].resource_types
    for index, content in raw:
        resource = request.resources[index]
        supplied = read_supplied(index, resource.content_type, content, allowed)
        if not (resource.confidential or supplied.labelled_confidential):
            yield supplied


def assemble(
    messages: Iterable[Message],
    documents: Sequence[SourceDocument],
    *,
    logo: Path | None = None,
    fonts: tuple[Path, ...] = (),
) -> list[AssembledMessage]:
    """Assemble a request's messages; `documents` are the request's, primary first. The same input gives the same bytes.

    `logo` and `fonts` are the deployer's files for rendered reports. Raises RequestRefusedError.
    """
    assembled = [_assembled(message, tuple(documents), logo, fonts) for message in messages]
    return [replace(result, warnings=_require_conformance(result.message, result.written)) for result in assembled]


def _assembled(
    message: Message, documents: tuple[SourceDocument, ...], logo: Path | None, fonts: tuple[Path, ...]
) -> AssembledMessage:
    request = as_carried(message.request, [document.content_type for document in documents])
    if not request.primary:
        keys = [document.key for document in request.documents_in_order]
        renderer = _renderer(message.specification.report, message.mailbox.report_page, logo, fonts)
        report = renderer.render(request, message.version, lambda key: b"".join(documents[keys.index(key)].read()))
        documents = (SourceDocument.of(report), *documents)
        request = with_report(request)
    message = replace(message, request=request)
    return AssembledMessage(message, require_fhir(message, [document.size for document in documents]), documents)


def require_fhir(message: Message, document_sizes: Sequence[int] = ()) -> ComposedMessage:
    """Compose a message around documents of these sizes in bytes. Raises RequestRefusedError."""
    try:
        return compose(message, document_sizes)
    except NotFhirError as error:
        raise RequestRefusedError.because("request", f"cannot be written as FHIR: see {error}") from None


def _reason(finding: Finding) -> Reason:
    if finding.path.startswith("resources["):
        return Reason(finding.path.replace("/", "."), f"{finding.words} ({finding.id})")
    return Reason(finding.id, f"{finding.message} ({finding.path})")


def _require_conformance(message: Message, written: ComposedMessage) -> tuple[str, ...]:
    """Check that a written message meets every checkable MUST, and the mailbox's size limit; return the warnings."""
    broken = broken_requirements(written, envelope(message), message.mailbox.specification, message.use_case.name)
    if refusing := list(dict.fromkeys(_reason(finding) for finding in broken if finding.is_broken_must)):
        raise RequestRefusedError(refusing[:MOST_REASONS])
    limit = message.mailbox.max_message_bytes
    if written.size > limit:
        size = f"make a message of {in_megabytes(written.size)}"
        raise RequestRefusedError.because(
            "documents", f"{size}, more than the mailbox's limit of {in_megabytes(limit)}"
        )
    return warnings(broken)
